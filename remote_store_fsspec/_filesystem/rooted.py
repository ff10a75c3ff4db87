"""What identifies a filesystem: its configuration, its root, its backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from fsspec.asyn import AsyncFileSystem, get_loop
from fsspec.utils import stringify_path

from remote_store_fsspec import _paths
from remote_store_fsspec._filesystem.blocking import inherited_coroutines, mirror, run
from remote_store_fsspec.backends import open_backend
from remote_store_fsspec.backends.base import CONCURRENCY, on_io_loop
from remote_store_fsspec.errors import ConfigError, IsDirectoryError
from remote_store_fsspec.location import Location, resolve_location
from remote_store_fsspec.secrets import mask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from remote_store_fsspec.backends.base import Backend

__all__ = ["RootedFileSystem", "listed", "refuse"]

T = TypeVar("T")
_DEFAULT_TIMEOUT = 60.0


class RootedFileSystem(AsyncFileSystem):
    """Paths confined to a root, and the way each operation reaches the backend."""

    protocol = _paths.PROTOCOL
    cachable = True
    mirror_sync_methods = False  # ours keep the error's type and text

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, method in mirror(dict(vars(cls))).items():
            setattr(cls, name, method)

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

    @property
    def loop(self) -> Any:
        """Fsspec's IO loop of this process, also after a fork; None when asynchronous."""
        return None if self.asynchronous else get_loop()

    @property
    def fsid(self) -> str:
        """Where this filesystem is: the root's URL without secrets."""
        return self.location.display_url

    @property
    def storage_options(self) -> dict[str, Any]:
        """The keywords it was made with, secrets masked."""
        return mask(self._keywords())  # type: ignore[no-any-return]

    @storage_options.setter
    def storage_options(self, value: Mapping[str, Any]) -> None:
        """Ignored: fsspec sets the keywords here, secrets and all."""

    @property
    def storage_args(self) -> tuple[Any, ...]:
        """Empty: everything is in :attr:`storage_options`."""
        return ()

    @storage_args.setter
    def storage_args(self, value: tuple[Any, ...]) -> None:
        """Ignored, as for :attr:`storage_options`."""

    def _keywords(self) -> dict[str, Any]:
        keywords = {**self.location.keywords(), "timeout": self.timeout}
        if self.batch_size is not None:
            keywords["batch_size"] = self.batch_size
        if self.asynchronous:
            keywords["asynchronous"] = True
        return {name: value for name, value in keywords.items() if value not in (None, "", {})}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._keywords())

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
            run(self, self._close)

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

    def _file_key(self, path: str) -> str:
        key: str = self._strip_protocol(path)
        if not key:
            raise IsDirectoryError("the root is a directory", url=self.location.display_url)
        return key

    def _batch(self, batch_size: int | None) -> int:
        return batch_size or self.batch_size or CONCURRENCY


for _name, _method in mirror(inherited_coroutines()).items():
    setattr(RootedFileSystem, _name, _method)


def refuse(unknown: Mapping[str, Any], method: str) -> None:
    """Raise for keywords that a method does not know: none is ever swallowed."""
    if unknown:
        raise TypeError(f"{method}() does not take {', '.join(sorted(unknown))}")


def _refuse_unknown(unknown: Mapping[str, Any]) -> NoReturn:
    names = ", ".join(sorted(unknown))
    raise ConfigError(
        f"unknown keyword {names}: options of the storage go into backend_options or "
        "storage_options",
        field=min(unknown),
    )


def _rebuild(cls: type[RootedFileSystem], keywords: dict[str, Any]) -> RootedFileSystem:
    return cls(**keywords)


def listed(path: Any) -> list[Any]:
    """One path, or several, as a list."""
    return list(path) if isinstance(path, (list, tuple, set)) else [path]
