"""A GitHub App's installation as a user: its tokens last an hour, and are renewed before they end.

Source: GitHub documentation, "Generating an installation access token for a GitHub App".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import requests
from github import Auth, GithubException, GithubIntegration
from jwt import PyJWTError

from corpus.errors import UnreachableError, UsageError
from harvest.policy import Answer, backoff_s, may_pass, retry_delay
from harvest.threads import in_daemon

RENEWAL_MARGIN_S = 300.0  # before the end; a request that is sent with it may take a while
_VARIABLES = ("GITHUB_APP_ID", "GITHUB_APP_INSTALLATION_ID", "GITHUB_APP_PRIVATE_KEY_FILE")
LIFETIME_S = 3_600.0  # "The installation access token will expire after 1 hour."
_TRIES = 5
_PATIENCE_S = 30.0  # between two tries while the old token lasts
_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class App:
    """An installation of a GitHub App, and the App's private key."""

    app_id: str
    installation_id: int
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Issued:
    """An installation's token."""

    token: str = field(repr=False)
    ends: float  # seconds since the epoch


def read_app(environment: Mapping[str, str], read_secret: Callable[[Path], str]) -> App | None:
    """The App that the environment names, if it does. Raises UsageError if only half."""
    app_id, installation, key_file = (environment.get(name, "").strip() for name in _VARIABLES)
    if not (app_id or installation or key_file):
        return None
    if not (app_id and installation and key_file):
        raise UsageError(f"a GitHub App needs {', '.join(_VARIABLES)}, all of them")
    if not (installation.isascii() and installation.isdigit()):
        raise UsageError(f"{_VARIABLES[1]} must be a number")
    app = App(app_id, int(installation), read_secret(Path(key_file)))
    try:
        _ = Auth.AppAuth(app.app_id, app.private_key).token
    except (ValueError, TypeError, PyJWTError):
        # Not chained: what can't parse a key may quote it.
        problem = "holds no private key in PEM form, as GitHub gives it out"
        raise UsageError(f"{key_file}: {problem}") from None
    return app


def issue(app: App, url: str) -> Issued:
    """Ask for a token: POST /app/installations/ID/access_tokens, signed with the App's key."""
    integration = GithubIntegration(
        auth=Auth.AppAuth(app.app_id, app.private_key),
        base_url=url.rstrip("/"),
        timeout=_TIMEOUT_S,
        user_agent="pycodegpt-harvest",
        retry=None,
        seconds_between_requests=0,
        seconds_between_writes=0,
    )
    try:
        granted = integration.get_access_token(app.installation_id)
        return Issued(granted.token, granted.expires_at.timestamp())
    finally:
        integration.close()


def end_on_our_clock(ends: float, now: float) -> float:
    """When a token ends that was given out now, should this machine's clock be wrong."""
    ahead = ends - now < 2 * RENEWAL_MARGIN_S
    return now + LIFETIME_S if ahead else min(ends, now + LIFETIME_S)


def must_renew(issued: Issued | None, now: float) -> bool:
    """Whether to ask for another token before the next request."""
    return issued is None or now >= issued.ends - RENEWAL_MARGIN_S


class Installation:
    """An installation as a user, in the place of `credentials.User`."""

    is_anonymous = False

    def __init__(
        self,
        app: App,
        url: str,
        pause: Callable[[float], Awaitable[None]],
        *,
        ask: Callable[[App, str], Issued] = issue,
    ) -> None:
        self.name = f"installation {app.installation_id}"
        self._app, self._url, self._pause, self._ask = app, url, pause, ask
        self._issued: list[Issued] = []  # the newest last
        self._try_again = 0.0
        self._renewing = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Installation({self._app.installation_id})"

    async def token(self, now: float) -> str:
        """A token that is good for a request that is sent now.

        Raises UsageError if the App is refused, UnreachableError if nobody answers.
        """
        async with self._renewing:
            if must_renew(self._issued[-1] if self._issued else None, now):
                await self._renew(now)
        return self._issued[-1].token

    def secrets(self) -> Iterable[str]:
        """All that must be shown to nobody."""
        return [issued.token for issued in self._issued]

    async def _renew(self, now: float) -> None:
        """While the old token lasts, trouble is no reason to stop."""
        lasts = bool(self._issued) and now < self._issued[-1].ends
        if lasts and now < self._try_again:
            return
        for attempt in range(1, _TRIES + 1):
            try:
                issued = await in_daemon(partial(self._ask, self._app, self._url))
                ends = end_on_our_clock(issued.ends, now)
                self._issued.append(Issued(issued.token, ends))
                return
            except GithubException as error:
                trouble = f"HTTP {error.status}"
                seconds = _wait_s(error, now, attempt)
            except requests.RequestException:
                trouble, seconds = "no answer", backoff_s(attempt)
            # Nothing is chained or quoted: an answer may hold what was signed with.
            if lasts:
                self._try_again = now + _PATIENCE_S
                return
            if seconds is None:
                raise UsageError(self._refused(trouble))
            await self._pause(seconds)
        problem = f"{trouble} to {_TRIES} requests for a token of {self.name}"
        raise UnreachableError(f"{self._url}: {problem}; run again to go on")

    def _refused(self, trouble: str) -> str:
        return (
            f"{self._url}: {trouble} to a request for a token of GitHub App {self._app.app_id}, "
            f"{self.name}: check {', '.join(_VARIABLES)}, and this machine's clock"
        )


def _wait_s(error: GithubException, now: float, attempt: int) -> float | None:
    """Seconds before another try; None if it is of no use."""
    headers = {str(key).lower(): str(value) for key, value in (error.headers or {}).items()}
    message = error.data.get("message") if isinstance(error.data, dict) else ""
    answer = Answer(error.status, headers, str(message or ""))
    wait = retry_delay(answer, now=now, attempt=attempt)
    if wait is not None:
        return wait.seconds
    return backoff_s(attempt) if may_pass(error.status) else None
