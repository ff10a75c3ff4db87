"""Giving the disk back the middle of a long log while it is still being written.

Of a stream that passes the size limit only the head and the tail are ever read again, by viewers
and by the upload. What lies between is taken out of the staged file, which keeps its length and
every byte its place: writers append, and whoever shows the file goes on, as if nothing had happened.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remote_store_fsspec.logs.cut import Truncation

if TYPE_CHECKING:
    from collections.abc import Callable

    from remote_store_fsspec.logs.staging import StagedCapture

__all__ = ["Thinning", "limit_of", "note_limit"]

_NOTE: Final = "limit"
_STEP: Final = 1024 * 1024
_BLOCK: Final = 4096
_PUNCH_HOLE_AND_KEEP_SIZE: Final = 0x02 | 0x01


class Thinning:
    """One staged stream.

    Args:
        staged: The capture that it belongs to.
        truncation: The size limit.
    """

    def __init__(self, staged: StagedCapture, truncation: Truncation) -> None:
        self._folder = staged.folder
        self._truncation = truncation
        self._start = -(-truncation.head // _BLOCK) * _BLOCK
        self._cannot = not truncation.limit

    def look(self, descriptor: int, shown: Callable[[], int | None]) -> None:
        """Take out what nobody will read any more, if it is worth the call.

        Args:
            descriptor: The staged file, open for writing.
            shown: Says how many bytes from its start were read for the process's own output;
                ``None`` when it is not shown there.
        """
        if self._cannot:
            return
        # The file only grows, so a later tail begins later.
        end = os.fstat(descriptor).st_size - self._truncation.tail
        if end - self._start < _STEP:
            return
        read = shown()
        end = (end if read is None else min(end, read)) // _BLOCK * _BLOCK
        if end - self._start < _STEP:
            return
        try:
            note_limit(self._folder, self._truncation)
            _punch(descriptor, self._start, end - self._start)
        except (OSError, AttributeError):
            self._cannot = True  # not this system, or not this disk: it stays as long as it is
        else:
            self._start = end


def note_limit(folder: Path, truncation: Truncation) -> None:
    """Let every later process shorten this capture's streams at least as much as this one."""
    path = folder / _NOTE
    if not path.exists():
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(str(truncation.limit))


def limit_of(folder: Path, truncation: Truncation) -> Truncation:
    """The limit of a staged capture: the process's own, or a lower one it was thinned by."""
    noted = 0
    with suppress(OSError, ValueError):
        noted = int((folder / _NOTE).read_text())
    if noted and (not truncation.limit or noted < truncation.limit):
        return Truncation(noted)
    return truncation


def _punch(descriptor: int, start: int, length: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    fallocate = libc.fallocate64 if hasattr(libc, "fallocate64") else libc.fallocate
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if fallocate(descriptor, _PUNCH_HOLE_AND_KEEP_SIZE, start, length):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
