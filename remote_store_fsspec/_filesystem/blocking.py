"""Blocking forms of the coroutines, which keep the error that the coroutine raised.

fsspec's own mirroring replaces every timeout by an empty ``FSTimeoutError``; here a caller
gets the :class:`~remote_store_fsspec.errors.StoreTimeoutError` that says where and what next.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from fsspec.asyn import AsyncFileSystem, sync
from fsspec.exceptions import FSTimeoutError
from fsspec.spec import AbstractFileSystem

from remote_store_fsspec.errors import StoreTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["blocking", "inherited_coroutines", "mirror"]


def run(fs: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Wait for a coroutine on fsspec's IO loop; ``timeout=`` limits the wait, in seconds."""
    try:
        return sync(fs.loop, function, *args, **kwargs)
    except FSTimeoutError as exc:
        if isinstance(exc.__cause__, StoreTimeoutError):
            raise exc.__cause__ from exc.__cause__.__cause__
        raise StoreTimeoutError(
            f"the call did not finish within {kwargs.get('timeout')} s",
            url=fs.location.display_url,
        ) from exc


def blocking(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method that waits for the coroutine or async generator method ``function``."""
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        def iterate(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
            generator = function(self, *args, **kwargs)
            while True:
                try:
                    yield run(self, generator.__anext__)
                except StopAsyncIteration:
                    return

        return iterate

    @functools.wraps(function)
    def wait(self: Any, *args: Any, **kwargs: Any) -> Any:
        return run(self, function, self, *args, **kwargs)

    return wait


def mirror(members: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    """The blocking methods for the coroutines among a class's members.

    A coroutine ``_name`` gets one when fsspec knows ``name`` and the class does not define it.
    """
    mirrored = {}
    for name, member in members.items():
        public = name[1:]
        asynchronous = inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)
        known = hasattr(AbstractFileSystem, public) or public == "mv_file"
        if name.startswith("_") and asynchronous and known and public not in members:
            mirrored[public] = blocking(member)
            documented = getattr(AbstractFileSystem, public, None)
            mirrored[public].__doc__ = member.__doc__ or getattr(documented, "__doc__", None)
    return mirrored


def inherited_coroutines() -> dict[str, Any]:
    """The coroutines that fsspec's own class defines."""
    return dict(vars(AsyncFileSystem))
