"""SSH host keys: who the server is, decided before a password is sent.

asyncssh asks a client object about every key that is not among the known ones;
:func:`first_use_client` answers by remembering the first key of a host, in a file that
several processes share, and refusing any other from then on.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncssh import SSHClient, SSHKey

__all__ = ["DEFAULT_FILE", "FirstUse", "host_pattern", "make_file"]

DEFAULT_FILE = "~/.ssh/known_hosts"
_SSH_PORT = 22
_log = logging.getLogger(__name__)


def host_pattern(host: str, port: int) -> str:
    """A host as a known-hosts file writes it: its port only when it is not 22."""
    return host if port == _SSH_PORT else f"[{host}]:{port}"


def make_file(path: Path) -> None:
    """Create an empty known-hosts file, for its owner alone, when there is none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


class FirstUse:
    """Trust on first use: makes the client objects that asyncssh asks about a host's key.

    Pickles to its configuration. Calling it is asyncssh's ``client_factory``.

    Args:
        path: The known-hosts file that new keys are added to; None keeps them in memory.
        text: Known hosts given as text, which are never written anywhere.
    """

    def __init__(self, path: str | None, text: str = "") -> None:
        self.path = path
        self._text = text
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return FirstUse, (self.path, self._text)

    def __repr__(self) -> str:
        return f"FirstUse({self.path!r})"

    def __call__(self) -> SSHClient:
        """One client object, for one connection."""
        from asyncssh import SSHClient

        decide: Callable[[str, str, int, SSHKey], bool] = self._decide

        class Client(SSHClient):
            def validate_host_public_key(
                self, host: str, addr: str, port: int, key: SSHKey
            ) -> bool:
                return decide(host, addr, port, key)

        return Client()

    def _decide(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
        with self._lock, _locked(self.path):
            known = self._keys_of(host, addr, port)
            if known:
                # Another process may have been first since this connection read the file.
                return key in known
            self._add(f"{host_pattern(host, port)} {_public(key)}\n")
        _log.warning(
            "trusting the SSH host key %s of %s from now on, as seen for the first time",
            key.get_fingerprint(),
            host_pattern(host, port),
        )
        return True

    def _keys_of(self, host: str, addr: str, port: int) -> list[SSHKey]:
        from asyncssh import import_known_hosts

        text = self._text
        if self.path is not None:
            text += "\n" + Path(self.path).read_text("utf-8")
        # asyncssh falls back to the port-less entry by itself.
        keys, authorities, *_ = import_known_hosts(text).match(
            host, addr, None if port == _SSH_PORT else port
        )
        return [*keys, *authorities]

    def _add(self, line: str) -> None:
        if self.path is None:
            self._text = f"{self._text.rstrip()}\n{line}"
            return
        with Path(self.path).open("r+b") as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    line = "\n" + line
            file.write(line.encode())


def _public(key: SSHKey) -> str:
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


@contextmanager
def _locked(path: str | None) -> Iterator[None]:
    """Hold the file's lock against other processes; on systems without ``flock``, none."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows
        yield
        return
    if path is None:
        yield
        return
    with Path(path).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
