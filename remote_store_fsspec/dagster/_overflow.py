"""Keeping a full staging disk away from user code: it must not fail where it prints.

A captured descriptor writes straight into the staged file, which costs nothing. But on a full disk
that write fails inside the step. So one thread of the process looks at the free space, the more
often the less there is, and once less than `MARGIN` is left it puts a pipe in the file's place.
A process of its own empties the pipe: into the staged file while that has room, then only to where
the output would have gone without a capture.

What can still meet a full disk is a process that fills `MARGIN` faster than the free space is
looked at, over 1 GB/s, and a child process that was started before the exchange.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import struct
import subprocess
import sys
import termios
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MARGIN", "Diversion", "Watched", "free_bytes", "watching"]

logger = logging.getLogger("remote_store_fsspec.dagster")

MARGIN: Final = 64 * 1024 * 1024
"""Free bytes below which output goes through the pipe."""

_FASTEST_BYTES_PER_SECOND: Final = 2 * 1024**3
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.03, 1.0
_BALLAST_BYTES: Final = 4096
_DRAIN_SECONDS: Final = 10.0


def free_bytes(path: str) -> int:
    """Bytes that may still be written beside this file."""
    try:
        found = os.statvfs(os.path.dirname(path))
    except OSError:
        return MARGIN  # what cannot be asked cannot be watched either
    return found.f_bavail * found.f_frsize


class Diversion:
    """A pipe in the place of a staged file, and the process that empties it.

    Args:
        staged: Descriptor of the staged file.
        onwards: Descriptor of where the output goes when the disk is full.
        path: The staged file.

    Raises:
        OSError: No process could be started.
    """

    def __init__(self, staged: int, onwards: int, path: str) -> None:
        ballast = f"{path}.ballast"
        with contextlib.suppress(OSError), open(ballast, "xb") as file:
            file.write(bytes(_BALLAST_BYTES))
        self._reader, self.writer = os.pipe()
        self._answer, answer = os.pipe()
        program = os.path.join(os.path.dirname(__file__), "_pump.py")
        arguments = [str(staged), str(onwards), str(answer), ballast]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", program, *arguments],
                stdin=self._reader,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(staged, onwards, answer),
                start_new_session=True,
            )
        except OSError:
            for descriptor in (self._reader, self.writer, self._answer):
                os.close(descriptor)
            raise
        finally:
            os.close(answer)

    @property
    def broken(self) -> bool:
        """Whether nobody empties the pipe any more."""
        return self._process.poll() is not None

    def close(self) -> int:
        """Wait until what was printed has been written.

        Returns:
            How many bytes could not be staged; -1 when that is not known.
        """
        os.close(self.writer)
        deadline = time.monotonic() + _DRAIN_SECONDS
        pause = 0.001
        while not self.broken and time.monotonic() < deadline:
            # A child process that outlives its step keeps the pipe open: empty will do.
            if pause > 0.1 and not self._waiting():  # noqa: PLR2004
                break
            time.sleep(pause)
            pause *= 1.5
        left_out = -1
        if self.broken:
            left_out = int(os.read(self._answer, 32) or b"-1")
        else:
            threading.Thread(target=self._process.wait, daemon=True).start()
        os.close(self._answer)
        os.close(self._reader)
        return left_out

    def _waiting(self) -> int:
        found = fcntl.ioctl(self._reader, termios.FIONREAD, bytes(4))
        waiting: int = struct.unpack("i", found)[0]
        return waiting


class Watched(Protocol):
    """A capture of one descriptor."""

    path: str

    def watch(self, free: int) -> None:
        """Look after it, with so many bytes free."""


_lock = threading.Lock()
_watched: list[Watched] = []
_changed = threading.Event()
_thread: threading.Thread | None = None


@contextlib.contextmanager
def watching(capture: Watched) -> Iterator[None]:
    """Look at the free space for this capture, on the one thread that does so."""
    global _thread  # noqa: PLW0603 - one thread a process, like the descriptors
    capture.watch(free_bytes(capture.path))
    with _lock:
        _watched.append(capture)
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_watch, name="remote-store-fsspec-space", daemon=True)
            _thread.start()
        _changed.set()
    try:
        yield
    finally:
        with _lock:
            _watched.remove(capture)
        _changed.set()


def _watch() -> None:
    global _thread  # noqa: PLW0603
    while True:
        with _lock:
            captures = list(_watched)
            _changed.clear()
            if not captures:
                _thread = None
                return
        spaces = {capture: free_bytes(capture.path) for capture in captures}
        for capture, free in spaces.items():
            try:
                capture.watch(free)
            except Exception:
                logger.debug("the free space could not be acted upon", exc_info=True)
        least = min(spaces.values())
        pause = (least - MARGIN) / _FASTEST_BYTES_PER_SECOND
        _changed.wait(min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, pause)))
