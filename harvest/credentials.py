"""Who asks: tokens and where they come from, and the users whose limits they count for.

Two tokens of one user share one budget, as they do on GitHub: several tokens are no way round a
limit, and GitHub's terms forbid using them as one. What is secret is shown to nobody: not in a
log, an error, a repr, an address, or a file.
"""

from __future__ import annotations

import stat
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from corpus.errors import ApiError, FileError, UsageError
from corpus.events import Notice, Report
from corpus.files import named_errors
from harvest.installation import App, Installation, read_app

TOKEN_VARIABLES = ("GITHUB_TOKEN", "GITHUB_TOKENS")
TOKEN_FILE_VARIABLE = "GITHUB_TOKEN_FILE"
_OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True, slots=True)
class Credentials:
    """What requests may be signed with."""

    tokens: tuple[str, ...] = field(default=(), repr=False)
    app: App | None = None


class User:
    """One user, or nobody: whose rate limits a request counts for."""

    def __init__(self, name: str, tokens: Sequence[str] = ()) -> None:
        self.name = name
        self._tokens = list(tokens)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

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


Seated = User | Installation  # whoever the scheduler may serve


def anonymous() -> User:
    """Requests without a token: they count for this machine's address."""
    return User("anonymous")


def users_of(tokens: Sequence[str]) -> list[User]:
    """Each token as a user of its own."""
    return [User(f"token {number}", [token]) for number, token in enumerate(tokens, start=1)]


async def grouped(tokens: Sequence[str], login_of: Callable[[User], Awaitable[str]]) -> list[User]:
    """The users whose tokens these are. Raises UsageError naming the place of a token that is none.

    `login_of` asks the server (`GET /user`), and is not called where there is nothing to group.
    """
    singles = users_of(tokens)
    if len(singles) < 2:
        return singles
    by_login: dict[str, list[str]] = {}
    for place, (single, token) in enumerate(zip(singles, tokens, strict=True), start=1):
        try:
            login = await login_of(single)
        except ApiError as error:
            if error.status == 401:
                raise UsageError(_not_accepted(place, len(tokens))) from None
            if error.status not in (403, 404):
                raise
            login = single.name  # one of an installation or of Actions, which is no user
        by_login.setdefault(login, []).append(token)
    return [User(login, theirs) for login, theirs in by_login.items()]


def _not_accepted(place: int, number: int) -> str:
    order = f"{', '.join(TOKEN_VARIABLES)}, then the token file"
    return f"token {place} of {number} is not accepted (in the order {order}); leave it out"


def read_credentials(
    environment: Mapping[str, str], token_file: Path | None, report: Report
) -> Credentials:
    """Tokens, each once, and the GitHub App, from the environment and files.

    `token_file` (a recipe's) goes before GITHUB_TOKEN_FILE. Warns of files that others may read.
    Raises UsageError and FileError without showing anything secret.
    """
    named = environment.get(TOKEN_FILE_VARIABLE)
    path = token_file or (Path(named) if named else None)
    texts = {name: environment.get(name, "") for name in TOKEN_VARIABLES}
    if path is not None:
        texts[str(path)] = _read_secret(path, report)
    tokens = {token: None for place, text in texts.items() for token in _tokens_in(place, text)}
    app = read_app(environment, lambda key: _read_secret(key, report))
    return Credentials(tuple(tokens), app)


def _tokens_in(place: str, text: str) -> list[str]:
    lines = [line.partition("#")[0] for line in text.splitlines()]
    tokens = " ".join(lines).replace(",", " ").split()
    if not all(token.isascii() and token.isprintable() for token in tokens):
        raise UsageError(f"{place}: holds characters that no token has")
    return tokens


def _read_secret(path: Path, report: Report) -> str:
    try:
        with named_errors(path):
            text = path.read_text(encoding="ascii")
            mode = path.stat().st_mode
    except UnicodeDecodeError:
        # Not chained: that error carries the bytes.
        raise FileError(path, "holds characters that no token or key has") from None
    if mode & _OTHERS_MAY_READ:
        text_of = f"{path}: other users of this machine may read it; chmod 600 {path}"
        report(Notice(text_of, warning=True))
    return text
