"""What the recipe says about secrets as a signal; redaction is a matter of `[clean.write]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Group = Literal["secrets", "emails", "ips"]
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsRecipe:
    """Whether credentials, e-mail and IP addresses are counted, for rules and for `explain`."""

    count: bool = False
