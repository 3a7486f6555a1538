import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.rules.catalog import active_rules
from clean.rules.recipe import RulesRecipe
from clean.rules.rule import Rule
from clean.rules.verdicts import SCHEMA, decide, stages_of

LINES = Rule("min_code_lines", "few_lines", "text", "code_lines", "below", 5)
LONG = Rule("max_longest_line", "long_line", "text", "longest_line", "above", 80)
SYNTAX = Rule("require_syntax", None, "syntax", "syntax_reject", "present", True)
RULES = (LINES, LONG, SYNTAX)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "code_lines": st.none() | st.integers(0, 10),
            "longest_line": st.none() | st.integers(0, 160),
            "syntax_reject": st.none() | st.sampled_from(["syntax", "python2"]),
        }
    )
)
_COLUMNS = pa.schema(
    [("code_lines", pa.int32()), ("longest_line", pa.int32()), ("syntax_reject", pa.string())]
)


def expected(row: dict) -> list[tuple[str, str]]:
    """The same decision, a row at a time and by hand."""
    failed = []
    if row["code_lines"] is not None and row["code_lines"] < 5:
        failed.append(("min_code_lines", "few_lines"))
    if row["longest_line"] is not None and row["longest_line"] > 80:
        failed.append(("max_longest_line", "long_line"))
    if row["syntax_reject"] is not None:
        failed.append(("require_syntax", row["syntax_reject"]))
    return failed


@given(rows=ROWS, chunk=st.integers(1, 4))
def test_a_verdict_names_the_first_failure_and_lists_all(rows, chunk):
    table = pa.Table.from_pylist(rows, schema=_COLUMNS)
    table = pa.Table.from_batches(table.to_batches(max_chunksize=chunk), _COLUMNS)
    verdicts = decide(table, RULES)
    assert verdicts.schema == SCHEMA
    for row, verdict in zip(rows, verdicts.to_pylist(), strict=True):
        failed = expected(row)
        first = failed[0] if failed else (None, None)
        assert (verdict["rule"], verdict["reason"]) == first
        assert verdict["failed"] == [reason for _, reason in failed]


@pytest.mark.parametrize("rules", [(), RULES])
def test_no_document_gives_no_verdict(rules):
    verdicts = decide(_COLUMNS.empty_table(), rules)
    assert verdicts.num_rows == 0
    assert verdicts.schema == SCHEMA


def test_without_rules_all_is_kept():
    table = pa.Table.from_pylist([{"code_lines": 0}] * 3, schema=_COLUMNS)
    assert decide(table, ()).to_pylist() == [{"rule": None, "reason": None, "failed": []}] * 3


def test_only_the_stages_of_rules_that_are_on_are_read():
    assert stages_of(active_rules(RulesRecipe(), seed=1)) == ("syntax", "text")
    licensed = RulesRecipe(allow_repo_licenses=("permissive",))
    assert stages_of(active_rules(licensed, seed=1)) == ("license", "syntax", "text")
