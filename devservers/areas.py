"""Where test objects live: a bucket, a container, a folder; and a way in that is not ours."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from devservers.proxy import Proxy

Config = dict[str, Any]


class RawStore(Protocol):
    """Reads and writes one area without any code of this project.

    Keys are relative to the area. Missing keys raise `FileNotFoundError`.
    """

    def read(self, key: str) -> bytes:
        """The object's bytes."""

    def write(self, key: str, data: bytes) -> None:
        """Stores `data`, replacing what is there."""

    def delete(self, key: str) -> None:
        """Removes one object."""

    def keys(self, prefix: str = "") -> list[str]:
        """All keys that start with `prefix`, sorted."""

    def exists(self, key: str) -> bool:
        """Whether the object is there."""

    def size(self, key: str) -> int:
        """The object's length in bytes."""


class Area(ABC):
    """One fresh, empty place on one server, and the configuration that reaches it.

    The configuration methods return keywords as a user would write them. `via` puts a proxy
    between; the rest of the configuration stays the same.
    """

    def __init__(self, name: str, container: str, raw: RawStore, port: int = 0) -> None:
        self.name = name
        self.container = container
        self.raw = raw
        self.port = port
        """The server's port; 0 where there is no server."""

    @abstractmethod
    def url_config(self, folder: str = "", *, via: Proxy | None = None) -> Config:
        """``url`` and ``storage_options`` of `folder` in this area."""

    def backend_config(self, *, via: Proxy | None = None) -> Config:
        """``backend_type`` and ``backend_options`` of this area.

        Raises:
            NotImplementedError: No backend type reaches this kind of server, only a URL does.
        """
        del via
        raise NotImplementedError(f"{self.name} has no backend type; use url_config()")

    @property
    def has_backend_type(self) -> bool:
        """Whether `backend_config` can say anything."""
        return type(self).backend_config is not Area.backend_config

    def config(self, folder: str = "", *, via: Proxy | None = None) -> Config:
        """The backend form where there is one, else the URL form; `folder` is the root."""
        if not self.has_backend_type:
            return self.url_config(folder, via=via)
        config = self.backend_config(via=via)
        if folder:
            config["root_path"] = folder
        return config

    def _port(self, via: Proxy | None) -> int:
        return self.port if via is None else via.port

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.container}>"


class FolderStore:
    """A folder on disk: what SFTP, FTP, WebDAV and local backends serve."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str) -> bytes:
        return (self.folder / key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def delete(self, key: str) -> None:
        (self.folder / key).unlink()

    def keys(self, prefix: str = "") -> list[str]:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        names = (path.relative_to(self.folder).as_posix() for path in files)
        return sorted(name for name in names if name.startswith(prefix))

    def exists(self, key: str) -> bool:
        return (self.folder / key).is_file()

    def size(self, key: str) -> int:
        return (self.folder / key).stat().st_size


class LocalArea(Area):
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__("local", str(folder), FolderStore(folder))

    def backend_config(self, *, via: Proxy | None = None) -> Config:
        """``local`` with its ``root``."""
        del via
        return {"backend_type": "local", "backend_options": {"root": self.container}}

    def url_config(self, folder: str = "", *, via: Proxy | None = None) -> Config:
        """A ``file:`` URL."""
        del via
        return {"url": Path(self.container, folder).as_uri(), "storage_options": {}}


class MemoryStore:
    """Fsspec's process-wide memory store, read as the plain dictionary that it is."""

    def __init__(self, folder: str) -> None:
        self._root = f"/{folder}/"

    def _files(self) -> dict[str, Any]:
        from fsspec.implementations.memory import MemoryFileSystem

        files: dict[str, Any] = MemoryFileSystem.store
        return files

    def read(self, key: str) -> bytes:
        try:
            file = self._files()[self._root + key]
        except KeyError:
            raise FileNotFoundError(key) from None
        data: bytes = file.getvalue()
        return data

    def write(self, key: str, data: bytes) -> None:
        import fsspec

        fsspec.filesystem("memory").pipe_file(self._root + key, data)

    def delete(self, key: str) -> None:
        try:
            del self._files()[self._root + key]
        except KeyError:
            raise FileNotFoundError(key) from None

    def keys(self, prefix: str = "") -> list[str]:
        start = len(self._root)
        return sorted(
            path[start:] for path in self._files() if path.startswith(self._root + prefix)
        )

    def exists(self, key: str) -> bool:
        return self._root + key in self._files()

    def size(self, key: str) -> int:
        return len(self.read(key))


class MemoryArea(Area):
    """A fresh folder of fsspec's memory store (the ``memory`` backend type is private per object)."""

    def __init__(self, folder: str) -> None:
        super().__init__("memory", folder, MemoryStore(folder))

    def url_config(self, folder: str = "", *, via: Proxy | None = None) -> Config:
        """A ``memory:`` URL."""
        del via
        return {"url": join_url(f"memory://{self.container}", folder), "storage_options": {}}


def local_area(folder: Path) -> LocalArea:
    """`folder`, created if need be, as an area."""
    return LocalArea(folder)


def memory_area(name: str = "area") -> MemoryArea:
    """A fresh folder of the memory store."""
    return MemoryArea(fresh_name(name))


def fresh_name(name: str) -> str:
    """A name nobody used before, fit for a bucket, a container and a folder."""
    return f"{name}-{secrets.token_hex(6)}"


def join_url(url: str, folder: str) -> str:
    """`folder` below `url`."""
    return f"{url}/{folder}" if folder else url
