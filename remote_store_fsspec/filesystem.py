"""The one filesystem: every storage behind the same contract, confined to a root.

:class:`RemoteStoreFileSystem` turns a path into a key, asks the backend, and returns what
fsspec defines. What one storage's library gets wrong is mended in its module of
:mod:`remote_store_fsspec.backends`, never here.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timezone
from glob import has_magic
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from fsspec.asyn import AsyncFileSystem, get_loop, sync_wrapper
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.utils import isfilelike, other_paths, stringify_path

from remote_store_fsspec import _paths
from remote_store_fsspec._files import ReadFile, TextFile, WriteFile
from remote_store_fsspec.backends import open_backend
from remote_store_fsspec.backends.base import CONCURRENCY, gather, on_io_loop
from remote_store_fsspec.errors import (
    ConfigError,
    IsDirectoryError,
    NotDirectoryError,
    ObjectExistsError,
    ObjectNotFoundError,
    UnsupportedOperationError,
)
from remote_store_fsspec.location import Location, resolve_location

if TYPE_CHECKING:
    from fsspec.callbacks import Callback

    from remote_store_fsspec.backends.base import Backend, Info

__all__ = ["RemoteStoreFileSystem"]

T = TypeVar("T")
_DEFAULT_TIMEOUT = 60.0


class RemoteStoreFileSystem(AsyncFileSystem):  # type: ignore[misc]  # fsspec has no annotations
    """Any storage as an fsspec filesystem that keeps one contract.

    Paths are relative to the root: ``"run/step.out"``. A leading slash is tolerated, names
    come back without one, and ``*``, ``?``, ``[`` or ``%`` in a path are data (``glob`` and
    ``expand_path`` excepted). Instances are shared per configuration and process, work from
    any number of threads, after a fork and under a running event loop.

    Args:
        store: Name of a store in the stores file, as ``remote-store://name/...`` has it.
        backend_type: ``local``, ``memory``, ``s3``, ``azure`` or ``sftp``.
        backend_options: That backend's options by remote-store's names.
        url: Instead of a backend type: any URL that fsspec opens, chained ones too.
        storage_options: The inner library's keywords for ``url``.
        root_path: Where the root lies, below the bucket, the base path or the URL's path.
        config: Path of the stores file, where ``store`` is given.
        timeout: Seconds that one request may take; a transfer gets more with its size.
        asynchronous: Whether the caller awaits the ``_``-methods on its own event loop.
        loop: Accepted as fsspec passes it; requests always run on fsspec's IO loop.
        batch_size: Requests of one bulk call under way at once; 16 unless given.
        use_listings_cache: Must stay false: a cache would hide what others wrote.

    Raises:
        ConfigError: A field, option or value is wrong, or not exactly one of ``store``,
            ``backend_type`` and ``url`` is given.
        MissingExtraError: The storage's library is not installed.
    """

    protocol = _paths.PROTOCOL
    cachable = True

    def __init__(
        self,
        store: str | None = None,
        *,
        backend_type: str | None = None,
        backend_options: Mapping[str, Any] | None = None,
        url: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        root_path: str = "",
        config: str | None = None,
        timeout: float = _DEFAULT_TIMEOUT,
        asynchronous: bool = False,
        loop: Any = None,
        batch_size: int | None = None,
        use_listings_cache: bool = False,
        **unknown: Any,
    ) -> None:
        if getattr(self, "_cached", False):
            return
        if unknown:
            _refuse_unknown(unknown)
        if use_listings_cache:
            raise ConfigError(
                "use_listings_cache: a listing cache would hide what other processes write; "
                "leave it out",
                field="use_listings_cache",
            )
        super().__init__(asynchronous=asynchronous, loop=loop, batch_size=batch_size)
        self.store = store
        self.location: Location = resolve_location(
            backend_type=backend_type,
            backend_options=backend_options,
            url=f"{_paths.PROTOCOL}://{store}" if store else url,
            storage_options=storage_options,
            root_path=root_path,
            **({"config": config} if config else {}),
        )
        if not timeout > 0:
            raise ConfigError(f"timeout must be over 0 seconds, not {timeout}", field="timeout")
        self.timeout = float(timeout)
        self._backend: Backend = open_backend(self.location.target(), timeout=self.timeout)

    # -- identity -------------------------------------------------------------------------

    @property
    def loop(self) -> Any:
        """fsspec's IO loop of this process, also after a fork; None when asynchronous."""
        return None if self.asynchronous else get_loop()

    @property
    def fsid(self) -> str:
        """Where this filesystem is: the root's URL without secrets."""
        return self.location.display_url

    @property
    def storage_options(self) -> dict[str, Any]:
        """The keywords it was made with, secrets masked."""
        described: dict[str, Any] = self.location.describe()
        return described

    @storage_options.setter
    def storage_options(self, value: Mapping[str, Any]) -> None:
        # fsspec sets the plain keywords on each new instance; only a pickle needs them.
        self._keywords = dict(value)

    @property
    def storage_args(self) -> tuple[Any, ...]:
        """Empty: everything is in :attr:`storage_options`."""
        return ()

    @storage_args.setter
    def storage_args(self, value: tuple[Any, ...]) -> None:
        self._arguments = tuple(value)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._arguments, self._keywords)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location.display_url!r})"

    __str__ = __repr__

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return _paths.to_key(stringify_path(path))

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        store, _ = _paths.split_url(path)
        return {"store": store} if store else {}

    def unstrip_protocol(self, name: str) -> str:
        """``remote-store://store/key`` for a path of this filesystem."""
        return f"{_paths.PROTOCOL}://{self.store or ''}/{self._strip_protocol(name)}"

    def display_url(self, path: str = "") -> str:
        """Where a path is, for people: the inner storage's URL without secrets."""
        return self._backend.display_url(self._strip_protocol(path))

    def invalidate_cache(self, path: str | None = None) -> None:
        """Nothing: no listing is ever cached."""

    async def _close(self) -> None:
        await on_io_loop(self._backend.close())

    def close(self) -> None:
        """Release the connections; the filesystem reconnects when it is used again."""
        if get_loop().is_running():
            sync_wrapper(type(self)._close)(self)

    async def _do(
        self,
        operation: Callable[[], Awaitable[T]],
        key: str,
        size: int | None = 0,
        *,
        gone_is_done: T | None = None,
        once: bool = False,
    ) -> T:
        return await on_io_loop(
            self._backend.perform(
                operation, key=key, size=size, gone_is_done=gone_is_done, once=once
            )
        )

    # -- looking --------------------------------------------------------------------------

    async def _info(self, path: str, **kwargs: Any) -> Info:
        _refuse(kwargs, "info")
        key = self._strip_protocol(path)
        if not key:
            return {"name": "", "size": 0, "type": "directory"}
        return await self._do(lambda: self._backend.info(key), key)

    async def _exists(self, path: str, **kwargs: Any) -> bool:
        try:
            await self._info(path, **kwargs)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    async def _isfile(self, path: str) -> bool:
        return await self._type(path) == "file"

    async def _isdir(self, path: str) -> bool:
        return await self._type(path) == "directory"

    async def _type(self, path: str) -> str | None:
        try:
            return str((await self._info(path))["type"])
        except (FileNotFoundError, NotADirectoryError):
            return None

    async def _ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        kwargs.pop("refresh", None)  # every listing is fresh
        _refuse(kwargs, "ls")
        key = self._strip_protocol(path)
        entries = await self._listing(key)
        entries.sort(key=lambda entry: str(entry["name"]))
        return entries if detail else [entry["name"] for entry in entries]

    async def _listing(self, key: str) -> list[Info]:
        try:
            entries = await self._do(lambda: self._backend.ls(key), key, None)
        except NotDirectoryError:
            return [await self._info(key)]
        except ObjectNotFoundError:
            if not key:
                return []  # a root that nobody wrote to yet
            info = await self._info(key)  # raises when there is no file either
            return [info]
        if not entries and key:
            info = await self._info(key)
            return [info] if info["type"] == "file" else []
        return entries

    async def _walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,
        on_error: str | Callable[[OSError], Any] = "omit",
        **kwargs: Any,
    ) -> AsyncIterator[tuple[str, Any, Any]]:
        # fsspec's own "omit" hides a refused credential as an empty folder; here it hides
        # only what is not there.
        failures: list[OSError] = []

        def note(exc: OSError) -> None:
            if callable(on_error):
                on_error(exc)
            elif not isinstance(exc, FileNotFoundError):
                failures.append(exc)

        handler: Any = "raise" if on_error == "raise" else note
        async for step in super()._walk(
            path, maxdepth=maxdepth, topdown=topdown, on_error=handler, **kwargs
        ):
            if failures:
                raise failures[0]
            yield step
        if failures:
            raise failures[0]

    async def _find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        *,
        detail: bool = False,
        prefix: str = "",
        **kwargs: Any,
    ) -> Any:
        _refuse(kwargs, "find")
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        key = self._strip_protocol(path)
        if "/" in prefix:
            raise ValueError("prefix is the start of a name and cannot hold '/'")
        found = await self._found(key, maxdepth, prefix)
        if not found and key and not prefix:
            info = await self._info_or_none(key)
            if info is not None and info["type"] == "file":
                found = {key: info}
        if withdirs and not prefix and key not in found:
            info = await self._info_or_none(key)
            if info is not None and key:
                found[key] = info
        wanted = {
            name: info
            for name, info in sorted(found.items())
            if withdirs or info["type"] != "directory"
        }
        return wanted if detail else list(wanted)

    async def _found(self, key: str, maxdepth: int | None, prefix: str) -> dict[str, Info]:
        """What is below a directory; nothing when it is missing or a file."""
        try:
            if maxdepth == 1:
                entries = await self._do(lambda: self._backend.ls(key, prefix), key, None)
                return {entry["name"]: entry for entry in entries}
            found = await self._do(lambda: self._backend.find(key, prefix), key, None)
        except (ObjectNotFoundError, NotDirectoryError):
            return {}
        if maxdepth is None:
            return found
        depth = key.count("/") + maxdepth - (0 if key else 1)
        return {name: info for name, info in found.items() if name.count("/") <= depth}

    async def _info_or_none(self, key: str) -> Info | None:
        try:
            return await self._info(key)
        except (FileNotFoundError, NotADirectoryError):
            return None

    async def _du(
        self,
        path: str,
        total: bool = True,
        maxdepth: int | None = None,
        withdirs: bool = False,
        **kwargs: Any,
    ) -> Any:
        found = await self._find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **kwargs)
        sizes = {name: info["size"] for name, info in found.items()}
        return sum(sizes.values()) if total else sizes

    async def _modified(self, path: str) -> datetime:
        info = await self._info(path)
        if "mtime" not in info:
            raise UnsupportedOperationError(
                f"{self._backend.kind} storage keeps no modification time here",
                url=self.display_url(path),
            )
        return datetime.fromtimestamp(info["mtime"], tz=timezone.utc)

    modified = sync_wrapper(_modified)

    def created(self, path: str) -> datetime:
        """When the file was last written: most stores keep no other time."""
        moment: datetime = self.modified(path)
        return moment

    def sign(self, path: str, expiration: int = 100, **kwargs: Any) -> str:
        """A URL that gives whoever holds it the file, for ``expiration`` seconds.

        Args:
            path: The file; whether it exists is not checked.
            expiration: Seconds until the URL stops working.
            **kwargs: ``content_type`` and ``filename`` of the response.

        Raises:
            UnsupportedOperationError: The storage has no signed URLs, or the credential
                in use cannot sign.
        """
        url: str = sync_wrapper(type(self)._sign)(self, path, expiration, **kwargs)
        return url

    async def _sign(self, path: str, expiration: int = 100, **kwargs: Any) -> str:
        unknown = set(kwargs) - {"content_type", "filename"}
        if unknown:
            raise TypeError(f"sign takes content_type and filename, not {sorted(unknown)}")
        key = self._strip_protocol(path)
        return await self._do(lambda: self._backend.sign(key, int(expiration), kwargs), key)

    # -- reading --------------------------------------------------------------------------

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        _refuse(kwargs, "cat_file")
        key = self._file_key(path)
        return await self._do(lambda: self._backend.read(key, start, end), key, None)

    async def _cat(
        self,
        path: Any,
        recursive: bool = False,
        on_error: str = "raise",
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Contents of one path as bytes, of a list or a folder as a dict by path."""
        if on_error not in ("raise", "omit", "return"):
            raise ValueError(f"on_error is 'raise', 'omit' or 'return', not {on_error!r}")
        single = not isinstance(path, (list, tuple)) and not recursive
        keys = [self._strip_protocol(one) for one in _listed(path)]
        if recursive:
            trees = [await self._find(key) for key in keys]
            keys = list(dict.fromkeys(name for tree in trees for name in tree))
            if not keys:
                raise ObjectNotFoundError("no such file or directory", url=self.display_url(path))

        async def read(key: str) -> bytes | Exception:
            try:
                return await self._cat_file(key, **kwargs)
            except Exception as exc:
                if on_error == "raise":
                    raise
                return exc

        contents = await gather([read(key) for key in keys], self._batch(batch_size))
        if single:
            return contents[0] if on_error != "omit" or isinstance(contents[0], bytes) else {}
        return {
            key: content
            for key, content in zip(keys, contents, strict=True)
            if on_error != "omit" or isinstance(content, bytes)
        }

    async def _get_file(
        self,
        rpath: str,
        lpath: Any,
        callback: Callback = DEFAULT_CALLBACK,
        outfile: Any = None,
        **kwargs: Any,
    ) -> None:
        """Copy a file here; the local name appears when the copy is whole."""
        _refuse(kwargs, "get_file")
        key = self._strip_protocol(rpath)
        stream = outfile if outfile is not None else (lpath if isfilelike(lpath) else None)
        if stream is not None:
            await self._read_into(key, stream, callback)
            return
        lpath = os.fspath(lpath)
        if not key or await self._isdir(key):
            os.makedirs(lpath, exist_ok=True)  # noqa: PTH103 - fsspec's paths are strings
            return
        folder = os.path.dirname(lpath) or "."  # noqa: PTH120
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        handle, partial = tempfile.mkstemp(prefix=".rsfs-", suffix=".tmp", dir=folder)
        os.close(handle)
        try:
            await self._do(lambda: self._backend.download(key, partial, callback), key, None)
            os.chmod(partial, 0o666 & ~_umask())  # noqa: PTH101
            os.replace(partial, lpath)  # noqa: PTH105
        except BaseException:
            os.unlink(partial)  # noqa: PTH108
            raise

    async def _read_into(self, key: str, stream: Any, callback: Callback) -> None:
        with tempfile.TemporaryDirectory(prefix="remote-store-fsspec-") as folder:
            partial = os.path.join(folder, "copy")  # noqa: PTH118
            await self._do(lambda: self._backend.download(key, partial, callback), key, None)
            with open(partial, "rb") as copy:  # noqa: ASYNC230, PTH123
                while chunk := copy.read(2**20):
                    stream.write(chunk)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        autocommit: bool = True,
        cache_options: Mapping[str, Any] | None = None,
        cache_type: str = "readahead",
        write_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        _refuse(kwargs, "open")
        key = self._file_key(path)
        if mode == "rb":
            if self.isdir(key):
                raise IsDirectoryError("it is a directory", url=self.display_url(key))
            return ReadFile(
                self,
                key,
                mode,
                block_size or "default",
                cache_type=cache_type,
                cache_options=dict(cache_options or {}),
            )
        if mode in ("wb", "xb"):
            if mode == "xb" and self.exists(key):
                raise ObjectExistsError("it exists already", url=self.display_url(key))
            return WriteFile(
                self,
                key,
                create=mode == "xb",
                autocommit=autocommit,
                write_options=write_options,
            )
        raise UnsupportedOperationError(
            f"mode {mode!r}: files are read ('rb') or written whole ('wb', 'xb')",
            url=self.display_url(key),
            hint="append by writing another file, or by reading and writing the whole",
        )

    def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        """Open a file as :func:`open` does; modes ``r``, ``w`` and ``x``, text or binary.

        Written bytes are stored on close, whole; leaving the ``with`` block by an exception
        stores nothing.
        """
        if "b" in mode or mode.startswith("r") or kwargs.get("compression"):
            return super().open(path, mode, **kwargs)
        text = {name: kwargs.pop(name) for name in ("encoding", "errors", "newline") if name in kwargs}
        return TextFile(super().open(path, mode.replace("t", "") + "b", **kwargs), **text)

    # -- writing --------------------------------------------------------------------------

    async def _pipe_file(
        self,
        path: str,
        value: bytes,
        mode: str = "overwrite",
        write_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        _refuse(kwargs, "pipe_file")
        key, create = self._file_key(path), _creates(mode)
        data = bytes(value)
        await self._do(
            lambda: self._backend.write(key, data, create=create, options=write_options or {}),
            key,
            len(data),
            once=create,
        )

    async def _pipe(
        self, path: Any, value: bytes | None = None, batch_size: int | None = None, **kwargs: Any
    ) -> None:
        if isinstance(path, str):
            path = {path: value}
        await gather(
            [self._pipe_file(one, data, **kwargs) for one, data in path.items()],
            self._batch(batch_size),
        )

    async def _put_file(
        self,
        lpath: str,
        rpath: str,
        callback: Callback = DEFAULT_CALLBACK,
        mode: str = "overwrite",
        write_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Copy a local file to the store, in bounded memory; it appears when it is whole."""
        _refuse(kwargs, "put_file")
        if os.path.isdir(lpath):  # noqa: PTH112
            await self._makedirs(rpath, exist_ok=True)
            return
        key, create = self._file_key(rpath), _creates(mode)
        size = os.path.getsize(lpath)  # noqa: PTH202
        callback.set_size(size)
        await self._do(
            lambda: self._backend.upload(
                key, lpath, create=create, options=write_options or {}, callback=callback
            ),
            key,
            size,
            once=create,
        )

    async def _touch(self, path: str, truncate: bool = True, **kwargs: Any) -> None:
        _refuse(kwargs, "touch")
        if truncate or not await self._exists(path):
            await self._pipe_file(path, b"")
        else:
            raise UnsupportedOperationError(
                "touch(truncate=False) cannot change the time of an existing file",
                url=self.display_url(path),
            )

    touch = sync_wrapper(_touch)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        key = self._strip_protocol(path)
        kind = await self._type(key) if key else "directory"
        if kind is not None and (kind != "directory" or not exist_ok):
            raise ObjectExistsError("it exists already", url=self.display_url(key))
        await self._do(lambda: self._backend.makedirs(key), key)

    async def _mkdir(self, path: str, create_parents: bool = True, **kwargs: Any) -> None:
        _refuse(kwargs, "mkdir")
        key = self._strip_protocol(path)
        above = _paths.parent(key)
        if not create_parents and above and not await self._isdir(above):
            raise ObjectNotFoundError("no such directory", url=self.display_url(above))
        await self._makedirs(key)

    # -- copying and moving ---------------------------------------------------------------

    async def _cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        _refuse(kwargs, "cp_file")
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        info = await self._info(source)
        if info["type"] == "directory":
            await self._makedirs(target, exist_ok=True)
            return
        if source != self._file_key(target):
            await self._do(
                lambda: self._backend.copy(source, target), source, int(info["size"])
            )

    async def _mv_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        _refuse(kwargs, "mv_file")
        source, target = self._file_key(path1), self._file_key(path2)
        info = await self._info(source)
        if info["type"] == "directory":
            raise IsDirectoryError("it is a directory", url=self.display_url(source))
        if source != target:
            await self._do(
                lambda: self._backend.move(source, target),
                source,
                int(info["size"]),
                once=True,
            )

    mv_file = sync_wrapper(_mv_file)

    async def _copy(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        on_error: str | None = None,
        maxdepth: int | None = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        if on_error not in (None, "raise", "ignore"):
            raise ValueError(f"on_error is 'raise' or 'ignore', not {on_error!r}")
        sources = await self._sources(path1, recursive, maxdepth)
        if not isinstance(path2, (list, tuple)):
            path2 = stringify_path(path2)
            inside = path2.endswith("/") or await self._isdir(path2)
            target = self._strip_protocol(path2)
            path2 = _paths.destinations(sources, target, _placement(path1, sources, inside))
        if sources:
            # fsspec's own arithmetic misplaces names that have no directory above them,
            # so both sides reach it as lists.
            await super()._copy(
                sources,
                list(path2),
                on_error=on_error or ("ignore" if recursive else "raise"),
                batch_size=self._batch(batch_size),
                **kwargs,
            )

    async def _sources(self, path: Any, recursive: bool, maxdepth: int | None) -> list[str]:
        """The keys that one bulk call starts from.

        A string with ``*``, ``?`` or ``[`` is a glob only when nothing has that very name.
        """
        if isinstance(path, (list, tuple)):
            keys = [self._strip_protocol(one) for one in path]
            return await self._expand_literally(keys, maxdepth) if recursive else keys
        path = stringify_path(path)
        if has_magic(path) and await self._type(path) is None:
            sources = await self._expand_path(path, recursive=recursive, maxdepth=maxdepth)
        elif recursive:
            sources = await self._expand_literally([self._strip_protocol(path)], maxdepth)
        else:
            sources = [self._strip_protocol(path)]
        if recursive and maxdepth is None:
            return list(sources)
        return [source for source in sources if not await self._isdir(source)]

    async def _expand_literally(self, keys: list[str], maxdepth: int | None) -> list[str]:
        found = {}
        for key in keys:
            below = await self._find(key, maxdepth=maxdepth, withdirs=True)
            if not below and not await self._exists(key):
                raise ObjectNotFoundError("no such file or directory", url=self.display_url(key))
            found.update(dict.fromkeys([key, *below]))
        return sorted(found)

    async def _get(
        self,
        rpath: Any,
        lpath: Any,
        recursive: bool = False,
        callback: Callback = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> Any:
        sources = await self._sources(rpath, recursive, maxdepth)
        if not isinstance(lpath, (list, tuple)):
            lpath = os.fspath(lpath)
            inside = lpath.endswith("/") or os.path.isdir(lpath)  # noqa: PTH112
            # No element of a key can be "..", so no copy lands outside lpath.
            lpath = _paths.destinations(sources, lpath, _placement(rpath, sources, inside))
        kwargs["batch_size"] = self._batch(kwargs.get("batch_size"))
        return await super()._get(sources, list(lpath), callback=callback, **kwargs)

    async def _put(
        self,
        lpath: Any,
        rpath: Any,
        recursive: bool = False,
        callback: Callback = DEFAULT_CALLBACK,
        batch_size: int | None = None,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> Any:
        if isinstance(lpath, str) and has_magic(lpath) and os.path.isfile(lpath):  # noqa: PTH113
            if isinstance(rpath, str) and (rpath.endswith("/") or await self._isdir(rpath)):
                rpath = other_paths([lpath], rpath, exists=True)[0]
            lpath, rpath = [lpath], _listed(rpath)
        return await super()._put(
            lpath,
            rpath,
            recursive=recursive,
            callback=callback,
            batch_size=self._batch(batch_size),
            maxdepth=maxdepth,
            **kwargs,
        )

    def mv(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Move files; a single file moves in one step where the store can."""
        _refuse(kwargs, "mv")
        if isinstance(path1, str) and isinstance(path2, str) and self.isfile(path1):
            if path2.endswith("/") or self.isdir(path2):
                path2 = _paths.join(path2.rstrip("/"), _paths.name(self._strip_protocol(path1)))
            self.mv_file(path1, path2)
            return
        super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth)

    # -- deleting -------------------------------------------------------------------------

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        """Delete one file of exactly that name."""
        _refuse(kwargs, "rm_file")
        key = self._file_key(path)

        async def delete() -> bool:
            await self._backend.delete(key)
            return True

        await self._do(delete, key, gone_is_done=True)

    async def _rm(
        self,
        path: Any,
        recursive: bool = False,
        batch_size: int | None = None,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Delete files of exactly those names, or with ``recursive`` whole folders.

        All that can be deleted is, before a missing name raises.
        """
        _refuse(kwargs, "rm")
        keys = [self._strip_protocol(one) for one in _listed(path)]
        if not recursive:
            if len(keys) == 1:
                await self._rm_file(keys[0])
            else:
                await self._rm_files(keys)
            return
        missing = [key for key in keys if not await self._rm_tree(key, maxdepth)]
        self._complain_of(missing)

    async def _rm_tree(self, key: str, maxdepth: int | None) -> bool:
        kind = await self._type(key)
        if kind is None:
            return False
        if kind != "directory":
            await self._rm_file(key)
        elif maxdepth is not None:
            await self._rm_files(await self._find(key, maxdepth=maxdepth), missing_ok=True)
        else:
            await self._do(lambda: self._backend.delete_tree(key), key, None)
        return True

    async def _rm_files(self, paths: Iterable[str], missing_ok: bool = False) -> None:
        keys = list(dict.fromkeys(self._file_key(path) for path in paths))
        if not keys:
            return
        missing = await self._do(
            lambda: self._backend.delete_many(keys, missing_ok=missing_ok),
            _paths.parent(keys[0]),
            None,
            gone_is_done=[],
        )
        self._complain_of(missing)

    def rm_files(self, paths: Iterable[str], missing_ok: bool = False) -> None:
        """Delete files of exactly those names in as few requests as the store allows.

        Args:
            paths: The files.
            missing_ok: Do not look whether they are there; the cheaper way.

        Raises:
            ObjectNotFoundError: Some were missing; the others are deleted.
        """
        sync_wrapper(type(self)._rm_files)(self, paths, missing_ok)

    def _complain_of(self, missing: list[str]) -> None:
        if missing:
            others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ObjectNotFoundError(
                f"no such file or directory{others}", url=self.display_url(missing[0])
            )

    async def _rmdir(self, path: str) -> None:
        key = self._strip_protocol(path)
        if await self._listing(key):
            if not await self._isdir(key):
                raise NotDirectoryError("it is not a directory", url=self.display_url(key))
            await self._do(lambda: self._backend.rmdir(key), key)
            return
        if self._backend.keeps_directories and key:
            await self._do(lambda: self._backend.rmdir(key), key)

    rmdir = sync_wrapper(_rmdir)

    # -- helpers --------------------------------------------------------------------------

    def _file_key(self, path: str) -> str:
        key: str = self._strip_protocol(path)
        if not key:
            raise IsDirectoryError("the root is a directory", url=self.location.display_url)
        return key

    def _batch(self, batch_size: int | None) -> int:
        return batch_size or self.batch_size or CONCURRENCY


def _placement(source: Any, sources: list[str], target_is_folder: bool) -> _paths.Placement:
    """How fsspec's copying rules lay the sources out below the target."""
    if isinstance(source, (list, tuple)):
        return "flat"
    source = stringify_path(source)
    if has_magic(source) and sources != [_paths.to_key(source)]:
        return "inside" if len(sources) == 1 else "as"
    return "inside" if target_is_folder and not source.endswith("/") else "as"


def _listed(path: Any) -> list[Any]:
    return list(path) if isinstance(path, (list, tuple, set)) else [path]


def _creates(mode: str) -> bool:
    if mode not in ("create", "overwrite"):
        raise ValueError(f"mode is 'create' or 'overwrite', not {mode!r}")
    return mode == "create"


def _refuse(unknown: Mapping[str, Any], method: str) -> None:
    if unknown:
        raise TypeError(f"{method}() does not take {', '.join(sorted(unknown))}")


def _refuse_unknown(unknown: Mapping[str, Any]) -> NoReturn:
    names = ", ".join(sorted(unknown))
    raise ConfigError(
        f"unknown keyword {names}: options of the storage go into backend_options or "
        "storage_options",
        field=sorted(unknown)[0],
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _rebuild(
    cls: type[RemoteStoreFileSystem], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> RemoteStoreFileSystem:
    return cls(*args, **kwargs)
