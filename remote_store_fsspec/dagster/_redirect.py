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
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dagster._core.execution.compute_logs import (
    should_disable_io_stream_redirect,
    tail_to_stream,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["mirror_to_file"]


@dataclass
class _Stack:
    """Who captures one descriptor: the newest last, and what it was before all of them."""

    original: int
    files: list[int] = field(default_factory=list)


_lock = threading.Lock()
_stacks: dict[int, _Stack] = {}


@contextmanager
def mirror_to_file(stream: Any, path: str) -> Iterator[None]:
    """Append what the process writes to ``stream`` to a file, and show it where it went before.

    Args:
        stream: ``sys.stdout`` or ``sys.stderr``; one without a descriptor is left alone.
        path: The file.
    """
    descriptor = _descriptor(stream)
    if not descriptor or should_disable_io_stream_redirect():  # type: ignore[no-untyped-call]
        yield
        return
    with tail_to_stream(path, stream):
        target = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            _enter(descriptor, stream, target)
            try:
                yield
            finally:
                _leave(descriptor, stream, target)
        finally:
            os.close(target)


def _enter(descriptor: int, stream: Any, target: int) -> None:
    with _lock:
        stream.flush()
        stack = _stacks.get(descriptor)
        if stack is None:
            stack = _stacks[descriptor] = _Stack(os.dup(descriptor))
        stack.files.append(target)
        os.dup2(target, descriptor)


def _leave(descriptor: int, stream: Any, target: int) -> None:
    with _lock:
        try:
            stream.flush()
        finally:
            stack = _stacks[descriptor]
            newest = stack.files[-1] == target
            stack.files.remove(target)
            if newest:
                os.dup2(stack.files[-1] if stack.files else stack.original, descriptor)
            if not stack.files:
                os.close(stack.original)
                del _stacks[descriptor]


def _descriptor(stream: Any) -> int | None:
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None  # a test runner or a notebook put an object without a descriptor there
    return descriptor if isinstance(descriptor, int) else None
