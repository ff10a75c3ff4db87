"""What the benchmarked steps print: known at every offset, so that any page can be checked alone."""

from __future__ import annotations

from typing import Final

LINE: Final = 61
"""Bytes of one line."""

# A prime number of lines of a prime number of bytes: a page shifted by any round number shows.
_LINES: Final = 163
_BLOCK: Final = b"".join(
    b"%06d %s\n" % (number * 7919 % 1_000_000, b"abcdefghijklmnopqrstuvwxyz" * 2 + b"!")
    for number in range(_LINES)
)
_SLICE: Final = 64 * 1024


def payload(offset: int, size: int) -> bytes:
    """Bytes ``[offset, offset + size)`` of the endless text."""
    start = offset % len(_BLOCK)
    repeats = (start + size) // len(_BLOCK) + 1
    return (_BLOCK * repeats)[start : start + size]


def matches(data: bytes, offset: int) -> bool:
    """Whether `data` is the text at `offset`; needs little memory of its own."""
    view = memoryview(data)
    return all(
        view[at : at + _SLICE] == payload(offset + at, min(_SLICE, len(data) - at))
        for at in range(0, len(data), _SLICE)
    )
