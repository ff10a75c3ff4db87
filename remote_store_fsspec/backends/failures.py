"""From any exception to one of ours: the tables for Python's own, and the sentences."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from remote_store_fsspec.errors import (
    AccessDeniedError,
    DirectoryNotEmptyError,
    InvalidPathError,
    IsDirectoryError,
    NotDirectoryError,
    ObjectExistsError,
    ObjectNotFoundError,
    StoreError,
    StoreTimeoutError,
    StoreUnavailableError,
    UnsupportedOperationError,
)
from remote_store_fsspec.secrets import scrub_known

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EXPIRED", "SENTENCES", "builtin_error", "forget_frames"]

logger = logging.getLogger("remote_store_fsspec.backends")

_BUILTIN_ERRORS: tuple[tuple[type[BaseException], type[StoreError]], ...] = (
    (FileNotFoundError, ObjectNotFoundError),
    (FileExistsError, ObjectExistsError),
    (PermissionError, AccessDeniedError),
    (IsADirectoryError, IsDirectoryError),
    (NotADirectoryError, NotDirectoryError),
    (TimeoutError, StoreTimeoutError),
    (asyncio.TimeoutError, StoreTimeoutError),
    (ConnectionError, StoreUnavailableError),
    (socket.gaierror, StoreUnavailableError),
    (EOFError, StoreUnavailableError),
    (NotImplementedError, UnsupportedOperationError),
)
_ERRNO_ERRORS: Mapping[int, type[StoreError]] = {
    errno.ENOTEMPTY: DirectoryNotEmptyError,
    errno.ENAMETOOLONG: InvalidPathError,
    errno.EILSEQ: InvalidPathError,
    errno.EHOSTUNREACH: StoreUnavailableError,
    errno.ENETUNREACH: StoreUnavailableError,
    errno.ENETDOWN: StoreUnavailableError,
    errno.EHOSTDOWN: StoreUnavailableError,
}
SENTENCES: Mapping[type[StoreError], tuple[str, str]] = {
    ObjectNotFoundError: ("no such file or directory", ""),
    ObjectExistsError: ("it exists already", ""),
    AccessDeniedError: (
        "the store refused access",
        "check the credentials and what they may do there",
    ),
    IsDirectoryError: ("it is a directory", ""),
    NotDirectoryError: ("it is not a directory", ""),
    DirectoryNotEmptyError: ("the directory is not empty", ""),
    InvalidPathError: ("the store cannot hold that name", ""),
    StoreTimeoutError: (
        "the store did not answer in time",
        "check that it is up and reachable, or raise the timeout",
    ),
    StoreUnavailableError: (
        "the store could not be reached",
        "check the address, the network and that the server is up",
    ),
}

EXPIRED = (
    "the credentials have expired",
    "renew them where the configuration takes them from, and start again what holds the old ones",
)
"""The sentence for access that was granted once and is over."""


def builtin_error(exc: BaseException) -> type[StoreError]:
    """The error type of an exception of Python's own."""
    for theirs, ours in _BUILTIN_ERRORS:
        if isinstance(exc, theirs):
            return ours
    if isinstance(exc, OSError):
        return _ERRNO_ERRORS.get(exc.errno or 0, StoreError)
    return StoreError


def forget_frames(exc: BaseException | None) -> None:
    """Let go of the frames of a library's exceptions, and of the secrets in their words.

    Frames hold credentials in their locals, and whoever captures those with a traceback would
    publish them. The frames' places, without locals, are in the log at level DEBUG.
    """
    if exc is None:
        return
    logger.debug("what the storage's library raised", exc_info=exc)
    chain: list[BaseException | None] = [exc]
    met: set[int] = set()
    while chain:
        link = chain.pop()
        if link is not None and id(link) not in met:
            met.add(id(link))
            link.__traceback__ = None
            _forget_secrets(link)
            chain += [link.__cause__, link.__context__]


def _forget_secrets(exc: BaseException) -> None:
    """Take known secrets out of what an exception says: URLs with a token, for example."""
    if _is_clean(exc):
        return
    exc.args = tuple(
        argument if _is_clean(argument) else scrub_known(str(argument)) for argument in exc.args
    )
    if _is_clean(exc):
        return
    # It makes its words from attributes; only its class can be told to say others.
    words = scrub_known(str(exc))
    said = {"__str__": lambda _: words, "__repr__": lambda _: words}
    kind = type(exc)
    with suppress(TypeError):  # a class written in C keeps its own
        exc.__class__ = type(kind.__name__, (kind,), {"__module__": kind.__module__, **said})


def _is_clean(value: object) -> bool:
    return all(scrub_known(text) == text for text in (str(value), repr(value)))
