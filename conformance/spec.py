"""How the storage under test is opened, as often as the cases need it.

A spec is plain data that can be pickled, so that a case can open the same storage again as
"another process", below another root, or in a real child process.
"""

from __future__ import annotations

import dataclasses
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import fsspec
from fsspec.implementations.dirfs import DirFileSystem

__all__ = ["FilesystemSpec", "Opened", "mask", "secret_values"]

_SECRET_NAME = re.compile(
    r"secret|passw|token|credential|connection_string|account_key|sas|passphrase|private_key",
    re.IGNORECASE,
)
_SECRET_PART = re.compile(r"(?:AccountKey|SharedAccessSignature)=([^;]+)")
_SHORTEST_SECRET = 4
_NOT_SECRET = {"anon", "google_default", "cache", "cloud", "browser", "public"}


@dataclasses.dataclass(frozen=True)
class Opened:
    """A filesystem and the folder below which everything happens."""

    fs: Any
    base: str


@dataclasses.dataclass(frozen=True)
class FilesystemSpec:
    """A filesystem to be tested.

    Attributes:
        url: Any fsspec URL, or ``None`` when a backend type is given.
        storage_options: Keywords for the URL's filesystem.
        backend_type: ``local``, ``memory``, ``s3``, ``azure``, ``sftp``, ... or ``None``.
        backend_options: The backend type's keywords.
        root_path: Folder below the URL or the backend's own root.
        raw: Open the URL with plain fsspec instead of `RemoteStoreFileSystem`.
        timeout: Seconds that ours gives one request; ``None`` leaves its default.
    """

    url: str | None = None
    storage_options: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    backend_type: str | None = None
    backend_options: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    root_path: str = ""
    raw: bool = False
    timeout: float | None = None

    @property
    def label(self) -> str:
        """What is tested, without secrets."""
        where = self.url if self.url is not None else self.backend_type
        kind = "fsspec" if self.raw else "remote-store"
        return mask(f"{kind} {where}", self.secrets())

    def open(self, **extra: Any) -> Opened:
        """A new filesystem object that shares nothing with an earlier one."""
        if self.raw:
            return self._open_raw(**extra)
        from remote_store_fsspec.filesystem import RemoteStoreFileSystem

        return Opened(RemoteStoreFileSystem(**self._ours(self.root_path), **extra), "")

    def confined(self, folder: str) -> Any:
        """A filesystem whose root is `folder`.

        Ours is opened with that root. For a raw filesystem it is fsspec's own means, `DirFileSystem`.
        """
        if self.raw:
            opened = self._open_raw()
            return DirFileSystem(path=join(opened.base, folder), fs=opened.fs)
        from remote_store_fsspec.filesystem import RemoteStoreFileSystem

        return RemoteStoreFileSystem(
            **self._ours(join(self.root_path, folder)), skip_instance_cache=True
        )

    def secrets(self) -> list[str]:
        """Every value that must never be shown."""
        found = list(secret_values(self.storage_options)) + list(
            secret_values(self.backend_options)
        )
        if self.url:
            for part in self.url.split("::"):
                password = urlsplit(part).password if "//" in part else None
                if password:
                    found += [password, unquote(password)]
        return found

    def local_folder(self) -> str | None:
        """Where the files lie on this machine's disk, if they do."""
        if self.backend_type == "local":
            root = str(
                self.backend_options.get("root") or self.backend_options.get("base_path") or ""
            )
            return join(root, self.root_path) if root else None
        last = (self.url or "").split("::")[-1]
        for scheme in ("file://", "local://", "file:", "/"):
            if last.startswith(scheme):
                path = last if scheme == "/" else last[len(scheme) :]
                return join(path, self.root_path) if path else None
        return None

    @property
    def in_memory(self) -> bool:
        """The objects live in this process and no other process can see them."""
        return self.backend_type == "memory" or (self.url or "").split("::")[-1].startswith(
            "memory:"
        )

    @property
    def private(self) -> bool:
        """Each opening is a store of its own, so there is no "another process" to play."""
        return self.backend_type == "memory"

    def _open_raw(self, **extra: Any) -> Opened:
        if self.url is None:
            message = "a raw filesystem is opened by URL"
            raise ValueError(message)
        options = {"skip_instance_cache": True, **self.storage_options, **extra}
        fs, path = fsspec.core.url_to_fs(self.url, **options)
        return Opened(fs, join(path, self.root_path))

    def _ours(self, root: str) -> dict[str, Any]:
        given: dict[str, Any] = {"root_path": root}
        if self.timeout is not None:
            given["timeout"] = self.timeout
        if self.url is not None:
            return {**given, "url": self.url, "storage_options": dict(self.storage_options)}
        return {
            **given,
            "backend_type": self.backend_type,
            "backend_options": dict(self.backend_options),
        }


def join(*parts: str) -> str:
    """Parts of a key, one slash between them; a leading slash of the first is kept."""
    kept = [part.strip("/") for part in parts if part.strip("/")]
    lead = "/" if parts and parts[0].startswith("/") else ""
    return lead + "/".join(kept)


def scratch_name() -> str:
    """A folder name nobody else uses."""
    return f"conformance-{uuid.uuid4().hex[:12]}"


def secret_values(options: object, *, sensitive: bool = False) -> Iterator[str]:
    """The values below secret-looking names, at any depth."""
    if isinstance(options, Mapping):
        for name, value in options.items():
            yield from secret_values(
                value, sensitive=sensitive or bool(_SECRET_NAME.search(str(name)))
            )
    elif isinstance(options, (list, tuple)):
        for value in options:
            yield from secret_values(value, sensitive=sensitive)
    elif sensitive and options is not None and not isinstance(options, bool):
        text = str(getattr(options, "reveal", lambda: options)())
        if len(text) >= _SHORTEST_SECRET and text not in _NOT_SECRET:
            yield text
        yield from _SECRET_PART.findall(text)


def mask(text: str, secrets: list[str]) -> str:
    """The text with every secret replaced by ``***``."""
    for value in sorted(secrets, key=len, reverse=True):
        for form in {value, json.dumps(value)[1:-1]}:
            text = text.replace(form, "***")
    return text
