import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.takedown.register import Takedown, read_takedowns, write_takedowns
from corpus.errors import FileError
from harvest.selection import read_opt_out

ONE = Takedown(id=7, name="Owner/Repo", date="2024-01-02", files=3, was_in_corpus=None)


def test_a_list_reads_back(tmp_path):
    path = tmp_path / "takedowns.txt"
    assert read_takedowns(path) == ()
    write_takedowns(path, [ONE])
    assert read_takedowns(path) == (ONE,)
    assert sum(line.startswith("Owner/Repo #") for line in path.read_text().splitlines()) == 1


@given(st.text(), st.integers(min_value=0), st.none() | st.integers(min_value=0))
def test_any_reason_reads_back_and_the_harvest_reads_names(tmp_path_factory, reason, files, held):
    path = tmp_path_factory.mktemp("list") / "takedowns.txt"
    takedown = Takedown(
        id=1, name="a/b", date="2024-01-02", files=files, was_in_corpus=held, reason=reason
    )
    write_takedowns(path, [takedown, ONE])
    assert read_takedowns(path) == (takedown, ONE)
    assert read_opt_out(path).names == {"a/b", "owner/repo"}


@pytest.mark.parametrize("line", ["a/b", "a/b # {}", 'a/b # {"id": 1}', "a/b # no", "\xff # {}"])
def test_a_line_that_is_not_understood_stops_everything(tmp_path, line):
    path = tmp_path / "takedowns.txt"
    path.write_text(f"# a comment\n\n{line}\n", encoding="latin-1")
    with pytest.raises(FileError, match=r"takedowns\.txt: line 3 is not"):
        read_takedowns(path)
