import pytest
from jinja2 import UndefinedError

from data_cards.front_matter import size_category
from data_cards.render import cell, duration, environment, listing, megabytes, share


@pytest.mark.parametrize(
    ("documents", "category"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (13_000_000, "10M<n<100M"),
     (10**9, "100M<n<1B")],
)  # fmt: skip
def test_size_categories_are_the_hubs(documents: int, category: str) -> None:
    assert size_category(documents) == category


def test_figures_as_people_read_them() -> None:
    assert (megabytes(1_234_567), megabytes(96 * 10**9)) == ("1.2 MB", "96.0 GB")
    assert (share(1, 4), share(0, 0)) == ("25.0%", "0.0%")
    assert (duration(5), duration(125), duration(12_000)) == ("5 s", "2 min 5 s", "3 h 20 min")
    assert listing({"kept": 1200, "link": 0, "large": 3}) == "kept 1,200, large 3"
    assert listing({}) == "none"
    assert cell("a|b\nc") == "a\\|b c"


def test_a_value_that_is_missing_is_an_error_and_not_an_empty_cell() -> None:
    with pytest.raises(UndefinedError):
        environment().from_string("{{ nothing }}").render()
