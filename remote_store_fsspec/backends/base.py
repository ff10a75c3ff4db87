"""One adapter over one inner fsspec filesystem: what every backend shares.

:class:`Backend` serves any filesystem that fsspec can open, by the slowest safe way:
size first, then a clamped range; a temporary name, then a rename. A backend module
overrides what its library does better, or gets wrong.

It is past 500 lines because it is the whole interface of a storage: every operation stands
here once, in the order of the filesystem's parts.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from remote_store_fsspec import _paths
from remote_store_fsspec._threads import DaemonThreads
from remote_store_fsspec.backends.failures import (
    EXPIRED,
    SENTENCES,
    builtin_error,
    forget_frames,
)
from remote_store_fsspec.backends.loops import CONCURRENCY, gather, hear, on_io_loop
from remote_store_fsspec.backends.target import Retry, Target
from remote_store_fsspec.errors import (
    AccessDeniedError,
    IsDirectoryError,
    ObjectExistsError,
    ObjectNotFoundError,
    RemoteStoreError,
    StoreError,
    StoreTimeoutError,
    StoreUnavailableError,
    UnsupportedOperationError,
)
from remote_store_fsspec.secrets import redact_logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from fsspec import AbstractFileSystem
    from fsspec.callbacks import Callback

__all__ = ["CHUNK", "CONCURRENCY", "Backend", "Info", "Retry", "Target", "gather", "on_io_loop"]

logger = logging.getLogger("remote_store_fsspec.backends")

T = TypeVar("T")
Info = dict[str, Any]
"""``name`` (a key), ``size`` (bytes, 0 for a directory), ``type`` (``file``, ``directory``
or ``other``), and ``mtime`` (POSIX seconds), ``etag``, ``content_type`` where known."""

CHUNK = 2**20
"""Bytes moved by one step of a streamed transfer."""
_SLOWEST = 64 * 2**10
"""Bytes a second below which a transfer counts as stuck."""


class Backend:
    """The file operations of one storage, on keys, for the IO loop of fsspec.

    Every coroutine runs on fsspec's IO loop and is entered through :meth:`perform`, which
    gives it its deadline, its second attempt and its error type.

    Args:
        target: What to open; opened on first use, so constructing needs no network.
        timeout: Seconds that one request may take.
    """

    kind: ClassVar[str] = "fsspec"
    """The name errors use for this storage."""
    atomic_put: ClassVar[bool] = False
    """Whether a reader never sees half of an upload; else a temporary name is used."""
    keeps_directories: ClassVar[bool] = True
    """Whether an empty directory exists; object stores only have those with files in."""
    thread_limit: ClassVar[int] = 16
    """Calls under way at once in a blocking library; 1 where it is not thread-safe."""
    reconnects: ClassVar[bool] = False
    """Whether a lost connection is dead for good, so that a fresh one must be made."""

    def __init__(self, target: Target, *, timeout: float = 60.0) -> None:
        self.target = target
        self.timeout = timeout
        self._pid = os.getpid()
        self._inner: AbstractFileSystem | None = None
        self._opening: asyncio.Task[AbstractFileSystem] | None = None
        self._threads = DaemonThreads(self.thread_limit)
        self._forgotten: list[AbstractFileSystem] = []

    # -- the inner filesystem -------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        """Keywords for the inner library: the user's over this backend's own."""
        return dict(self.target.options)

    def open_inner(self) -> AbstractFileSystem:
        """Construct the inner filesystem; called on a worker thread, may connect."""
        import fsspec

        if self.target.url is not None:
            return fsspec.core.url_to_fs(
                self.target.url, skip_instance_cache=True, **self.target.options
            )[0]
        return fsspec.filesystem(self.target.protocol, skip_instance_cache=True, **self.options())

    async def inner(self) -> AbstractFileSystem:
        """The inner filesystem, opened once per process."""
        self._notice_fork()
        if self._inner is not None:
            return self._inner
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._threads.run(self._load_and_open))
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    def _load_and_open(self) -> AbstractFileSystem:
        import fsspec

        with suppress(ImportError, ValueError):  # open_inner says what is missing
            fsspec.get_filesystem_class(self.target.protocol)
            redact_logs()  # the library's loggers exist only from here on
        inner = self.open_inner()
        redact_logs()  # azure makes another with its client
        return inner

    def _opened(self, task: asyncio.Task[AbstractFileSystem]) -> None:
        hear(task)  # those who waited may have given up before it failed
        if task is not self._opening:
            return
        self._opening = None
        if not task.cancelled() and task.exception() is None:
            self._inner = task.result()

    def _notice_fork(self) -> None:
        if self._pid == os.getpid():
            return
        # The parent's sockets and locks came along; finalising them here would break the
        # parent's connections, so they are kept referenced and never used.
        if self._inner is not None:
            self._forgotten.append(self._inner)
        self._pid = os.getpid()
        self._inner = None
        self._opening = None
        self._threads = DaemonThreads(self.thread_limit)

    async def forget_connection(self) -> None:
        """Let go of the inner filesystem; the next call opens a fresh one."""
        inner, self._inner, self._opening = self._inner, None, None
        self._threads = DaemonThreads(self.thread_limit)
        if inner is not None:
            try:
                await asyncio.wait_for(self.close_inner(inner), 1.0)
            except Exception:
                self._forgotten.append(inner)

    async def close_inner(self, inner: AbstractFileSystem) -> None:
        """Release what the inner filesystem holds; overridden where it holds anything."""

    async def close(self) -> None:
        """Release connections. The backend may be used again: it reconnects."""
        self._notice_fork()
        await self.forget_connection()

    async def invoke(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the inner filesystem, as a coroutine or on a worker thread."""
        inner = await self.inner()
        # A wrapping filesystem (dir, simplecache) calls itself async whatever it wraps.
        if inner.async_impl and getattr(inner, "fs", None) is None:
            return await getattr(inner, "_" + method)(*args, **kwargs)
        return await self._threads.run(lambda: getattr(inner, method)(*args, **kwargs))

    # -- deadline, second attempt, error type ---------------------------------------------

    async def perform(
        self,
        operation: Callable[[], Awaitable[T]],
        *,
        key: str,
        size: int | None = 0,
        gone_is_done: T | None = None,
        once: bool = False,
    ) -> T:
        """Run one operation the way every operation runs.

        Args:
            operation: Makes the coroutine; called again for a second attempt.
            key: What it is about, for the error.
            size: Bytes it moves, which lengthen its deadline; None when it bounds each of
                its own steps with :meth:`step`.
            gone_is_done: What to return when a second attempt finds nothing, because the
                first one took effect before the connection broke.
            once: Never try again, because a second attempt could do harm.

        Raises:
            StoreError: Always one of that tree, chained to what the library raised.
        """
        retry = self.target.retry or _AT_ONCE
        last = 1 if once or not self.reconnects else retry.max_attempts
        loop = asyncio.get_running_loop()
        give_up = loop.time() + retry.timeout if retry.timeout else float("inf")
        for attempt in range(last):
            self._notice_fork()
            used = self._inner
            try:
                if size is None:
                    return await operation()
                return await self.step(operation(), size)
            except Exception as exc:
                error = self.translate(exc, key)
                if attempt and isinstance(error, ObjectNotFoundError) and gone_is_done is not None:
                    return gone_is_done
                broken = isinstance(error, (StoreUnavailableError, StoreTimeoutError))
                if broken and self.reconnects:
                    if used is None or used is self._inner:
                        await self.forget_connection()
                    pause = retry.pause(attempt)
                    again = attempt + 1 < last and loop.time() + pause < give_up
                    if again and isinstance(error, StoreUnavailableError):
                        await asyncio.sleep(pause)
                        continue
                if self.target.options:
                    forget_frames(exc if error is not exc else exc.__cause__)
                if error is exc:
                    raise
                raise error from exc
        raise AssertionError  # pragma: no cover - the loop returns or raises

    async def step(self, awaitable: Awaitable[T], size: int = 0) -> T:
        """Wait for one request, no longer than its deadline.

        A library that is cancelled on a dead connection may clean up for as long as it
        would have worked (asyncssh waits for the answer to a CLOSE), so nobody waits for that.
        """
        task = asyncio.ensure_future(awaitable)
        try:
            await asyncio.wait({task}, timeout=self.timeout + size / _SLOWEST)
        finally:
            if not task.done():
                task.cancel()
            task.add_done_callback(hear)  # who waits may be cancelled as it fails
        if not task.done():
            raise asyncio.TimeoutError
        return task.result()

    def classify(self, exc: BaseException) -> type[StoreError] | None:
        """The error type for one of the library's own exceptions; None when unknown."""
        return None

    def translate(self, exc: BaseException, key: str) -> RemoteStoreError:
        """Any exception as one of ours, with the URL and the next step."""
        if isinstance(exc, RemoteStoreError):
            return exc
        kind = self.classify(exc) or builtin_error(exc)
        url = self.display_url(key)
        if kind is UnsupportedOperationError:
            return kind(f"{self.kind} cannot do that", url=url)
        reason, hint = SENTENCES.get(kind, ("the store could not do that", ""))
        if kind is AccessDeniedError and self.expired(exc):
            reason, hint = EXPIRED
        if kind not in (ObjectNotFoundError, ObjectExistsError):
            reason = f"{reason}: {self.describe(exc)}"
        return kind(reason, url=url, hint=hint)

    def expired(self, exc: BaseException) -> bool:
        """Whether access was refused because the credentials are too old."""
        return False

    def describe(self, exc: BaseException) -> str:
        """What the library called the problem, in words that cannot hold a secret."""
        if isinstance(exc, OSError) and exc.errno and not isinstance(exc, RemoteStoreError):
            return f"{type(exc).__name__} ({os.strerror(exc.errno)})"
        return type(exc).__name__

    # -- names ----------------------------------------------------------------------------

    def path(self, key: str) -> str:
        """The inner path of a key.

        Raises:
            InvalidPathError: This storage cannot hold that name.
        """
        base = self.target.base.rstrip("/")
        if not base and self.target.base:
            return "/" + key
        return _paths.join(base, key)

    def key(self, path: str) -> str | None:
        """The key of an inner path; None when it lies outside the root."""
        return _paths.relative_to(self.target.base, path)

    def display_url(self, key: str) -> str:
        """Where a key is, for people: a URL without secrets."""
        return _paths.join(self.target.display_url.rstrip("/"), key)

    def normalise(self, raw: Mapping[str, Any], key: str) -> Info:
        """The library's description of a file as ours."""
        kind = raw.get("type")
        if kind not in ("file", "directory"):
            mode = raw.get("mode") or 0
            kind = "directory" if mode and stat.S_ISDIR(mode) else "other"
        info: Info = {
            "name": key,
            "size": int(raw.get("size") or 0) if kind == "file" else 0,
            "type": kind,
        }
        for ours, theirs in _OPTIONAL_INFO.items():
            value = next((raw[name] for name in theirs if raw.get(name)), None)
            if value is not None:
                info[ours] = _seconds(value) if ours == "mtime" else value
        return info

    # -- reading --------------------------------------------------------------------------

    async def info(self, key: str) -> Info:
        """Describe one file or directory."""
        return self.normalise(await self.invoke("info", self.path(key)), key)

    async def ls(self, key: str, prefix: str = "") -> list[Info]:
        """Describe what lies directly in a directory, hidden temporary files left out.

        Args:
            key: The directory.
            prefix: Only names that start with it.
        """
        entries = await self.invoke("ls", self.path(key), detail=True)
        return self.entries(entries, key, prefix)

    def entries(self, raw: Iterable[Mapping[str, Any]], key: str, prefix: str = "") -> list[Info]:
        """A library's listing of a directory as ours."""
        found = {}
        for entry in raw:
            child = self.key(entry["name"])
            if not child or child == key or _paths.parent(child) != key:
                continue
            last = _paths.name(child)
            if last.startswith(prefix) and not _paths.is_temporary(last):
                found[child] = self.normalise(entry, child)
        return list(found.values())

    async def find(self, key: str, prefix: str = "") -> dict[str, Info]:
        """Describe every file below a directory, at any depth, and its directories.

        Args:
            key: The directory.
            prefix: Only what is in entries of ``key`` whose names start with it.
        """
        found: dict[str, Info] = {}
        level = [(key, prefix)]
        while level:
            listings = await gather([self._ls_or_nothing(k, p) for k, p in level])
            entries = [entry for listing in listings for entry in listing]
            found.update((entry["name"], entry) for entry in entries)
            level = [(e["name"], "") for e in entries if e["type"] == "directory"]
        return found

    async def _ls_or_nothing(self, key: str, prefix: str) -> list[Info]:
        try:
            return await self.ls(key, prefix)
        except FileNotFoundError:
            return []  # removed while the walk was under way

    async def read(self, key: str, start: int | None, end: int | None) -> bytes:
        """``data[start:end]`` of a file, moving no other bytes where the protocol can."""
        path = self.path(key)
        info = await self.step(self.info(key))
        if info["type"] == "directory":
            raise IsDirectoryError("it is a directory", url=self.display_url(key))
        if not start and end is None:
            # The size only sets the deadline: a writer may have replaced the file since.
            whole: bytes = await self.step(self.invoke("cat_file", path), info["size"])
            return whole
        low, high = _paths.range_of(info["size"], start, end)
        if low == high:
            return b""
        data: bytes = await self.step(
            self.invoke("cat_file", path, start=low, end=high), high - low
        )
        if len(data) == info["size"] != high - low:
            data = data[low:high]  # the library ignored the bounds, as sshfs does
        if len(data) != high - low:
            raise StoreUnavailableError(
                f"{len(data)} of {high - low} bytes arrived", url=self.display_url(key)
            )
        return data

    async def download(self, key: str, lpath: str, callback: Callback) -> None:
        """Copy a file to a local path that nobody else looks at, in bounded memory."""
        size = (await self.step(self.info(key)))["size"]
        await self.step(self.invoke("get_file", self.path(key), lpath, callback=callback), size)
        if not callback.value:
            callback.set_size(size)
            callback.absolute_update(size)

    # -- writing --------------------------------------------------------------------------

    async def write(
        self, key: str, data: bytes, *, create: bool, options: Mapping[str, Any]
    ) -> None:
        """Put bytes under a key, whole or not at all.

        Args:
            key: The file.
            data: Its new content.
            create: Refuse when something is there already.
            options: Extra keywords of the inner library for this object.
        """
        await self._replace(
            key,
            create,
            lambda path: self.invoke("pipe_file", path, data, **self.write_options(options)),
        )

    async def upload(
        self,
        key: str,
        lpath: str,
        *,
        create: bool,
        options: Mapping[str, Any],
        callback: Callback,
    ) -> None:
        """Copy a local file to a key, whole or not at all, in bounded memory."""
        await self._replace(
            key,
            create,
            lambda path: self.invoke(
                "put_file", lpath, path, callback=callback, **self.write_options(options)
            ),
        )
        if callback.size and callback.value < callback.size:
            callback.absolute_update(callback.size)  # not every library reports progress

    def write_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What the inner library takes of a user's ``write_options``.

        ``content_type`` is a hint that a storage without such a notion leaves out.
        """
        return {name: value for name, value in options.items() if name != "content_type"}

    async def _replace(self, key: str, create: bool, put: Callable[[str], Awaitable[None]]) -> None:
        """Write under a temporary name, then rename: readers see the old or the new."""
        temporary = _paths.temporary_sibling(key)
        try:
            try:
                await put(self.path(temporary))
            except FileNotFoundError:
                await self.makedirs(_paths.parent(key))
                await put(self.path(temporary))
            await self.publish(temporary, key, create=create)
        except BaseException:
            await asyncio.shield(self._discard(temporary))
            raise

    async def publish(self, temporary: str, key: str, *, create: bool) -> None:
        """Give a finished temporary file its name."""
        if create and await self.exists(key):
            raise ObjectExistsError("it exists already", url=self.display_url(key))
        await self.rename(temporary, key)

    async def exists(self, key: str) -> bool:
        """Whether something is there; anything but an answer raises."""
        try:
            await self.info(key)
        except Exception as exc:
            if isinstance(self.translate(exc, key), ObjectNotFoundError):
                return False
            raise
        return True

    async def rename(self, source: str, target: str) -> None:
        """Move a file over another, in one step where the protocol can."""
        await self.invoke("mv", self.path(source), self.path(target))

    async def _discard(self, key: str) -> None:
        # It may never have been there, or the store is away: listings hide it either way.
        with suppress(Exception):
            await self.step(self.invoke("rm_file", self.path(key)))

    async def copy(self, source: str, target: str) -> None:
        """Copy a file inside the store."""
        path = self.path(source)
        info = await self.info(source)
        if info["type"] == "directory":
            raise IsDirectoryError("it is a directory", url=self.display_url(source))
        await self._replace(target, create=False, put=lambda to: self.invoke("cp_file", path, to))

    async def move(self, source: str, target: str) -> None:
        """Move a file inside the store."""
        await self.info(source)
        try:
            await self.rename(source, target)
        except FileNotFoundError:
            await self.makedirs(_paths.parent(target))
            await self.rename(source, target)

    # -- deleting and directories ---------------------------------------------------------

    async def delete(self, key: str) -> None:
        """Delete one file of exactly that name."""
        path = self.path(key)
        if (await self.info(key))["type"] == "directory":
            raise IsDirectoryError("it is a directory", url=self.display_url(key))
        await self.invoke("rm_file", path)

    async def delete_many(self, keys: Sequence[str], *, missing_ok: bool) -> list[str]:
        """Delete files of exactly those names, all of them even when some are missing.

        Returns:
            The keys that were not there, when ``missing_ok`` is false.
        """
        outcomes = await gather([self._delete_or_miss(key) for key in keys])
        return [] if missing_ok else [key for key, gone in zip(keys, outcomes, strict=True) if gone]

    async def _delete_or_miss(self, key: str) -> bool:
        try:
            await self.step(self.delete(key))
        except Exception as exc:
            if isinstance(self.translate(exc, key), ObjectNotFoundError):
                return True
            raise
        return False

    async def delete_tree(self, key: str) -> None:
        """Delete a directory and all that is in it; the root is emptied, not removed."""
        below = await self.find(key)
        files = [info["name"] for info in below.values() if info["type"] != "directory"]
        await self.delete_many(files, missing_ok=True)
        if not self.keeps_directories:
            return
        folders = [info["name"] for info in below.values() if info["type"] == "directory"]
        for folder in sorted([*folders, *([key] if key else [])], key=len, reverse=True):
            try:
                await self.step(self.rmdir(folder))
            except FileNotFoundError:
                continue

    async def makedirs(self, key: str) -> None:
        """Make a directory and those above it; none of them need be new."""
        await self.invoke("makedirs", self.path(key), exist_ok=True)

    async def rmdir(self, key: str) -> None:
        """Remove an empty directory."""
        await self.invoke("rmdir", self.path(key))

    def sign_kwargs(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Keywords of the library's ``sign`` for ours (``content_type``, ``filename``)."""
        return dict(options)

    async def sign(self, key: str, expiration: int, options: Mapping[str, Any]) -> str:
        """A URL that gives whoever holds it the file for ``expiration`` seconds."""
        raise UnsupportedOperationError(
            f"{self.kind} storage cannot make signed URLs", url=self.display_url(key)
        )


_AT_ONCE = Retry(max_attempts=2, backoff_base=0.0, jitter=0.0)

_OPTIONAL_INFO: Mapping[str, tuple[str, ...]] = {
    "mtime": ("mtime", "LastModified", "last_modified", "modified", "updated", "created"),
    "etag": ("ETag", "etag"),
    "content_type": ("ContentType", "content_type", "contentType"),
}


def _seconds(value: Any) -> float:
    """A library's modification time as POSIX seconds."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value.replace("Z", "+00:00"))
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
    return float(value)
