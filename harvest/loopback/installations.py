"""GitHub Apps on loopback: installations whose tokens end.

Source: GitHub REST documentation, "Create an installation access token for an app".
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt

LIFETIME_S = 3_600.0
_MAX_SIGNED_S = 600  # "The time must be no more than 10 minutes into the future."
_LEEWAY_S = 60


@dataclass(frozen=True, slots=True)
class Installed:
    """An App where it is installed."""

    app_id: str
    public_key: str  # PEM
    login: str = "installed-app[bot]"


@dataclass(slots=True)
class Installations:
    """Which there are, by installation id, and the tokens that were given out."""

    known: Mapping[int, Installed]
    clock: Callable[[], float]
    lifetime_s: float = LIFETIME_S
    issued: dict[str, tuple[str, float]] = field(default_factory=dict, repr=False)

    def issue(self, installation_id: int, authorization: str | None) -> dict[str, Any] | None:
        """A new token, as GitHub answers; None if the request is not signed by the App.

        Raises KeyError if there is no such installation.
        """
        installed = self.known[installation_id]
        scheme, _, signed = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not self._is_signed(signed, installed):
            return None
        token = f"ghs_{secrets.token_hex(18)}"
        ends = self.clock() + self.lifetime_s
        self.issued[token] = installed.login, ends
        return {
            "token": token,
            "expires_at": datetime.fromtimestamp(int(ends), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "permissions": {"contents": "read", "metadata": "read"},
            "repository_selection": "all",
        }

    def has_issued(self, token: str) -> bool:
        """Whether the token is of an installation, ended or not."""
        return token in self.issued

    def login_of(self, token: str) -> str | None:
        """Whose token it is; None if it has ended."""
        login, ends = self.issued[token]
        return login if self.clock() < ends else None

    def _is_signed(self, signed: str, installed: Installed) -> bool:
        try:
            claims = jwt.decode(
                signed, installed.public_key, algorithms=["RS256"], leeway=_LEEWAY_S,
                options={"require": ["exp", "iat", "iss"]},
            )  # fmt: skip
        except jwt.InvalidTokenError:
            return False
        within = claims["exp"] - claims["iat"] <= _MAX_SIGNED_S + _LEEWAY_S
        return within and str(claims["iss"]) == installed.app_id
