"""Put stable placeholders in the place of credentials, e-mail and IP addresses.

`<KEY_1>`, `<EMAIL_1>`, `<IP_ADDRESS_1>`: within a file one value always gets the same one, and no
placeholder that the file itself holds is used. They are valid in every literal and comment: no
quotes, braces, backslashes or per cent signs. What stands in code is left where it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from clean.edits.proof import Program, restored, same_tokens, same_trees
from clean.signals.addresses import Span, enclosing
from clean.signals.comments import strings_and_comments
from clean.signals.secrets import PRIVATE_KEY, Finding, find, key_runs
from clean.signals.secrets_recipe import Group

_NAMES: Mapping[Group, str] = {"secrets": "KEY", "emails": "EMAIL", "ips": "IP_ADDRESS"}
PLACEHOLDER = re.compile(r"<(?:KEY|EMAIL|IP_ADDRESS)_[0-9]++>")
_LINE_END_ESCAPE = re.compile(r"\\(?:([nrt])|\n)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", None: ""}


@dataclass(slots=True)
class Redacted:
    """A text without its findings, what went, and what could not go. Holds secrets: no repr."""

    text: str = field(repr=False)
    kinds: tuple[str, ...]  # one of each distinct value that went, by kind
    originals: dict[str, str] = field(repr=False)  # by placeholder, as they stood in the source
    complete: bool  # nothing is found any more


def redact(text: str, groups: Collection[Group]) -> Redacted:
    """Replace every finding that lies in a string or a comment. Never raises, proves nothing."""
    findings = find(text, groups)
    if not findings:
        return Redacted(text, (), {}, complete=True)
    spans = list(strings_and_comments(text))
    placeholders = _Placeholders(text)
    kept, position, gone = [], 0, {}
    for finding in findings:
        for start, stop in _pieces(text, finding, spans):
            kept += [text[position:start], placeholders.of(finding.group, text[start:stop])]
            position = stop
            gone[text[finding.start : finding.stop]] = finding.kind
    redacted = "".join([*kept, text[position:]])
    complete = not find(redacted, groups)
    return Redacted(redacted, tuple(sorted(gone.values())), placeholders.originals, complete)


def proves(before: str, redacted: Redacted) -> bool:
    """Whether nothing but the findings has changed.

    Either the tokens are the same (the findings stood in comments), or the syntax trees are equal
    but for strings and bytes that become the original's, character by character, when each
    placeholder is replaced by the value that it stands for.
    """
    old, new = Program(before), Program(redacted.text)
    if same_tokens(old, new):
        return True
    originals = redacted.originals
    resolved = {name: _resolved(value) for name, value in originals.items()}
    return same_trees(old.tree, new.tree, restored(PLACEHOLDER, originals, resolved))


def _resolved(value: str) -> str:
    """What a value is in its constant: a private key's lines may end in escapes."""
    return _LINE_END_ESCAPE.sub(lambda match: _ESCAPES[match[1]], value)


def _pieces(text: str, finding: Finding, spans: list[Span]) -> Iterator[Span]:
    """What to replace of a finding: all of it, or of a key in many literals each one's part."""
    span = (finding.start, finding.stop)
    if enclosing(spans, span) is not None:
        yield span
    elif finding.kind == PRIVATE_KEY:
        yield from (run for run in key_runs(text, *span) if enclosing(spans, run) is not None)


class _Placeholders:
    """Hands out placeholders by value; those that the text holds are taken."""

    def __init__(self, text: str) -> None:
        self.originals: dict[str, str] = {}
        self._by_value: dict[tuple[Group, str], str] = {}
        self._taken = set(PLACEHOLDER.findall(text))
        self._numbers = {group: count(1) for group in _NAMES}

    def of(self, group: Group, value: str) -> str:
        """The placeholder of a value."""
        if (group, value) not in self._by_value:
            names = (f"<{_NAMES[group]}_{number}>" for number in self._numbers[group])
            fresh = next(name for name in names if name not in self._taken)
            self._by_value[group, value] = fresh
            self.originals[fresh] = value
        return self._by_value[group, value]
