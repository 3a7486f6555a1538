"""Who asks: users and their tokens, which are shown to nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class User:
    """One user, or nobody: whose rate limits a request counts for."""

    def __init__(self, name: str, tokens: Sequence[str] = ()) -> None:
        self.name = name
        self._tokens = list(tokens)

    def __repr__(self) -> str:
        return f"User({self.name!r}, tokens={len(self._tokens)})"

    @property
    def is_anonymous(self) -> bool:
        """Whether requests go without a token."""
        return not self._tokens

    async def token(self, now: float) -> str | None:
        """A token that is good for a request that is sent now."""
        return self._tokens[0] if self._tokens else None

    def secrets(self) -> Iterable[str]:
        """All that must be shown to nobody."""
        return tuple(self._tokens)


def anonymous() -> User:
    """Requests without a token: they count for this machine's address."""
    return User("anonymous")


def users_of(tokens: Sequence[str]) -> list[User]:
    """Each token as a user of its own."""
    return [User(f"token {number}", [token]) for number, token in enumerate(tokens, start=1)]
