"""Where a log may be cut: character boundaries and the size limit (pure functions)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["CONTINUATION_BYTES", "SMALLEST_MARKED_LIMIT", "Truncation", "incomplete_tail"]

SMALLEST_MARKED_LIMIT: Final = 4096
"""Below this many bytes a limit leaves no room for a marker: the head is kept plainly, as
Dagster's own suite for managers expects."""

CONTINUATION_BYTES: Final = range(0x80, 0xC0)
"""Bytes that only go on with a UTF-8 character."""

_FIRST_BYTES: Final = {2: range(0xC0, 0xE0), 3: range(0xE0, 0xF0), 4: range(0xF0, 0xF8)}
_MARKER_ROOM: Final = 256


def incomplete_tail(data: bytes) -> int:
    """How many bytes at the end start a UTF-8 character that the data does not finish.

    Returns:
        0 to 3. Bytes that are no UTF-8 at all count as finished.
    """
    for back, byte in enumerate(reversed(data[-3:]), start=1):
        if byte in CONTINUATION_BYTES:
            continue
        length = next((length for length, first in _FIRST_BYTES.items() if byte in first), 1)
        return back if length > back else 0
    return 0


@dataclass(frozen=True)
class Truncation:
    """What is kept of a stream under a size limit: its head, a marker line, its tail.

    Attributes:
        limit: Most bytes of one stored stream; 0 for no limit.
    """

    limit: int

    def exceeded(self, size: int) -> bool:
        """Whether a stream of this size is stored in part only."""
        return bool(self.limit) and size > self.limit

    @property
    def head(self) -> int:
        """Bytes from the start that are stored whatever the stream grows to."""
        if not self.limit or self.limit < SMALLEST_MARKED_LIMIT:
            return self.limit
        return self.limit // 2

    @property
    def tail(self) -> int:
        """Most bytes kept from the end."""
        if not self.limit or self.limit < SMALLEST_MARKED_LIMIT:
            return 0
        return self.limit - self.head - _MARKER_ROOM

    def marker(self, left_out: int) -> bytes:
        """The line between head and tail, or nothing when the limit is too small for one."""
        if self.limit < SMALLEST_MARKED_LIMIT:
            return b""
        return (
            f"\n[remote-store-fsspec: {left_out} bytes left out here, the log passed its limit of "
            f"{self.limit} bytes (DAGSTER_TRUNCATE_COMPUTE_LOGS_UPLOAD_BYTES)]\n"
        ).encode()
