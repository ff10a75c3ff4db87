"""The SSH connection of :mod:`~remote_store_fsspec.backends.sftp`: how it opens, asks and fails."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from remote_store_fsspec import _paths
from remote_store_fsspec.backends._folders import FolderBackend
from remote_store_fsspec.errors import (
    AccessDeniedError,
    ConfigError,
    DirectoryNotEmptyError,
    InvalidPathError,
    IsDirectoryError,
    MissingExtraError,
    NotDirectoryError,
    ObjectExistsError,
    ObjectNotFoundError,
    RemoteStoreError,
    StoreError,
    StoreUnavailableError,
    UnsupportedOperationError,
)
from remote_store_fsspec.options._host_keys import KnownHosts, every_kind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from fsspec import AbstractFileSystem

    from remote_store_fsspec.backends.base import Info

__all__ = ["SSHBackend", "block_size", "close_later", "info_of", "is_directory", "is_link"]

T = TypeVar("T")
_UNANSWERED = 3
"""Keepalive messages without an answer after which the link counts as dead."""


class SSHBackend(FolderBackend):
    """One SSH connection through ``sshfs``, made again when it is lost."""

    kind = "sftp"
    reconnects = True

    # -- opening --------------------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        given = dict(self.target.options)
        if given.pop("use_listings_cache", False):
            raise ConfigError("sftp storage has no listing cache", field="use_listings_cache")
        defaults: dict[str, Any] = {
            "connect_timeout": min(10.0, self.timeout),
            "login_timeout": min(15.0, self.timeout),
            "keepalive_interval": max(1.0, self.timeout / (_UNANSWERED + 1)),
            "keepalive_count_max": _UNANSWERED,
        }
        if "known_hosts" not in given:
            # sshfs would take any host key. Without the file none is known, and none taken.
            known = Path("~/.ssh/known_hosts").expanduser()
            defaults["known_hosts"] = str(known) if known.is_file() else b""
        defaults |= _judging(given, given.get("known_hosts", defaults.get("known_hosts")))
        client = {
            "path_errors": self.encoding_errors,
            **(given.pop("sftp_client_kwargs", None) or {}),
        }
        return {**defaults, **given, "sftp_client_kwargs": client}

    def open_inner(self) -> AbstractFileSystem:
        try:
            import asyncssh
            from sshfs import SSHFileSystem
        except ImportError as exc:
            raise MissingExtraError.for_extra("sftp", needed_for="SFTP storage") from exc

        opened_by = os.getpid()

        class OwnSSHFileSystem(SSHFileSystem):
            """Closes its connection in the process that opened it, never in a fork of it."""

            @staticmethod
            def _finalize(loop: Any, pool: Any, stack: Any) -> None:
                if os.getpid() == opened_by:
                    SSHFileSystem._finalize(loop, pool, stack)  # noqa: SLF001

        try:
            return OwnSSHFileSystem(skip_instance_cache=True, **self.options())
        except FileNotFoundError as exc:
            # A missing key or known_hosts file, which must not look like a missing object.
            raise ConfigError(
                f"{exc.filename or 'a file'} does not exist: correct client_keys or known_hosts",
                field="storage_options",
            ) from exc
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as exc:
            raise ConfigError(
                f"the private key cannot be read ({type(exc).__name__}): check client_keys "
                "and passphrase",
                field="client_keys",
            ) from exc

    async def close_inner(self, inner: AbstractFileSystem) -> None:
        connection: Any = inner
        try:
            await connection._pool.close()  # noqa: SLF001
            await connection._stack.aclose()  # noqa: SLF001
        finally:
            connection.client.abort()

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[Any]:
        """One of the SFTP sessions on the connection."""
        inner: Any = await self.inner()
        getting = inner._pool.get()  # noqa: SLF001
        try:
            channel = await getting.__aenter__()
        except ValueError as exc:
            raise StoreUnavailableError(
                "the server opens no SFTP session",
                url=self.target.display_url,
                hint="check that its SFTP subsystem is on and MaxSessions is not used up",
            ) from exc
        try:
            yield channel
        finally:
            await getting.__aexit__(None, None, None)

    async def ask(self, key: str, request: Callable[[Any], Awaitable[T]], size: int = 0) -> T:
        """Make one request, within its deadline; its failure is one of our errors."""
        with_channel = self.channel()

        async def run() -> T:
            async with with_channel as channel:
                return await request(channel)

        try:
            return await self.step(run(), size)
        except RemoteStoreError:
            raise
        except Exception as exc:
            raise self.translate(exc, key) from exc

    # -- names and errors -----------------------------------------------------------------

    def path(self, key: str) -> str:
        self.check_name(key)
        base = self.target.base
        if not key:
            return base or "."
        return f"{base.rstrip('/')}/{key}" if base.startswith("/") else _paths.join(base, key)

    def classify(self, exc: BaseException) -> type[StoreError] | None:
        for theirs, ours in _error_types():
            if isinstance(exc, theirs):
                return ours
        return None

    def translate(self, exc: BaseException, key: str) -> RemoteStoreError:
        if isinstance(exc, RemoteStoreError):
            return exc
        from asyncssh import HostKeyNotVerifiable

        if isinstance(exc, HostKeyNotVerifiable):
            # asyncssh ends what the judge of host keys said with the host once more.
            words, _, _ = exc.reason.rpartition(" for host ")
            reason, _, step = words.partition("; ")
            return AccessDeniedError(
                reason if step else f"the host key of the server is not a known one: {reason}",
                url=self.display_url(key),
                hint=step or "compare it with the server's own before adding it to known_hosts",
            )
        return super().translate(exc, key)

    def describe(self, exc: BaseException) -> str:
        reason = getattr(exc, "reason", None)
        words = super().describe(exc)
        return f"{words} ({reason})" if isinstance(reason, str) and reason else words


def _judging(given: Mapping[str, Any], known: Any) -> dict[str, Any]:
    """Keywords that let a wrong host key be shown, refused and explained."""
    from asyncssh import SSHClientConnectionOptions

    if known is None:
        return {}
    config = given.get("config", ())
    written = SSHClientConnectionOptions(
        config=config, known_hosts=known, host=given.get("host", ""), client_keys=None
    )
    judging: dict[str, Any] = {}
    if "client_factory" not in given:
        judge = KnownHosts.of(written.known_hosts)
        judge.check("known_hosts")
        judging["client_factory"] = judge
    if "server_host_key_algs" not in given and not written.config.get("HostKeyAlgorithms"):
        judging["server_host_key_algs"] = every_kind()
    return judging


@cache
def _error_types() -> tuple[tuple[type[BaseException], type[StoreError]], ...]:
    """The errors of asyncssh, narrowest first; a plain ``SFTPFailure`` says nothing more."""
    import asyncssh
    from asyncssh import sftp

    return (
        (sftp.SFTPNoSuchFile, ObjectNotFoundError),
        (sftp.SFTPNoSuchPath, ObjectNotFoundError),
        (sftp.SFTPPermissionDenied, AccessDeniedError),
        (sftp.SFTPWriteProtect, AccessDeniedError),
        (sftp.SFTPCannotDelete, AccessDeniedError),
        (sftp.SFTPFileAlreadyExists, ObjectExistsError),
        (sftp.SFTPFileIsADirectory, IsDirectoryError),
        (sftp.SFTPNotADirectory, NotDirectoryError),
        (sftp.SFTPDirNotEmpty, DirectoryNotEmptyError),
        (sftp.SFTPInvalidFilename, InvalidPathError),
        # OpenSSH's answer to a name that is too long or otherwise impossible.
        (sftp.SFTPBadMessage, InvalidPathError),
        (sftp.SFTPOpUnsupported, UnsupportedOperationError),
        (sftp.SFTPNoConnection, StoreUnavailableError),
        (sftp.SFTPConnectionLost, StoreUnavailableError),
        (sftp.SFTPEOFError, StoreUnavailableError),
        (asyncssh.HostKeyNotVerifiable, AccessDeniedError),
        (asyncssh.PermissionDenied, AccessDeniedError),
        (asyncssh.IllegalUserName, AccessDeniedError),
        (asyncssh.DisconnectError, StoreUnavailableError),
        (asyncssh.ChannelOpenError, StoreUnavailableError),
    )


def info_of(key: str, attributes: Any) -> Info:
    """What the server says of a file, as ours."""
    if is_directory(attributes):
        kind = "directory"
    else:
        mode = attributes.permissions
        kind = "file" if mode is None or stat.S_ISREG(mode) or not stat.S_IFMT(mode) else "other"
    info: Info = {"name": key, "size": int(attributes.size or 0), "type": kind}
    if kind != "file":
        info["size"] = 0
    if attributes.mtime is not None:
        info["mtime"] = float(attributes.mtime)
    return info


def is_directory(attributes: Any) -> bool:
    """Whether it is a directory itself, not a link to one."""
    return attributes.permissions is not None and stat.S_ISDIR(attributes.permissions)


def is_link(attributes: Any) -> bool:
    """Whether it is a symbolic link."""
    return attributes.permissions is not None and stat.S_ISLNK(attributes.permissions)


def block_size(limit: int) -> int:
    """Bytes of one request: what the server says, within reason."""
    return min(limit or 2**15, 2**20)


def close_later(file: Any) -> None:
    """Send the CLOSE without waiting: on a dead connection no answer comes."""

    async def close() -> None:
        await file.close()

    task = asyncio.ensure_future(close())
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
