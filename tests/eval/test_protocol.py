from hypothesis import given
from hypothesis import strategies as st

from eval.protocol import PROTOCOLS, cut

PYCODEGPT, STANDARD = PROTOCOLS["pycodegpt"], PROTOCOLS["standard"]


@given(st.text(alphabet="\ndefclasprint#@if x", max_size=60))
def test_what_is_left_holds_no_stop_and_is_a_beginning(text):
    for protocol in PROTOCOLS.values():
        left = cut(text, protocol.stops)
        assert text.startswith(left)
        assert not any(stop in left for stop in protocol.stops)


def test_a_cut_is_at_the_earliest_stop_not_at_the_first_listed():
    assert cut("    return 1\nprint(2)\nclass A: pass", STANDARD.stops) == "    return 1"
    assert cut("    return 1\n@cache\n", STANDARD.stops) == "    return 1\n@cache\n"
    assert cut("    return 1\n@cache\n", PYCODEGPT.stops) == "    return 1"


def test_an_indented_keyword_is_no_stop():
    text = "    if x:\n        def g(): pass\n    return 1\n"
    assert cut(text, PYCODEGPT.stops) == text


def test_only_pycodegpts_protocol_changes_the_prompt():
    prompt = "\n\ndef f(x):\n    '''doc'''\n"
    assert STANDARD.prompt(prompt) == prompt
    assert PYCODEGPT.prompt(prompt) == "def f(x):\n    '''doc'''"
