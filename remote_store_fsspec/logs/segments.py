"""Which partial uploads a growing stream is made of (pure bookkeeping).

Each upload holds the bytes added since the last one. Their number stays bounded: when it would
pass `MAX_LIVE`, the newest run of equally old segments is written again as one, under the name
of its first, and the others go. With at most one such merge per byte 64 segments hold over 2,000
uploads; longer runs stretch that by sending up to four ticks at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

__all__ = ["MAX_LIVE", "Ledger", "Upload"]

MAX_LIVE: Final = 64
"""Most segments of one stream that exist at a time."""

UNBATCHED: Final = 1024
"""Uploads that go out at their own tick. 1,024 of them and 994 batches of four hold 5,000 ticks
with one merge per byte, that is at most 3 times the log's size sent in all."""

_BATCH_TICKS: Final = 4


class Upload(NamedTuple):
    """Bytes to send, ``[start, end)`` of the stream, and the segments they make superfluous."""

    start: int
    end: int
    replaces: tuple[int, ...] = ()


@dataclass
class _Live:
    start: int
    level: int


@dataclass
class Ledger:
    """The segments of one stream, kept by its only writer.

    Attributes:
        end: First byte that is not uploaded yet.
        uploads: How many uploads were made.
        most: Most segments that exist at a time.
        unbatched: Uploads that go out at their own tick.
    """

    end: int = 0
    uploads: int = 0
    most: int = MAX_LIVE
    unbatched: int = UNBATCHED
    _live: list[_Live] = field(default_factory=list)
    _waited: int = 0

    @property
    def starts(self) -> list[int]:
        """Offsets of the segments that exist."""
        return [live.start for live in self._live]

    def plan(self, size: int, *, flush: bool = False) -> Upload | None:
        """What to send at this tick, if anything.

        Args:
            size: Bytes of the stream that may be sent.
            flush: Do not wait for more.
        """
        if size <= self.end:
            return None
        if not flush and self._may_wait(size - self.end):
            self._waited += 1
            return None
        if len(self._live) < self.most:
            return Upload(self.end, size)
        first = self._merge_from()
        return Upload(
            self._live[first].start, size, tuple(live.start for live in self._live[first + 1 :])
        )

    def done(self, upload: Upload) -> None:
        """Note that an upload has succeeded."""
        if len(self._live) < self.most:
            self._live.append(_Live(upload.start, 0))
        else:
            first = self._merge_from()
            self._live[first].level += 1
            del self._live[first + 1 :]
        self.end = upload.end
        self.uploads += 1
        self._waited = 0

    def _may_wait(self, fresh: int) -> bool:
        if self.uploads < self.unbatched or self._waited >= _BATCH_TICKS - 1:
            return False
        return fresh * self.uploads < _BATCH_TICKS * self.end

    def _merge_from(self) -> int:
        level = self._live[-1].level
        first = len(self._live) - 1
        while first and self._live[first - 1].level == level:
            first -= 1
        return first
