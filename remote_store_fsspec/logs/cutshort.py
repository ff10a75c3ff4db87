"""Finishing what a killed process left in the store: segments become a final object.

A process that was killed on a host that is gone leaves segments only. They are readable, with a
closing line that says why they end; this writes the same text as the final objects, so that the
log reads the same without asking Dagster, and the segments go.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from remote_store_fsspec.errors import ObjectExistsError
from remote_store_fsspec.logs.layout import STREAMS, Stream, decode_components, parse_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from remote_store_fsspec.logs.reader import Snapshot
    from remote_store_fsspec.logs.store import LogStore

__all__ = ["CutShort", "closing_line", "finish_cut_short", "unfinished"]

logger = logging.getLogger("remote_store_fsspec.logs")

_BLOCK: Final = 8 * 1024 * 1024


class CutShort(NamedTuple):
    """A log that nobody writes any more and that was never finished.

    Attributes:
        log_key: The log.
        reason: Why nobody writes it.
        size: Bytes that its segments hold.
        failure: Why it could not be finished now, if it could not.
    """

    log_key: tuple[str, ...]
    reason: str
    size: int
    failure: str | None = None


def closing_line(snapshot: Snapshot, ended: str) -> str:
    """What a viewer reads at the end of a log that was never finished."""
    if snapshot.exists:
        return f"[remote-store-fsspec: this log is cut short: {ended}. What is shown is all that was stored.]\n"
    return f"[remote-store-fsspec: nothing is stored of this log: {ended}.]\n"


def unfinished(store: LogStore) -> Iterator[tuple[str, ...]]:
    """The keys of the logs that have segments, from one listing of the whole log store."""
    root = store.layout.root
    keys: dict[tuple[str, ...], None] = {}
    for path in store.files.find(root):
        parts = str(path).removeprefix(f"{root}/").split("/")
        what = parse_name(parts[-1])
        if what is not None and what.offset is not None:
            keys[tuple(decode_components([*parts[:-1], what.stem]))] = None
    yield from keys


def finish_cut_short(
    store: LogStore,
    why_ended: Callable[[tuple[str, ...]], str | None],
    *,
    is_staged: Callable[[tuple[str, ...]], bool] = lambda _: False,
    dry_run: bool = False,
) -> Iterator[CutShort]:
    """Finish every log whose writer is known to be gone; never one that may still be written.

    Args:
        store: The log store.
        why_ended: Why nobody can be writing a log any more; ``None`` while somebody may be.
        is_staged: Whether this host has the whole text waiting, which is better than segments.
        dry_run: Only say which.

    Yields:
        What was, or would be, finished.
    """
    for key in unfinished(store):
        reason = why_ended(key)
        if reason is None or is_staged(key):
            continue
        snapshot = store.reader.snapshot(key, fresh=True)
        size = sum(state.size for state in snapshot.streams.values())
        failure = None
        if not dry_run:
            try:
                _finish(store, key, reason, snapshot)
            except Exception as exc:
                failure = str(exc)
        yield CutShort(key, reason, size, failure)


def _finish(store: LogStore, key: tuple[str, ...], reason: str, snapshot: Snapshot) -> None:
    if not snapshot.complete:
        line = closing_line(snapshot, reason).encode()
        missing: list[Stream] = []
        for stream in STREAMS:
            state = snapshot.streams[stream]
            if state.final is not None:
                continue
            if not state.segments:
                missing.append(stream)
                continue
            _create(store, store.layout.final(key, stream), _content(store, key, stream) + line)
        store.destination.seal(key, missing)
    # Segments under a complete log are what an interrupted clean-up left.
    segments = [
        segment.path for state in snapshot.streams.values() for segment in state.segments
    ] or _segments(store, key)
    if segments:
        store.files.rm_files(segments, missing_ok=True)
    store.reader.forget(key)


def _create(store: LogStore, path: str, content: bytes) -> None:
    try:
        store.files.pipe_file(
            path, content, mode="create", write_options=store.destination.write_options
        )
    except (ObjectExistsError, FileExistsError):
        logger.info("%s: its writer has finished it after all", path)


def _content(store: LogStore, key: tuple[str, ...], stream: Stream) -> bytes:
    """All that the segments hold up to the first gap: at most the head's share of the limit."""
    blocks: list[bytes] = []
    offset = 0
    while True:
        page = store.read(key, stream, offset, _BLOCK)
        if not page.data:
            return b"".join(blocks)
        blocks.append(page.data)
        offset = page.offset


def _segments(store: LogStore, key: tuple[str, ...]) -> list[str]:
    folder, stem = store.layout.place(key)
    found = []
    for path in store.files.find(folder, maxdepth=1, prefix=f"{stem}."):
        what = parse_name(str(path).rpartition("/")[2])
        if what and what.stem == stem and what.offset is not None:
            found.append(str(path))
    return found
