"""Blocking library calls from the IO loop, on threads that never keep a process alive.

The executors of the standard library join their threads when the interpreter exits, so
one call that hangs on a dead server would hang the whole process. These do not.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["DaemonThreads"]

T = TypeVar("T")
_IDLE_SECONDS = 10.0
_Job = tuple["concurrent.futures.Future[Any]", Callable[[], Any]]


class DaemonThreads:
    """Up to ``limit`` daemon threads that run calls in the order they were given.

    Args:
        limit: Most calls under way at once; 1 gives a library that is not thread-safe
            the one thread it needs.
        name: Prefix of the threads' names.
    """

    def __init__(self, limit: int, name: str = "remote-store-fsspec") -> None:
        self._limit = limit
        self._name = name
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0

    async def run(self, call: Callable[[], T]) -> T:
        """Run ``call`` on one of the threads and wait for it on the current event loop."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._jobs.put((future, call))
        with self._lock:
            if self._idle < self._jobs.qsize() and self._threads < self._limit:
                self._threads += 1
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            try:
                future, call = self._jobs.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    self._idle -= 1
                    if not self._jobs.empty():
                        continue  # a job came in between: without this it would wait for ever
                    self._threads -= 1
                return
            with self._lock:
                self._idle -= 1
            if not future.set_running_or_notify_cancel():
                continue
            try:
                # No name for the result: the idle thread would hold it until its next call.
                future.set_result(call())
            except BaseException as exc:  # handed to whoever awaits it
                future.set_exception(exc)
            del future, call
