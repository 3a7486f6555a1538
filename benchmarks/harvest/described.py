"""What loopback answers on every route, held against GitHub's own OpenAPI description.

    npm pack @octokit/openapi && tar -xzf octokit-openapi-*.tgz
    python -m benchmarks.harvest.described package/generated/api.github.com.json

The peers' environment (`make bench` makes it) has the jsonschema that this takes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks import ROOT
from benchmarks.processes import run_measured
from harvest.loopback.catalog import memory_catalog
from harvest.loopback.faults import (
    Action,
    Blocked,
    Empty,
    Fault,
    Gone,
    PrimaryLimit,
    SecondaryLimit,
    ServerError,
    TakenDown,
)
from harvest.loopback.installations import Installed
from harvest.loopback.server import Loopback, serve_in_thread

PEERS = ROOT / ".venv-bench" / "bin" / "python"
CHECKER = ROOT / "benchmarks" / "peers" / "openapi.py"
_MIT = (
    b"MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy\n"
)
_TOKEN = {"Authorization": "token any"}
REPOSITORY, COMMIT = "/repos/{owner}/{repo}", "/repos/{owner}/{repo}/commits/{ref}"
TARBALL = "/repos/{owner}/{repo}/tarball/{ref}"
ROUTES: tuple[tuple[str, str], ...] = (
    ("/search/repositories", "/search/repositories?q=stars:%3E=1"),
    ("/repositories", "/repositories?since=0"),
    (REPOSITORY, "/repos/ada/engine"),
    (REPOSITORY, "/repos/ada/plain"),
    (f"{REPOSITORY}/languages", "/repos/ada/engine/languages"),
    (COMMIT, "/repos/ada/engine/commits/HEAD"),
    (f"{REPOSITORY}/license", "/repos/ada/engine/license"),
    (TARBALL, "/repos/ada/engine/tarball/HEAD"),
    ("/rate_limit", "/rate_limit"),
    ("/user", "/user"),
)
# What a client meets without any fault: template, path, headers.
FAILING: tuple[tuple[str, str, dict[str, str]], ...] = (
    (REPOSITORY, "/repos/nobody/nothing", _TOKEN),
    (REPOSITORY, "/repos/ada/old-engine", _TOKEN),
    (COMMIT, "/repos/ada/engine/commits/nowhere", _TOKEN),
    (COMMIT, "/repos/ada/hollow/commits/HEAD", _TOKEN),
    (f"{REPOSITORY}/license", "/repos/ada/plain/license", _TOKEN),
    ("/search/repositories", "/search/repositories?q=", _TOKEN),
    ("/search/repositories", "/search/repositories?q=a&page=11&per_page=100", _TOKEN),
    ("/search/repositories", "/search/repositories?q=user:nobody-at-all-here", _TOKEN),
    ("/user", "/user", {}),
    ("/user", "/user", {"Authorization": "nonsense"}),
    ("/user", "/user", {**_TOKEN, "X-GitHub-Api-Version": "1999-01-01"}),
)
FAULTS: tuple[Action, ...] = (
    Gone(), Empty(), Blocked(), TakenDown(), PrimaryLimit(), PrimaryLimit(status=429),
    SecondaryLimit(status=403), SecondaryLimit(status=429, retry_after_s=None),
    *(ServerError(status) for status in (500, 502, 503, 504)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checked:
    """What the description says of one answer."""

    name: str
    described: bool  # whether it lists this status for the route
    errors: list[str]
    unknown: list[str]  # fields that it does not name


def answers() -> Iterator[dict[str, Any]]:
    """One answer of every route and of every way to fail, as the checker takes them."""
    catalog = memory_catalog(
        {"ada/engine": {"engine.py": b"x = 1\n", "LICENSE": _MIT}, "ada/plain": {"a.py": b"1\n"},
         "ada/hollow": {}},
        {"ada/engine": {"stars": 9, "license": "MIT", "former_names": ("ada/old-engine",)}},
    )  # fmt: skip
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    installed = {7: Installed("1", public.decode())}
    with serve_in_thread(catalog, installations=installed) as github:
        yield from _installation_tokens(github, key)
        for template, path in ROUTES:
            yield _asked(github, template, path, _TOKEN)
            yield _not_modified(github, template, path)
        for template, path, headers in FAILING:
            yield _asked(github, template, path, headers)
        for fault in FAULTS:
            for template, path in ROUTES[:6]:
                github.set_faults(Fault(action=fault))
                yield _asked(github, template, path, _TOKEN)
                github.set_faults()


def _installation_tokens(github: Loopback, key: rsa.RSAPrivateKey) -> Iterator[dict[str, Any]]:
    now = int(time.time())
    signed = jwt.encode({"iat": now, "exp": now + 300, "iss": "1"}, key, algorithm="RS256")
    template = "/app/installations/{installation_id}/access_tokens"
    for number, token in ((7, signed), (7, "nonsense"), (8, signed)):
        path = f"/app/installations/{number}/access_tokens"
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.post(github.url + path, headers=headers, timeout=30)
        yield {**_described(template, path, answer), "method": "post"}


def _asked(github: Loopback, template: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    answer = requests.get(github.url + path, headers=headers, allow_redirects=False, timeout=30)
    return _described(template, path, answer)


def _not_modified(github: Loopback, template: str, path: str) -> dict[str, Any]:
    first = requests.get(github.url + path, headers=_TOKEN, allow_redirects=False, timeout=30)
    again = {**_TOKEN, "If-None-Match": first.headers.get("ETag", "")}
    return _asked(github, template, path, again)


def _described(template: str, path: str, answer: requests.Response) -> dict[str, Any]:
    try:
        body: Any = answer.json()
    except ValueError:
        body = answer.text or None
    return {
        "name": f"{answer.status_code} {answer.request.method} {path}",
        "template": template,
        "method": "get",
        "status": answer.status_code,
        "content_type": answer.headers.get("Content-Type", "").partition(";")[0],
        "body": body,
    }


def check(description: Path, scratch: Path, python: Path = PEERS) -> list[Checked]:
    """Ask loopback for everything, and the description what it thinks of it."""
    asked, result = scratch / "answers.json", scratch / "checked.json"
    asked.write_text(json.dumps(list(answers())), encoding="utf-8")
    job = {"answers": str(asked), "description": str(description), "result": str(result)}
    run_measured([python, CHECKER, json.dumps(job)])
    return [Checked(**each) for each in json.loads(result.read_text(encoding="utf-8"))]


def report(checked: list[Checked]) -> list[str]:
    """Lines for people."""
    lines = []
    for each in checked:
        lines += [f"{each.name}: {error}" for error in each.errors]
        lines += [f"{each.name}: not described: {field}" for field in each.unknown]
    listed, wrong = sum(each.described for each in checked), sum(bool(e.errors) for e in checked)
    lines.append(
        f"{len(checked)} answers: {listed} with a status that the description lists for the route, "
        f"the others held against its basic error; {wrong} that differ"
    )
    return lines


def main() -> int:
    """Check, print, and fail if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("description", type=Path, help="api.github.com.json of @octokit/openapi")
    parser.add_argument("--peers", type=Path, default=PEERS, help="a Python with jsonschema")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        checked = check(options.description, Path(scratch), options.peers)
    sys.stdout.write("\n".join(report(checked)) + "\n")
    return int(any(each.errors for each in checked))


if __name__ == "__main__":
    sys.exit(main())
