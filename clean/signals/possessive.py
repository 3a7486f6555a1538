"""Possessive groups in regular expressions, for every Python that we run on.

CPython before 3.11.5 matches `(?:...)*+` wrongly where the group holds alternatives or looks ahead
(gh-106052; Debian 12 has 3.11.2). A lookahead never gives back either: what it captured and a
reference to it are the same, for twice the time.
"""

from __future__ import annotations

import itertools
import sys

_IS_RIGHT = sys.version_info >= (3, 11, 5)
_numbers = itertools.count()


def possessive(body: str, quantifier: str = "*") -> str:
    """As many of `body` as there are, none of which is given back; may bring a named group."""
    if _IS_RIGHT:
        return f"(?:{body}){quantifier}+"
    name = f"possessive{next(_numbers)}"
    return f"(?=(?P<{name}>(?:{body}){quantifier}))(?P={name})"
