"""Closing what a library opened: when asked, when forgotten, and when the process ends.

The libraries close in finalisers of their own. Those of ``adlfs`` keep the filesystem alive
that they are to close, and in a forked child they wait at exit, for ever, for an event loop
that runs in the parent only.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from fsspec.asyn import get_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Connections", "take_over_closing"]

_AT_EXIT_SECONDS = 2.0

_open: set[Connections] = set()
_open_lock = threading.Lock()


class Connections:
    """What one opened filesystem holds, closed once: by :meth:`close`, or at exit.

    Args:
        close: Releases it; runs on fsspec's IO loop.
    """

    def __init__(self, close: Callable[[], Awaitable[None]]) -> None:
        self._close = close
        self._pid = os.getpid()
        with _open_lock:
            _open.add(self)

    @property
    def inherited(self) -> bool:
        """Whether this process got them from its parent by a fork, and may not touch them."""
        return self._pid != os.getpid()

    async def close(self) -> None:
        """Close them; a second time does nothing."""
        with _open_lock:
            if self not in _open:
                return
            _open.remove(self)
        await self._close()

    def close_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have them closed on a loop, from any thread, without waiting."""
        if not self.inherited and loop.is_running():
            asyncio.run_coroutine_threadsafe(self.close(), loop)


def take_over_closing(inner: Any, close: Callable[[], Awaitable[None]]) -> Connections:
    """Close what a filesystem opened by ``close``, not by its library's finalisers.

    Args:
        inner: The filesystem; when it is collected, ``close`` runs. It must not be
            referenced by ``close``.
        close: Releases what the filesystem holds; runs on fsspec's IO loop.
    """
    for finaliser in list(getattr(weakref.finalize, "_registry", ())):
        alive = finaliser.peek()
        if alive is not None and alive[0] is inner:
            finaliser.detach()
    connections = Connections(close)
    weakref.finalize(inner, connections.close_soon, get_loop()).atexit = False
    return connections


def _close_all() -> None:
    """Close what is left when the interpreter exits: aiohttp warns about each otherwise."""
    with _open_lock:
        left = [connections for connections in _open if not connections.inherited]
    loop = get_loop() if left else None
    if loop is None or not loop.is_running():
        return

    async def close() -> None:
        await asyncio.gather(*(one.close() for one in left), return_exceptions=True)

    closing = asyncio.run_coroutine_threadsafe(close(), loop)
    # Nobody is left to tell about a failure.
    with contextlib.suppress(Exception):
        closing.result(_AT_EXIT_SECONDS)


atexit.register(_close_all)
