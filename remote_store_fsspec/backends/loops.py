"""Awaiting many at once, and awaiting on fsspec's IO loop."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, TypeVar

from fsspec import asyn
from fsspec.asyn import get_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

__all__ = ["CONCURRENCY", "gather", "hear", "on_io_loop"]

T = TypeVar("T")
CONCURRENCY = 16
"""Requests of one bulk call under way at once."""

if hasattr(os, "register_at_fork") and not hasattr(asyn, "reset_after_fork"):
    # Before fsspec did this itself, a forked child waited for ever for its parent's IO thread.
    os.register_at_fork(after_in_child=asyn.reset_lock)


async def gather(awaitables: Sequence[Awaitable[T]], limit: int = CONCURRENCY) -> list[T]:
    """Results of all, ``limit`` under way at once; the first failure cancels the rest."""
    gate = asyncio.Semaphore(limit)

    async def one(awaitable: Awaitable[T]) -> T:
        async with gate:
            return await awaitable

    tasks = [asyncio.ensure_future(one(awaitable)) for awaitable in awaitables]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for awaitable in awaitables:
            if asyncio.iscoroutine(awaitable):
                awaitable.close()  # one that never got its turn would be warned about
        raise


def hear(task: asyncio.Future[Any]) -> None:
    """Take the outcome of a task nobody waits for, or asyncio logs it as an error."""
    if not task.cancelled():
        task.exception()


async def on_io_loop(coroutine: Awaitable[T]) -> T:
    """Await on fsspec's IO loop, whichever loop is running."""
    loop = get_loop()
    if asyncio.get_running_loop() is loop:
        return await coroutine

    async def run() -> T:
        return await coroutine

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), loop))
