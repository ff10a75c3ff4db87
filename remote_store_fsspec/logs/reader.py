"""Reading a log: one listing says what there is, ranged reads move only what is asked for.

A log that is complete has one final object per stream. Before that its bytes lie in segments whose
names say where they start; a byte at an offset never changes, so a cursor stays valid while
segments are merged and when the final object takes their place.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from remote_store_fsspec.logs.cut import incomplete_tail
from remote_store_fsspec.logs.layout import STREAMS, Layout, Stream, parse_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from remote_store_fsspec.logs.files import LogFiles

__all__ = ["LogReader", "Page", "Piece", "Segment", "Snapshot", "StreamState", "plan_pieces"]

SETTLING_SECONDS: Final = 30.0
"""How long a lone final object is watched before the other stream counts as never written."""

SETTLED_AGE_SECONDS: Final = 900.0
"""A lone final object older than this belongs to a finished log, whatever the clocks' difference."""

_REMEMBER_SECONDS: Final = 60.0
_REMEMBER_KEYS: Final = 2048
_LISTINGS: Final = 4


class Segment(NamedTuple):
    """A partial upload: the bytes ``[offset, offset + size)`` of a stream."""

    offset: int
    size: int
    path: str

    @property
    def end(self) -> int:
        """First byte after the segment."""
        return self.offset + self.size


class Piece(NamedTuple):
    """A range of one object; ``end`` is ``None`` for up to its end."""

    path: str
    start: int
    end: int | None


@dataclass(frozen=True)
class StreamState:
    """What the store holds of one stream.

    Attributes:
        final: Path of the final object, if there is one.
        size: Bytes of the final object, or the end of the bytes that segments give without a gap.
        modified: When the final object was written, in seconds since the epoch, if known.
        segments: The partial uploads, by offset.
    """

    final: str | None = None
    size: int = 0
    modified: float | None = None
    segments: tuple[Segment, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether the store holds anything of the stream."""
        return self.final is not None or bool(self.segments)


@dataclass(frozen=True)
class Snapshot:
    """What one listing showed of one log.

    Attributes:
        streams: State of each stream.
        marked: The writer said that the log is complete although a stream has no object.
        complete: The log will not change any more.
    """

    streams: Mapping[Stream, StreamState] = field(
        default_factory=lambda: {stream: StreamState() for stream in STREAMS}
    )
    marked: bool = False
    complete: bool = False

    @property
    def exists(self) -> bool:
        """Whether the store holds anything of the log."""
        return self.marked or any(state.exists for state in self.streams.values())

    @property
    def lone_final(self) -> bool:
        """Exactly one stream is final: being finished, or written by a manager that skips empties."""
        return sum(state.final is not None for state in self.streams.values()) == 1


class Page(NamedTuple):
    """A range of a stream.

    Attributes:
        data: The bytes; ``None`` when nothing of the stream is stored.
        offset: Where the next page starts.
    """

    data: bytes | None
    offset: int


def plan_pieces(segments: Sequence[Segment], start: int, stop: int | None) -> list[Piece]:
    """The object ranges that hold ``[start, stop)``, up to the first gap.

    Where segments overlap the one that reaches furthest is read, so that a merge under way costs
    no request.
    """
    pieces: list[Piece] = []
    position = start
    while stop is None or position < stop:
        holding = [segment for segment in segments if segment.offset <= position < segment.end]
        if not holding:
            break
        best = max(holding, key=lambda segment: segment.end)
        end = best.end if stop is None else min(best.end, stop)
        pieces.append(Piece(best.path, position - best.offset, end - best.offset))
        position = end
    return pieces


class LogReader:
    """Reads logs of one store; safe to use from many threads.

    Args:
        files: The file system.
        layout: Where logs live in it.
    """

    def __init__(self, files: LogFiles, layout: Layout) -> None:
        self._files = files
        self._layout = layout
        self._lock = threading.Lock()
        self._complete: OrderedDict[tuple[str, ...], tuple[float, Snapshot]] = OrderedDict()
        self._lone_since: dict[tuple[str, ...], float] = {}

    def snapshot(self, log_key: Sequence[str], *, fresh: bool = False) -> Snapshot:
        """What the store holds of a log, in one listing; a complete log is remembered.

        Args:
            log_key: The log.
            fresh: Ask the store even if the log is remembered as complete.
        """
        key = tuple(log_key)
        if not fresh and (known := self.remembered(key)) is not None:
            return known
        folder, stem = self._layout.place(log_key)
        found = self._files.find(folder, maxdepth=1, detail=True, prefix=f"{stem}.")
        snapshot = _parse(stem, found.values())
        if snapshot.complete or self._settled(key, snapshot):
            snapshot = Snapshot(snapshot.streams, snapshot.marked, complete=True)
            self._remember(key, snapshot)
        else:
            self.forget(log_key)
        return snapshot

    def read(
        self,
        log_key: Sequence[str],
        wanted: Mapping[Stream, int],
        max_bytes: int | None,
        snapshot: Snapshot | None = None,
    ) -> dict[Stream, Page | Exception]:
        """A page of each wanted stream, moved in parallel.

        A character that the page's end would cut is left for the next page.

        Args:
            log_key: The log.
            wanted: Where each stream's page starts.
            max_bytes: Most bytes of each page; ``None`` for all there is.
            snapshot: A recent listing; one is made when it is missing or has been overtaken.

        Returns:
            Per stream its page, or what went wrong with it.
        """
        known = snapshot or self.snapshot(log_key)
        pages: dict[Stream, Page | Exception] = {}
        left = {stream: max(0, offset) for stream, offset in wanted.items()}
        for _ in range(_LISTINGS):
            pages.update(self._pages(known, left, max_bytes))
            # A merge or the final upload took the object away between listing and reading.
            left = {
                stream: offset
                for stream, offset in left.items()
                if isinstance(pages[stream], FileNotFoundError)
            }
            if not left:
                break
            known = self.snapshot(log_key, fresh=True)
        return pages

    def forget(self, log_key: Sequence[str]) -> None:
        """Ask the store the next time, whatever is remembered of the log."""
        with self._lock:
            self._complete.pop(tuple(log_key), None)

    def forget_below(self, prefix: Sequence[str]) -> None:
        """The same for every log whose key starts with these elements."""
        start = tuple(prefix)
        with self._lock:
            for key in [key for key in self._complete if key[: len(start)] == start]:
                del self._complete[key]

    def _pages(
        self, snapshot: Snapshot, wanted: Mapping[Stream, int], max_bytes: int | None
    ) -> dict[Stream, Page | Exception]:
        plans = {
            stream: _plan(snapshot.streams[stream], offset, max_bytes)
            for stream, offset in wanted.items()
        }
        ranges = [piece for plan in plans.values() for piece in plan]
        answers = iter(self._fetch(ranges))
        pages: dict[Stream, Page | Exception] = {}
        for stream, plan in plans.items():
            parts = [next(answers) for _ in plan]
            failure = next((part for part in parts if isinstance(part, Exception)), None)
            state = snapshot.streams[stream]
            if failure is not None:
                pages[stream] = failure
            elif not state.exists and not snapshot.complete:
                pages[stream] = Page(None, wanted[stream])
            else:
                data = b"".join(part for part in parts if isinstance(part, bytes))
                finished = state.final is not None or snapshot.complete
                pages[stream] = _page(data, wanted[stream], state.size, finished=finished)
        return pages

    def _fetch(self, ranges: Sequence[Piece]) -> list[bytes | Exception]:
        if not ranges:
            return []
        paths, starts, ends = zip(*ranges, strict=True)
        answers: list[bytes | Exception] = self._files.cat_ranges(
            list(paths), list(starts), list(ends), on_error="return"
        )
        return answers

    def remembered(self, log_key: Sequence[str]) -> Snapshot | None:
        """The last listing of a log that was complete a minute ago or less."""
        key = tuple(log_key)
        with self._lock:
            entry = self._complete.get(key)
            if entry is None or time.monotonic() - entry[0] > _REMEMBER_SECONDS:
                return None
            self._complete.move_to_end(key)
            return entry[1]

    def _remember(self, key: tuple[str, ...], snapshot: Snapshot) -> None:
        with self._lock:
            self._complete[key] = (time.monotonic(), snapshot)
            self._complete.move_to_end(key)
            while len(self._complete) > _REMEMBER_KEYS:
                self._complete.popitem(last=False)

    def _settled(self, key: tuple[str, ...], snapshot: Snapshot) -> bool:
        """Whether a log with one final object belongs to a manager that wrote only that one."""
        with self._lock:
            if not snapshot.lone_final:
                self._lone_since.pop(key, None)
                return False
            if len(self._lone_since) > _REMEMBER_KEYS:
                self._lone_since.clear()
            since = self._lone_since.setdefault(key, time.monotonic())
        modified = next(state.modified for state in snapshot.streams.values() if state.final)
        if modified is not None and time.time() - modified > SETTLED_AGE_SECONDS:
            return True
        return time.monotonic() - since >= SETTLING_SECONDS


def _parse(stem: str, entries: Iterable[Mapping[str, Any]]) -> Snapshot:
    finals: dict[Stream, Mapping[str, Any]] = {}
    segments: dict[Stream, list[Segment]] = {stream: [] for stream in STREAMS}
    marked = False
    for entry in entries:
        path = str(entry["name"])
        what = parse_name(path.rpartition("/")[2])
        if what is None or what.stem != stem or entry.get("type") == "directory":
            continue
        if what.stream is None:
            marked = True
        elif what.offset is None:
            finals[what.stream] = entry
        else:
            segments[what.stream].append(Segment(what.offset, int(entry["size"] or 0), path))
    streams = {stream: _state(finals.get(stream), segments[stream]) for stream in STREAMS}
    return Snapshot(streams, marked, complete=marked or len(finals) == len(STREAMS))


def _state(final: Mapping[str, Any] | None, segments: list[Segment]) -> StreamState:
    if final is not None:
        modified = final.get("mtime")
        return StreamState(
            str(final["name"]),
            int(final["size"] or 0),
            float(modified) if isinstance(modified, (int, float)) else None,
        )
    size = 0
    for segment in sorted(segments):
        if segment.offset > size:
            break
        size = max(size, segment.end)
    return StreamState(None, size, None, tuple(sorted(segments)))


def _plan(state: StreamState, offset: int, max_bytes: int | None) -> list[Piece]:
    stop = None if max_bytes is None else offset + max(0, max_bytes)
    if state.final is not None:
        # The end is left open: an object that was written again may have grown.
        return [Piece(state.final, offset, stop)] if offset < state.size and stop != offset else []
    return plan_pieces(state.segments, offset, stop)


def _page(data: bytes, offset: int, available: int, *, finished: bool) -> Page:
    """Leave a cut character for the next page, unless no next page will come.

    Args:
        data: What was read.
        offset: Where it starts.
        available: Bytes of the stream that could be read now.
        finished: The stream will not grow.
    """
    end = offset + len(data)
    held = incomplete_tail(data)
    if end < available:
        keep = len(data) - held or len(data)  # a page smaller than one character moves on anyway
    else:
        keep = len(data) if finished else len(data) - held
    return Page(data[:keep], offset + keep)
