"""`mm7 media`: look at what the media store holds, take a blob out, delete what no event refers to any more.

A blob's age counts from when it was kept last: kept again after more than a day, it is as new. An event may refer to it
for MM7_MEDIA_KEEP seconds, so nothing is pruned that is younger than this and a day. In a bucket a lifecycle rule does
the same without anybody's doing; for 30 days:

    aws s3api put-bucket-lifecycle-configuration --bucket BUCKET --lifecycle-configuration '{"Rules": [{
      "ID": "mm7 media", "Status": "Enabled", "Filter": {"Prefix": "PREFIX/"}, "Expiration": {"Days": 31}}]}'
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer

from gateway.settings import Settings
from gateway.stores.media import FRESH_SECONDS, MediaNotFound, MediaStore, MediaUnavailable, Stored, resolve

from . import console, words
from .console import JsonOption

T = TypeVar("T")
INTERRUPTED, MISSING = 1, 1
LISTED = 50
_AT_ONCE = 16
TITLES = ("age", "size", "type", "sha256")

app = typer.Typer(no_args_is_help=True, help="The media store: what it holds, and deleting what is old.")

BlobArgument = Annotated[str, typer.Argument(metavar="BLOB", help="Its URL as an event gives it, or its SHA-256.")]


@dataclass(slots=True)
class Total:
    """Blobs, counted."""

    blobs: int = 0
    bytes: int = 0

    def add(self, blob: Stored) -> None:
        self.blobs += 1
        self.bytes += blob.bytes

    def __str__(self) -> str:
        return f"{words.count(self.blobs, 'blob')}, {words.size(self.bytes)}"


def _seconds(text: str) -> int:
    try:
        return words.seconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


AgeOption = Annotated[
    int | None,
    typer.Option("--older-than", parser=_seconds, metavar="AGE", help="Only what is older: 90s, 15m, 2h, 40d."),
]


@app.command("list")
def list_(
    older_than: AgeOption = None,
    limit: Annotated[int, typer.Option(min=0, help="So many, the oldest ones; the total is of all.")] = LISTED,
    as_json: JsonOption = False,  # an option
) -> None:
    """List blobs, the oldest first, and what they come to."""
    store = _opened(console.settings())
    raise typer.Exit(_run(_list(store, older_than or 0, limit, as_json=as_json)))


async def _list(store: MediaStore, older_seconds: float, limit: int, *, as_json: bool) -> int:
    total, oldest = Total(), list[tuple[float, str, Stored]]()
    async for blob in _older(store, older_seconds):
        total.add(blob)
        heapq.heappush(oldest, (blob.age_seconds, blob.sha256, blob))
        if len(oldest) > limit:
            heapq.heappop(oldest)
    shown = [blob for _, _, blob in sorted(oldest, reverse=True)]
    types = [kind async for kind in _types(store, shown)]
    if as_json:
        for blob, kind in zip(shown, types, strict=True):
            console.say(orjson.dumps(_facts(blob, kind)).decode())
        return 0
    if shown:
        rows = zip(shown, types, strict=True)
        console.table(TITLES, [(words.age(b.age_seconds), words.size(b.bytes), kind, b.sha256) for b, kind in rows])
    console.say(f"{total}{f', {len(shown)} shown' if len(shown) < total.blobs else ''}")
    return 0


async def _types(store: MediaStore, blobs: list[Stored]) -> AsyncIterator[str]:
    """The types of blobs, in their order; a few are asked for at a time."""
    for start in range(0, len(blobs), _AT_ONCE):
        asked = [_type(store, blob.url) for blob in blobs[start : start + _AT_ONCE]]
        for kind in await asyncio.gather(*asked):
            yield kind


async def _type(store: MediaStore, url: str) -> str:
    try:
        return await store.type_of(url)
    except MediaNotFound:  # deleted meanwhile
        return "-"


@app.command()
def show(reference: BlobArgument, as_json: JsonOption = False) -> None:  # an option
    """Show what the store knows of one blob."""
    raise typer.Exit(_run(_show(_opened(console.settings()), reference, as_json=as_json)))


async def _show(store: MediaStore, reference: str, *, as_json: bool) -> int:
    url = resolve(store, reference)
    facts = _facts(await store.stored(url), await store.type_of(url))
    console.say(orjson.dumps(facts).decode() if as_json else words.sheet(facts))
    return 0


@app.command()
def get(
    reference: BlobArgument,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; default: standard output.")] = None,
) -> None:
    """Write a blob's bytes; its SHA-256 has been compared before the first of them."""
    raise typer.Exit(_run(_get(_opened(console.settings()), reference, output)))


async def _get(store: MediaStore, reference: str, output: Path | None) -> int:
    data = await store.get(resolve(store, reference), within=60)
    if output is None:
        console.write(data)
        return 0
    try:
        output.write_bytes(data)
    except OSError as error:
        console.fail(f"{output}: {error.strerror}", 1)
    return 0


@app.command()
def prune(
    older_than: Annotated[
        int, typer.Option("--older-than", parser=_seconds, metavar="AGE", help="What is older goes: 40d.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,  # an option
) -> None:
    """Delete old blobs, and what interrupted writes have left: counts, asks, does it."""
    settings = console.settings()
    if older_than < (least := settings.media_keep + FRESH_SECONDS):
        console.fail(
            f"refused: events may refer to blobs for {words.age(settings.media_keep)} (MM7_MEDIA_KEEP), and a blob's "
            f"age starts anew once a day at most, so {least / 3600:g}h is the least",
            2,
        )
    store = _opened(settings)
    raise typer.Exit(_run(_prune(store, older_than, dry_run=dry_run, yes=yes, as_json=as_json)))


async def _prune(store: MediaStore, older_seconds: float, *, dry_run: bool, yes: bool, as_json: bool) -> int:
    meant = Total()
    async for blob in _older(store, older_seconds):
        meant.add(blob)
    unfinished = await store.leftovers(FRESH_SECONDS, remove=False)
    if dry_run or not (meant.blobs or unfinished):
        _report(meant, unfinished, dry_run=dry_run, as_json=as_json)
        return 0
    if not yes:
        console.say(f"{meant} and {words.count(unfinished, 'unfinished file')} would be deleted from {store.url}")
    console.confirm("Go on?", yes=yes)
    deleted, removed = Total(), 0
    try:
        with console.progress("deleting", meant.blobs) as progress:
            await _delete(store, older_seconds, deleted, progress)
        removed = await store.leftovers(FRESH_SECONDS, remove=True)
    finally:
        _report(deleted, removed, dry_run=False, as_json=as_json)
    return 0


async def _delete(store: MediaStore, older_seconds: float, deleted: Total, progress: Callable[[int], None]) -> None:
    """A second look, because the first may be long ago; each blob is looked at again before it goes."""
    chunk: list[Stored] = []

    async def work_off() -> None:
        expiring = [store.expire(blob.url, older_seconds) for blob in chunk]
        results = await asyncio.gather(*expiring, return_exceptions=True)
        for blob, result in zip(chunk, results, strict=True):
            if result is True:
                deleted.add(blob)
        progress(deleted.blobs)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        chunk.clear()

    async for blob in _older(store, older_seconds):
        chunk.append(blob)
        if len(chunk) == _AT_ONCE:
            await work_off()
    await work_off()


def _report(total: Total, unfinished: int, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        facts = {"dry_run": dry_run, **asdict(total), "unfinished_files": unfinished}
        console.say(orjson.dumps(facts).decode())
        return
    rest = f" and {words.count(unfinished, 'unfinished file')}" if unfinished else ""
    console.say(f"{total}{rest} {'would be ' if dry_run else ''}deleted")


async def _older(store: MediaStore, seconds: float) -> AsyncIterator[Stored]:
    async for blob in store.blobs():
        if blob.age_seconds > seconds:
            yield blob


def _facts(blob: Stored, kind: str) -> dict[str, Any]:
    return asdict(blob) | {"age_seconds": round(blob.age_seconds), "content_type": kind}


def _opened(settings: Settings) -> MediaStore:
    try:
        return MediaStore(settings.media_url)
    except ValueError as error:
        console.fail(str(error), 2)


def _run(program: Coroutine[Any, Any, T]) -> T:
    async def told() -> T:
        try:
            return await program
        except (MediaNotFound, MediaUnavailable) as error:
            console.fail(str(error), MISSING)

    return console.run(told(), interrupted=INTERRUPTED)
