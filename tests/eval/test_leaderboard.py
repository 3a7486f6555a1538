from hypothesis import given
from hypothesis import strategies as st

from eval.leaderboard import CAVEAT, OurRow, markdown, plain, table_text
from eval.passk import PassAtK
from eval.published import PUBLISHED

OURS = OurRow(
    model="ours|90M",
    millions=90,
    scores={1: PassAtK(1, 0.0512, 0.02, 0.0899)},
    how="ours: n = 2",
)


def test_all_published_rows_are_there_each_once_with_a_source():
    assert len(PUBLISHED) == 26
    assert len({row.model for row in PUBLISHED}) == 26
    for row in PUBLISHED:
        assert 0 < row.at_1 < row.at_10 < row.at_100 < 100
        assert row.source
    by_name = {row.model: (row.at_1, row.at_10, row.at_100) for row in PUBLISHED}
    assert by_name["PyCodeGPT-110M"] == (8.32, 13.53, 18.3)
    assert by_name["Codex 12B"] == (28.81, 46.81, 72.31)


def test_ours_stands_where_its_size_belongs_with_its_interval():
    lines = markdown([OURS]).splitlines()
    rows = [line for line in lines if line.startswith("| ")][2:]
    names = [row.split(" | ")[0].strip("|* ") for row in rows]
    place = names.index("ours\\|90M")
    assert names[place - 1].endswith("89M (AlphaCode)")
    assert names[place + 1] == "PyCodeGPT-110M"
    assert "**5.12 [2.0, 9.0]** |  |  | **ours: n = 2**" in rows[place]
    assert names[-1] == "TabNine"


def test_every_form_says_that_neighbours_cant_be_told_apart():
    assert CAVEAT in markdown([])
    assert plain([])["caveat"] == CAVEAT
    assert "can't be told apart" in table_text([], width=200)


@given(st.integers(60, 250))
def test_the_table_fits_its_width_and_keeps_the_numbers(width):
    text = table_text([OURS], width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "5.12 [2.0, 9.0]" in text


def test_plain_values_are_percent():
    (row,) = plain([OURS])["ours"]
    assert row["scores"] == {"pass@1": {"value": 5.12, "low": 2.0, "high": 8.99}}
    assert len(plain([])["published"]) == 26
