import pytest
from hypothesis import given
from hypothesis import strategies as st

from clean.recipe import CleanRecipe
from clean.rules.opt_out import read_opt_out
from clean.rules.recipe import RulesRecipe
from clean.run import run_clean
from corpus.errors import RecipeError
from corpus.layout import RunFolder

WORDS = st.text("abcXYZ019._-", min_size=1, max_size=8)
ENTRIES = st.one_of(WORDS, st.tuples(WORDS, WORDS).map("/".join))


def test_owners_and_repositories_are_read_in_lower_case_each_once(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(
        b"\xef\xbb\xbf# asked to go\r\nOwner/Name\r\n\r\n  whole-owner  # everything\nowner/name\n"
    )
    assert read_opt_out(path) == ("owner/name", "whole-owner")


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n"])
def test_an_empty_list_names_nobody(tmp_path, text):
    path = tmp_path / "list.txt"
    path.write_text(text)
    assert read_opt_out(path) == ()


@given(entries=st.lists(ENTRIES))
def test_the_order_of_lines_does_not_matter(entries, tmp_path_factory):
    path = tmp_path_factory.mktemp("opt-out") / "list.txt"
    path.write_text("\n".join(entries))
    forwards = read_opt_out(path)
    path.write_text("\n".join(reversed(entries)))
    assert read_opt_out(path) == forwards == tuple(sorted({entry.lower() for entry in entries}))


@pytest.mark.parametrize(
    "line", ["https://github.com/a/b", "a/b/c", "/b", "a/", "a b", "a,b", "ä", "a//b"]
)
def test_a_line_that_is_neither_is_named(tmp_path, line):
    path = tmp_path / "list.txt"
    path.write_text(f"# names\nowner\n{line}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"list\.txt: line 3: .* is neither an owner nor"):
        read_opt_out(path)


def test_a_list_that_is_missing_or_no_text_is_one_clear_error(tmp_path):
    with pytest.raises(
        RecipeError, match=r"clean\.rules\.opt_out: .*gone.* can't be read: No such"
    ):
        read_opt_out(tmp_path / "gone.txt")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match=r"bytes is not UTF-8 text"):
        read_opt_out(tmp_path / "bytes")
    with pytest.raises(RecipeError, match="can't be read: Is a directory"):
        read_opt_out(tmp_path)


def test_a_changed_list_decides_anew_and_measures_nothing(tmp_path, write_raw, good_code, engine):
    documents = [{"content": good_code(n), "path": f"{n}.py", "repo_id": n} for n in range(4)]
    write_raw(tmp_path / "raw", documents)
    path = tmp_path / "list.txt"
    recipe = CleanRecipe(rules=RulesRecipe(opt_out=path))
    path.write_text("# nobody yet\n")
    assert run_clean(RunFolder(tmp_path), recipe, seed=1, engine=engine).counts == {"kept": 4}
    path.write_text("owner/repo2\n")
    again = run_clean(RunFolder(tmp_path), recipe, seed=1, engine=engine)
    assert again.counts == {"kept": 3, "opt_out": 1}
    made = {name for name, files in again.made.items() if files}
    assert "verdict" in made
    assert not made & {"text", "syntax", "structure", "license", "fingerprint"}
