"""Redirecting the process's stdout and stderr into files, with the old target always restored.

Dagster's own redirection assumes that captures end in the reverse order of their beginning. Two
threads that capture at once do not: the first to end gives the descriptor back while the second
still captures, and the second then "restores" a file that is gone, so that the process prints into
nothing for the rest of its life. Here a stack per descriptor knows what lies below whom, whoever
leaves first.

A descriptor belongs to the whole process. While captures of several threads overlap, the output
of all of them goes to the one that began last.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dagster._core.execution.compute_logs import should_disable_io_stream_redirect

from remote_store_fsspec.dagster._mirror import Orphans, mirrored
from remote_store_fsspec.dagster._overflow import MARGIN, Diversion, watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["mirror_to_file", "tell"]


@dataclass(eq=False)
class _Capture:
    """One capture of one descriptor.

    Attributes:
        path: The staged file.
        descriptor: What is captured.
        file: Descriptor of the staged file.
        target: Where the output goes: that file, or a pipe while the disk is nearly full.
        shown: How much of the file was shown where the output would have gone.
        written: Told now and then that there may be more in the file.
    """

    path: str
    descriptor: int
    file: int
    target: int
    shown: Callable[[], int | None]
    written: Callable[[int, Callable[[], int | None]], object]
    diversion: Diversion | None = None
    gave_up: bool = False

    def watch(self, free: int) -> None:
        """Use a pipe when the disk is nearly full, and nothing when the pipe is broken."""
        self.written(self.file, self.shown)
        if self.gave_up or (self.diversion is None and free >= MARGIN):
            return
        with _lock:
            stack = _stacks.get(self.descriptor)
            if stack is None or self not in stack.captures:
                return
            below = stack.below(self)
            if self.diversion is None:
                try:
                    self.diversion = Diversion(self.file, below, self.path)
                    self.target = self.diversion.writer
                except OSError:
                    self.gave_up = True
            elif self.diversion.broken:
                self.gave_up = True
            else:
                return
            if self.gave_up:
                self.target = below
            if stack.captures[-1] is self:
                os.dup2(self.target, self.descriptor)


@dataclass
class _Stack:
    """Who captures one descriptor: the newest last, and what it was before all of them."""

    original: int
    captures: list[_Capture] = field(default_factory=list)

    def below(self, capture: _Capture) -> int:
        """Where the output would go without this capture."""
        at = self.captures.index(capture)
        return self.captures[at - 1].target if at else self.original

    def top(self) -> int:
        """Where the output goes."""
        return self.captures[-1].target if self.captures else self.original


_STDERR = 2
_lock = threading.Lock()
_stacks: dict[int, _Stack] = {}


@contextmanager
def mirror_to_file(
    stream: Any,
    path: str,
    orphans: Orphans,
    not_staged: Callable[[int], object] = lambda _: None,
    written: Callable[[int, Callable[[], int | None]], object] = lambda _file, _shown: None,
) -> Iterator[None]:
    """Append what the process writes to ``stream`` to a file, and show it where it went before.

    Args:
        stream: ``sys.stdout`` or ``sys.stderr``; one without a descriptor is left alone.
        path: The file.
        orphans: Ends the showing when this process is killed.
        not_staged: Told how many bytes the file's disk had no room for, -1 for an unknown number.
        written: Given now and then the file's descriptor, and who says how much of it was shown.
    """
    descriptor = _descriptor(stream)
    if not descriptor or should_disable_io_stream_redirect():  # type: ignore[no-untyped-call]
        yield
        return
    file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        with mirrored(path, descriptor, orphans) as shown:
            capture = _Capture(path, descriptor, file, file, shown, written)
            _enter(descriptor, stream, capture)
            try:
                with watching(capture):
                    yield
            finally:
                _leave(descriptor, stream, capture)
                left_out = capture.diversion.close() if capture.diversion else 0
                if left_out or capture.gave_up:
                    not_staged(left_out or -1)
    finally:
        os.close(file)


def tell(text: str) -> None:
    """Write a line to the process's own stderr, past whatever captures it: it is not user output."""
    with _lock:
        stack = _stacks.get(_STDERR)
        # A duplicate: a reader that is slow must not keep captures from beginning and ending.
        descriptor = os.dup(stack.original if stack else _STDERR)
    with open(descriptor, "wb", buffering=0) as stderr, suppress(OSError):
        stderr.write(f"{text}\n".encode(errors="backslashreplace"))


def _enter(descriptor: int, stream: Any, capture: _Capture) -> None:
    with _lock:
        stream.flush()
        stack = _stacks.get(descriptor)
        if stack is None:
            stack = _stacks[descriptor] = _Stack(os.dup(descriptor))
        stack.captures.append(capture)
        os.dup2(capture.target, descriptor)


def _leave(descriptor: int, stream: Any, capture: _Capture) -> None:
    with _lock:
        stack = _stacks[descriptor]
        full = False
        try:
            stream.flush()
        except OSError:
            full = True  # what is buffered goes where it went before the capture
        finally:
            stack.captures.remove(capture)
            os.dup2(stack.top(), descriptor)
            if not stack.captures:
                os.close(stack.original)
                del _stacks[descriptor]
        if full:
            capture.gave_up = True
            with suppress(OSError):
                stream.flush()


def _descriptor(stream: Any) -> int | None:
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None  # a test runner or a notebook put an object without a descriptor there
    return descriptor if isinstance(descriptor, int) else None
