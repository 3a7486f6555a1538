"""Fetch every pending repository side by side, and write each shard when its last one is in."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from corpus.errors import FileError, ShardError
from corpus.events import Report
from harvest.api import is_local
from harvest.archive import Limits
from harvest.asking import Host, Wire
from harvest.assemble import catch_up
from harvest.blobs import BlobFetcher, NoBlobsError
from harvest.download import Downloader, fetched
from harvest.frontier import Frontier, Outcome, Repository
from harvest.known import KnownBlobs
from harvest.listing import Listing, Transport
from harvest.pipeline import Pipeline, Shelf
from harvest.recipe import HarvestRecipe
from harvest.scheduler import Scheduler
from harvest.spool import drop_spool, read_listing, spool_path
from harvest.transport import Choice, git_address, may_carry_token, plan_transport

_READ_BUFFER_BYTES = 1 << 18
WAYS: tuple[Transport, ...] = ("archive", "blobs")


async def fetch_all(
    recipe: HarvestRecipe,
    raw: Path,
    spools: Path,
    frontier: Frontier,
    api_url: str,
    scheduler: Scheduler,
    report: Report,
) -> None:
    """Bring the frontier's pending repositories into shards.

    What that costs on the wire, by transport, is added to the frontier's note `wire`.

    Raises HarvestError and its kinds, FileError, DiskFullError; what is done stays done.
    """
    if not frontier.unwritten():
        return
    known = None
    if recipe.each_blob_once:
        known = KnownBlobs.open(known_of(spools))
        catch_up(known, frontier.written(), raw)
    shelf = Shelf(raw, spools, known, limits_of(recipe))
    # The threads decompress and write; more of them than cores gain little.
    with ThreadPoolExecutor(max_workers=min(8, recipe.concurrency)) as executor:
        async with _session(recipe, api_url) as session:
            hosts: dict[str, Host] = {
                name: Host(session, scheduler, retries=recipe.retries) for name in WAYS
            }
            fetcher = _fetcher(recipe, hosts, executor, shelf, api_url, report)
            try:
                await Pipeline(frontier, fetcher, shelf, report).run(recipe.concurrency)
            except BaseExceptionGroup as group:
                # Tasks fail together when the disk is full or the network gone: one line says it.
                raise _first(group) from None
            finally:
                with suppress(FileError):  # another error is on its way
                    _count_wire(frontier, hosts)
    if spools.is_dir() and not any(spools.iterdir()):
        spools.rmdir()


def _count_wire(frontier: Frontier, hosts: Mapping[str, Host]) -> None:
    """Add what this run has cost to what the runs before it did."""
    counted = frontier.note("wire") or {}
    for name, host in hosts.items():
        before = Wire(**counted.get(name, {}))
        counted[name] = asdict(before.plus(host.wire))
    frontier.keep_note("wire", counted)


def limits_of(recipe: HarvestRecipe) -> Limits:
    """What a repository may cost."""
    return Limits(
        max_file_bytes=recipe.max_file_bytes,
        max_license_bytes=recipe.max_license_bytes if recipe.keep_license_files else None,
        max_archive_bytes=recipe.max_archive_bytes,
        max_archive_members=recipe.max_archive_members,
    )


def known_of(spools: Path) -> Path:
    """Where the set of stored blobs lies, beside the spools."""
    return spools.with_suffix(".known")


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _session(recipe: HarvestRecipe, api_url: str) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(
        total=None,  # a large archive takes as long as it takes, while bytes keep coming
        sock_connect=recipe.connect_timeout_s,
        sock_read=recipe.read_timeout_s,
    )
    return aiohttp.ClientSession(
        timeout=timeout,
        connector=aiohttp.TCPConnector(limit=recipe.concurrency),
        # An archive is compressed itself; another layer would only hide what it is.
        auto_decompress=False,
        read_bufsize=_READ_BUFFER_BYTES,
        # A proxy from the environment leads to the world, never to this machine.
        trust_env=not is_local(urlsplit(api_url).hostname or ""),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _fetcher(
    recipe: HarvestRecipe,
    hosts: Mapping[str, Host],
    executor: ThreadPoolExecutor,
    shelf: Shelf,
    api_url: str,
    report: Report,
) -> Fetcher:
    git_url = git_address(api_url, recipe.git_url)
    archives = Downloader(
        hosts["archive"], executor, api_url=api_url, spools=shelf.spools, limits=shelf.limits
    )
    blobs = BlobFetcher(
        hosts["blobs"],
        executor,
        git_url=git_url,
        with_token=may_carry_token(api_url, git_url),
        spools=shelf.spools,
        limits=shelf.limits,
        report=report,
    )
    return Fetcher(archives, blobs, shelf.spools, recipe.transport)


class Fetcher:
    """One repository by the way that suits it, or by the other one where that fails."""

    def __init__(
        self, archives: Downloader, blobs: BlobFetcher, spools: Path, choice: Choice
    ) -> None:
        self._archives, self._blobs = archives, blobs
        self._spools, self._choice = spools, choice

    async def begin(self, repository: Repository) -> Listing | Outcome:
        """Its listing, whose blobs are to be brought by `fill`; or what became of it."""
        disk_bytes = (repository.size_kb or 0) * 1024
        if plan_transport(self._choice, repository.languages, disk_bytes) == "archive":
            return await self._archives.fetch(repository)
        if (listed := self._listed(repository)) is not None:
            return listed
        try:
            return await self._blobs.list(repository)
        except NoBlobsError as error:
            return await self._by_archive(repository, error.reason)

    async def fill(self, repository: Repository, listing: Listing, wants: list[bytes]) -> Outcome:
        """Bring what is missing of its blobs; what became of it."""
        if listing.transport == "archive":
            return await self._archives.fetch(repository)
        try:
            size = await self._blobs.fill(repository, wants)
        except NoBlobsError as error:
            return await self._by_archive(repository, error.reason)
        return fetched(listing, python_bytes=size)

    async def _by_archive(self, repository: Repository, reason: str | None) -> Outcome:
        outcome = await self._archives.fetch(repository)
        if outcome.state != "fetched":
            drop_spool(self._spools, repository.id)
            return outcome
        return replace(outcome, reason=f"archive_{reason}" if reason else None)

    def _listed(self, repository: Repository) -> Listing | None:
        """What a killed run had listed."""
        try:
            listing = read_listing(spool_path(self._spools, repository.id))
        except ShardError:
            return None
        same = listing.commit == repository.commit and listing.transport == "blobs"
        return listing if same else None
