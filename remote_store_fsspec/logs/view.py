"""A log as a viewer on this host sees it: staged here, stored, or cut short.

A log that is staged on this host is read from there: at once, without a request, and also
when the store is away. Otherwise the store is asked. A log whose writer is gone without
having finished ends with a sentence that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from remote_store_fsspec.logs.capture import size_limit
from remote_store_fsspec.logs.cut import incomplete_tail
from remote_store_fsspec.logs.cutshort import closing_line
from remote_store_fsspec.logs.layout import STREAMS, check_log_key
from remote_store_fsspec.logs.store import format_cursor, parse_cursor
from remote_store_fsspec.logs.thinning import limit_of
from remote_store_fsspec.logs.writer import settled_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from remote_store_fsspec.logs.layout import Stream
    from remote_store_fsspec.logs.reader import Snapshot
    from remote_store_fsspec.logs.staging import StagedFiles, Staging
    from remote_store_fsspec.logs.store import LogStore

__all__ = ["LogView", "Look", "ViewPage"]

_BLOCK = 1024 * 1024


class Look(NamedTuple):
    """What there is of a log right now.

    Attributes:
        staged: Its files on this host, if they are still here.
        snapshot: What the store holds; ``None`` when it was not asked.
        complete: Nothing more will come.
        closing: Why it ends although it was never finished, as one line for its reader.
    """

    staged: StagedFiles | None
    snapshot: Snapshot | None
    complete: bool
    closing: str | None = None

    @property
    def exists(self) -> bool:
        """Whether anything of the log can be read."""
        return self.staged is not None or bool(self.snapshot and self.snapshot.exists)


class ViewPage(NamedTuple):
    """The next bytes of both streams.

    Attributes:
        data: The bytes of each stream; ``None`` when there is nothing of it.
        cursor: Where the next page starts.
        notes: What there is to say in a stream's place or at its end; not part of the log, and
            the cursor does not count it.
        failed: Something could not be read.
    """

    data: Mapping[Stream, bytes | None]
    cursor: str
    notes: Mapping[Stream, str]
    failed: bool = False


class LogView:
    """Reads logs for viewers.

    Args:
        store: Where logs are stored.
        staging: Where they wait on this host.
        why_ended: Why the writer of a log can no longer be at work, or ``None`` while it may be.
    """

    def __init__(
        self,
        store: LogStore,
        staging: Staging,
        why_ended: Callable[[tuple[str, ...]], str | None] = lambda _: None,
    ) -> None:
        self._store = store
        self._staging = staging
        self._why_ended = why_ended

    def look(self, log_key: Sequence[str]) -> Look:
        """What there is of a log: free while it is staged here or known to be complete.

        Raises:
            StoreError: The store could not be asked.
        """
        key = check_log_key(log_key)
        known = self._store.reader.remembered(key)
        if known is not None:
            return Look(None, known, complete=True)
        staged = self._staging.find(key)
        if staged is not None:
            return Look(staged, None, staged.ended and not _is_too_long(staged))
        snapshot = self._store.snapshot(key)
        if snapshot.complete:
            return Look(None, snapshot, complete=True)
        ended = self._why_ended(key)
        if ended is None:
            return Look(None, snapshot, complete=False)
        # The final upload may have come between the listing and the end.
        snapshot = self._store.reader.snapshot(key, fresh=True)
        closing = None if snapshot.complete else closing_line(snapshot, ended)
        return Look(None, snapshot, complete=True, closing=closing)

    def page(
        self,
        log_key: Sequence[str],
        cursor: str | None,
        max_bytes: int | None,
        look: Look | None = None,
    ) -> ViewPage:
        """The next page of both streams; what went wrong is part of the answer, never raised."""
        try:
            look = look or self.look(log_key)
        except Exception as exc:
            said = self._store.explain(exc)
            at = parse_cursor(cursor)
            return ViewPage(
                dict.fromkeys(STREAMS),
                format_cursor(at["out"], at["err"]),
                dict.fromkeys(STREAMS, said),
                failed=True,
            )
        if look.staged is not None:
            page = self._staged_page(look.staged, parse_cursor(cursor), max_bytes)
            if page is not None:
                return page
            self._store.reader.forget(log_key)  # uploaded since the look
        pages = self._store.pages(log_key, cursor, max_bytes, look.snapshot)
        notes = {stream: self._store.explain(exc) for stream, exc in pages.failures.items()}
        if look.closing and not notes and look.snapshot is not None:
            notes = _closing_notes(look.snapshot, look.closing, parse_cursor(pages.cursor))
        return ViewPage(
            {"out": pages.out, "err": pages.err}, pages.cursor, notes, bool(pages.failures)
        )

    def read(
        self, log_key: Sequence[str], stream: Stream, offset: int, max_bytes: int | None
    ) -> tuple[bytes | None, int]:
        """The next bytes of one stream and where they end.

        Raises:
            StoreError: The store could not be read.
        """
        offset = max(0, offset)
        staged = self._staging.find(check_log_key(log_key))
        if staged is not None and stream in staged.streams:
            answer = _read_file(staged.folder / stream, offset, max_bytes, finished=staged.ended)
            if answer is not None:
                return answer
        return self._store.read(log_key, stream, offset, max_bytes)

    def copy_so_far(self, log_key: Sequence[str], stream: Stream, target: str) -> None:
        """Write what there is of a stream that is not finished into a local file."""
        offset = 0
        with open(target, "wb") as out:
            while True:
                data, following = self.read(log_key, stream, offset, _BLOCK)
                if not data or following == offset:
                    return
                out.write(data)
                offset = following

    def _staged_page(
        self, staged: StagedFiles, at: Mapping[Stream, int], max_bytes: int | None
    ) -> ViewPage | None:
        data: dict[Stream, bytes | None] = {}
        ends = dict(at)
        for stream in STREAMS:
            data[stream] = None
            if stream in staged.streams:
                answer = _read_file(
                    staged.folder / stream, at[stream], max_bytes, finished=staged.ended
                )
                if answer is None:
                    return None
                data[stream], ends[stream] = answer
        return ViewPage(data, format_cursor(ends["out"], ends["err"]), {})


def _read_file(
    path: Path, offset: int, max_bytes: int | None, *, finished: bool
) -> tuple[bytes, int] | None:
    """Bytes of a staged stream; ``None`` when it is not here any more."""
    # Beyond the head's share of the limit the stored log will hold other bytes.
    size = settled_size(path, limit_of(path.parent, size_limit()))
    try:
        with path.open("rb") as file:
            file.seek(offset)
            wanted = max(0, size - offset)
            data = file.read(wanted if max_bytes is None else min(wanted, max(0, max_bytes)))
    except FileNotFoundError:
        return None
    end = offset + len(data)
    held = 0 if finished and end >= size else incomplete_tail(data)
    keep = len(data) - held or (len(data) if end < size else 0)
    return data[:keep], offset + keep


def _is_too_long(staged: StagedFiles) -> bool:
    """Whether the stored log will hold a marker and a tail that the staged files do not."""
    limit = limit_of(staged.folder, size_limit())
    files = [staged.folder / stream for stream in staged.streams]
    return any(limit.exceeded(file.stat().st_size) for file in files if file.exists())


def _closing_notes(snapshot: Snapshot, closing: str, at: Mapping[Stream, int]) -> dict[Stream, str]:
    """The closing line below each stream that has bytes, or in stderr when none has any."""
    if any(at[stream] < snapshot.streams[stream].size for stream in STREAMS):
        return {}
    shown: list[Stream] = [stream for stream in STREAMS if snapshot.streams[stream].segments]
    return dict.fromkeys(shown or ["err"], closing)
