"""Where captured bytes wait on this host until the store has them.

Every capture owns one folder, and holds a lock on it for as long as its process lives. A folder
whose lock is free was left behind, by an upload that failed or by a process that was killed; any
process of the same user with the same staging directory may take the lock and upload it.

Layout, below the staging directory::

    remote-store-fsspec-<uid>/                private to the user
        <destination>/<time>-<key>-<random>/  one folder per capture
            lock  capture.json  out  err      pending.json once an upload has failed,
                                              limit once a stream was thinned by it,
                                              superseded once a later capture replaces it
        downloads/                            what the webserver is serving right now
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.logs.layout import STREAMS
from remote_store_fsspec.logs.writer import DISK_FULL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from remote_store_fsspec.logs.layout import Stream

__all__ = ["StagedCapture", "StagedFiles", "Staging", "private_folder"]

_ABANDONED_SECONDS: Final = 3600.0
_POLL_SECONDS: Final = 0.02
_PENDING: Final = "pending.json"
_SUPERSEDED: Final = "superseded"


def private_folder(base: str | None) -> Path:
    """The user's own folder below a staging directory, created when it is missing.

    Args:
        base: The staging directory; ``None`` for the system's temporary directory.

    Raises:
        ConfigError: It belongs to another user, is no directory, or cannot be made.
    """
    parent = Path(base) if base else Path(tempfile.gettempdir())
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(parent, allow_root=True)
        folder = parent / _private_name()
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        _check_owner(folder, allow_root=False)
        if stat.S_IMODE(folder.lstat().st_mode) & 0o077:
            folder.chmod(0o700)
    except OSError as exc:
        msg = f"local_dir {str(parent)!r} cannot hold staged logs: {exc.strerror or exc}"
        raise ConfigError(msg, field="local_dir") from exc
    return folder.resolve()


@dataclass
class StagedCapture:
    """One capture's folder, locked by this process until it is released or removed.

    Attributes:
        folder: The capture's folder.
        log_key: The log.
        streams: The streams that it stages.
    """

    folder: Path
    log_key: tuple[str, ...]
    streams: tuple[Stream, ...]
    _lock: int

    def file(self, stream: Stream) -> str:
        """The staged file of a stream."""
        return str(self.folder / stream)

    @property
    def size(self) -> int:
        """Bytes staged."""
        return sum(_size(self.folder / stream) for stream in self.streams)

    def keep(self, reason: str) -> None:
        """Leave the files for a later upload."""
        note = {"reason": reason, "at": time.time(), "host": socket.gethostname()}
        with contextlib.suppress(OSError):
            _write(self.folder / _PENDING, json.dumps(note).encode())

    def release(self) -> None:
        """Give up the lock; whoever takes it next may upload the files."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def reason(self) -> str:
        """Why it was kept; says so if nobody noted a reason."""
        try:
            return str(json.loads((self.folder / _PENDING).read_text())["reason"])
        except (OSError, ValueError, KeyError, TypeError):
            return "the process that captured it ended before it was uploaded"

    @property
    def superseded(self) -> bool:
        """Whether a later capture of the same log is about to be stored in place of this one."""
        return (self.folder / _SUPERSEDED).exists()

    def claim_earlier(self, within: float) -> list[StagedCapture]:
        """Lock what is left of earlier captures of the same log, which this one replaces.

        Whoever still tries to store one is told to stop and waited for: an older text must not
        be stored after a newer one. A capture under way is left alone.

        Args:
            within: Seconds to wait for all of them together.

        Returns:
            Those that were locked, to be removed or released.
        """
        deadline = time.monotonic() + within
        claimed = []
        for folder in self._earlier():
            earlier = _take(folder)
            if earlier is None and (folder / _PENDING).exists():
                with contextlib.suppress(OSError):  # it may be gone by now
                    _write(folder / _SUPERSEDED, b"")
                while earlier is None and folder.exists() and time.monotonic() < deadline:
                    time.sleep(_POLL_SECONDS)
                    earlier = _take(folder)
            if earlier is not None:
                claimed.append(earlier)
        return claimed

    def _earlier(self) -> list[Path]:
        digest = f"-{_key_digest(self.log_key)}-"
        found = []
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(self.folder.parent)):
                if digest in name and name < self.folder.name and not name.startswith("."):
                    folder = self.folder.parent / name
                    about = _about(folder)
                    if about is not None and set(about["streams"]) == set(self.streams):
                        found.append(folder)
        return found

    def remove(self) -> None:
        """Delete the files and give up the lock."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()


class StagedFiles(NamedTuple):
    """A capture's files as any process of this host may read them.

    Attributes:
        folder: The capture's folder.
        streams: The streams that are staged.
        ended: Nothing will be added: its upload failed, or the process that captured is gone.
    """

    folder: Path
    streams: tuple[Stream, ...]
    ended: bool


class Staging:
    """The captures staged for one destination.

    Args:
        base: The staging directory, or ``None`` for the default.
        destination: Text that identifies the store and the prefix; never holds a secret.
    """

    def __init__(self, base: str | None, destination: str) -> None:
        self._base = base
        self._private = True
        try:
            self.root = private_folder(base)
        except ConfigError as exc:
            cause = exc.__cause__
            if not isinstance(cause, OSError) or cause.errno not in DISK_FULL:
                raise
            # A full disk is no wrong configuration: every capture tries again.
            self._private = False
            self.root = Path(base or tempfile.gettempdir()) / _private_name()
        digest = hashlib.sha256(destination.encode()).hexdigest()[:16]
        self.folder = self.root / digest

    @property
    def downloads(self) -> Path:
        """The folder of files that are being served."""
        return self.root / "downloads"

    def open(self, log_key: Sequence[str], streams: Sequence[Stream] = STREAMS) -> StagedCapture:
        """A new folder with an empty file per stream, locked for this process."""
        self._make_private()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
        try:
            lock = os.open(building / "lock", os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            about = {
                "version": 1,
                "log_key": list(log_key),
                "streams": list(streams),
                "created": time.time(),
                "host": socket.gethostname(),
                "pid": os.getpid(),
            }
            _write(building / "capture.json", json.dumps(about).encode())
            for stream in streams:
                _write(building / stream, b"")
            unique = building.name.removeprefix(".new-")
            folder = self.folder / f"{time.time_ns():x}-{_key_digest(log_key)}-{unique}"
            building.rename(folder)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        return StagedCapture(folder, tuple(log_key), tuple(streams), lock)

    def _make_private(self) -> None:
        """The user's own folder, if the disk had no room for it before."""
        if self._private:
            return
        try:
            private_folder(self._base)
        except ConfigError as exc:
            raise exc.__cause__ or exc from None
        self._private = True

    @property
    def disk_bytes(self) -> int:
        """Bytes of disk that everything staged for this destination takes, live captures too."""
        total = 0
        for folder, _folders, names in os.walk(self.folder):
            for name in names:
                with contextlib.suppress(OSError):
                    total += os.lstat(os.path.join(folder, name)).st_blocks * 512
        return total

    def names(self) -> list[str]:
        """The capture folders that exist, oldest first, live ones included."""
        if not self._private:
            return []
        try:
            found = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        return sorted(name for name in found if not name.startswith("."))

    def find(self, log_key: Sequence[str]) -> StagedFiles | None:
        """The newest staged capture of a log on this host, whichever process owns it."""
        digest = _key_digest(log_key)
        for name in reversed(self.names()):
            if f"-{digest}-" not in name:
                continue
            folder = self.folder / name
            about = _about(folder)
            if about is not None and about["log_key"] == list(log_key):
                streams = tuple(stream for stream in STREAMS if stream in about["streams"])
                ended = (folder / _PENDING).exists() or not _is_locked(folder / "lock")
                return StagedFiles(folder, streams, ended)
        return None

    def leftovers(self) -> Iterator[StagedCapture]:
        """Captures that no process works on, each locked for the caller, oldest first."""
        for name in self.names():
            capture = _take(self.folder / name)
            if capture is not None:
                yield capture

    def has_leftovers(self) -> bool:
        """Whether some capture waits that no process works on."""
        for capture in self.leftovers():
            capture.release()
            return True
        return False

    def discard(self, wanted: Callable[[tuple[str, ...]], bool]) -> None:
        """Remove the leftovers of some logs; captures under way are left alone."""
        for capture in self.leftovers():
            if wanted(capture.log_key):
                capture.remove()
            else:
                capture.release()

    def sweep(self) -> None:
        """Remove what a process left that was killed before its capture began."""
        with contextlib.suppress(OSError):
            for entry in os.scandir(self.folder):
                old = time.time() - entry.stat().st_mtime > _ABANDONED_SECONDS
                if entry.name.startswith(".new-") and old:
                    shutil.rmtree(entry.path, ignore_errors=True)


def _take(folder: Path) -> StagedCapture | None:
    path = folder / "lock"
    try:
        lock = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        about = _about(folder)
        # The owner may have removed the folder between our open and our lock.
        if about is not None and os.fstat(lock).st_ino == path.stat().st_ino:
            streams = tuple(stream for stream in STREAMS if stream in about["streams"])
            return StagedCapture(folder, tuple(about["log_key"]), streams, lock)
    except OSError:
        pass
    os.close(lock)
    return None


def _private_name() -> str:
    return f"remote-store-fsspec-{os.geteuid()}"


def _key_digest(log_key: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(log_key)).encode()).hexdigest()[:16]


def _is_locked(path: Path) -> bool:
    try:
        lock = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its user can read."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)


def _about(folder: Path) -> dict[str, Any] | None:
    try:
        about = json.loads((folder / "capture.json").read_text())
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) and "log_key" in about else None


def _check_owner(folder: Path, *, allow_root: bool) -> None:
    found = folder.stat() if allow_root else folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        msg = f"local_dir: {str(folder)!r} is not a directory"
        raise ConfigError(msg, field="local_dir")
    if found.st_uid not in {os.geteuid(), 0 if allow_root else os.geteuid()}:
        msg = (
            f"local_dir: {str(folder)!r} belongs to another user (uid {found.st_uid}), who could "
            "read or replace staged logs; name a directory of your own"
        )
        raise ConfigError(msg, field="local_dir")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
