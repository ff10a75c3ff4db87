"""SSH host keys: who the server is, decided before a password is sent.

asyncssh asks a client object about every key that is not among the known ones.
:class:`KnownHosts` answers no, and says why; :class:`FirstUse` remembers the first key of a
host, in a file that several processes share, and refuses any other from then on.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_store_fsspec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncssh import SSHClient, SSHKey

__all__ = [
    "DEFAULT_FILE",
    "FirstUse",
    "KnownHosts",
    "every_kind",
    "host_pattern",
    "make_file",
]

DEFAULT_FILE = "~/.ssh/known_hosts"
_SSH_PORT = 22
_TEXT = "the known hosts given as text"
_log = logging.getLogger(__name__)


def host_pattern(host: str, port: int) -> str:
    """A host as a known-hosts file writes it: its port only when it is not 22."""
    return host if port == _SSH_PORT else f"[{host}]:{port}"


def make_file(path: Path) -> None:
    """Create an empty known-hosts file, for its owner alone, when there is none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def every_kind() -> str:
    """Asyncssh's ``server_host_key_algs``: the kinds a host is known by, then all others.

    Left alone, asyncssh asks for the known kinds only. A server whose key changed its kind
    then hangs up, which looks like an outage; asked for any, it shows the key to refuse.
    """
    from asyncssh.public_key import get_default_public_key_algs

    return "+" + ",".join(kind.decode() for kind in get_default_public_key_algs())


class KnownHosts:
    """Makes the client objects that asyncssh asks about a host's key; they refuse it.

    Pickles to its configuration. Calling it is asyncssh's ``client_factory``.

    Args:
        files: Known-hosts files. One that does not exist knows nobody.
        text: Known hosts given as text.
    """

    def __init__(self, files: Sequence[str] = (), text: str = "") -> None:
        self.files = tuple(files)
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.files, self.text)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.files!r})"

    @classmethod
    def of(cls, known_hosts: Any) -> KnownHosts:
        """What asyncssh's option of that name says; its objects and functions stay its own."""
        if isinstance(known_hosts, bytes):
            return cls(text=known_hosts.decode("utf-8", "replace"))
        if isinstance(known_hosts, str):
            return cls([known_hosts])
        if not known_hosts and isinstance(known_hosts, (tuple, list)):
            return cls([str(Path(DEFAULT_FILE).expanduser())])
        if isinstance(known_hosts, (tuple, list)):
            return cls([file for file in known_hosts if isinstance(file, str)])
        return cls()

    def __call__(self) -> SSHClient:
        """One client object, for one connection."""
        from asyncssh import SSHClient

        judge: Callable[[str, str, int, SSHKey], bool] = self.judge

        class Client(SSHClient):
            def validate_host_public_key(
                self, host: str, addr: str, port: int, key: SSHKey
            ) -> bool:
                return judge(host, addr, port, key)

        return Client()

    def judge(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
        """Whether to believe a key that is not among the known ones.

        Raises:
            ValueError: No; asyncssh puts its words into ``HostKeyNotVerifiable``.
        """
        raise ValueError(self.refusal(host, addr, port, key))

    def check(self, field: str) -> None:
        """Find a line that asyncssh would fail with while it connects.

        Raises:
            ConfigError: There is one; the message names it.
        """
        from asyncssh import import_known_hosts

        for place, line in self._lines():
            try:
                import_known_hosts(line)
            except ValueError as exc:
                raise ConfigError(
                    f"{field}: {place} is not a known-hosts entry; write `host kind key`, as "
                    "ssh-keyscan prints it",
                    field=field,
                ) from exc

    def refusal(self, host: str, addr: str, port: int, key: SSHKey) -> str:
        """Why that key is refused and what to do, parted by the first semicolon."""
        from asyncssh import import_known_hosts

        name = host_pattern(host, port)
        kind = key.algorithm.decode()
        shown = f"the server shows {kind} {key.get_fingerprint()}"
        known = self._keys_of(host, addr, port)
        if not known:
            places = " and ".join([*self.files, *([_TEXT] if self.text else [])]) or "known_hosts"
            return (
                f"the host key of {name} is not a known one: {shown}, and {places} has no line "
                f"for it; compare that with `ssh-keygen -lf` of the key on the server, then add "
                f"what `ssh-keyscan -p {port} {host}` prints to known_hosts"
            )
        places = ", ".join(
            place
            for place, line in self._lines()
            if not set(known).isdisjoint(_matching(import_known_hosts(line), host, addr, port))
        )
        kinds = sorted({other.algorithm.decode() for other in known})
        if kind in kinds:
            problem = f"changed: {shown}, and another key of that kind is known"
        else:
            problem = f"is of another kind: {shown}, and {' and '.join(kinds)} is known"
        return (
            f"the host key of {name} {problem} ({places}); if the server's keys were changed on "
            "purpose, put the new one in place of that line of known_hosts, else somebody may be "
            "in between"
        )

    def _lines(self) -> Iterator[tuple[str, str]]:
        """Every line and where it stands."""
        for number, line in enumerate(self.text.splitlines(), 1):
            yield f"{_TEXT}, line {number}", line
        for file in self.files:
            for number, line in enumerate(_read(file).splitlines(), 1):
                yield f"{file}, line {number}", line

    def _keys_of(self, host: str, addr: str, port: int) -> list[SSHKey]:
        from asyncssh import import_known_hosts

        text = "\n".join([self.text, *map(_read, self.files)])
        return _matching(import_known_hosts(text), host, addr, port)


class FirstUse(KnownHosts):
    """Trust on first use: believes and remembers the first key of a host, refuses any other.

    Args:
        files: The known-hosts file that new keys are added to; none keeps them in memory.
        text: Known hosts given as text, which are never written anywhere.
    """

    def __init__(self, files: Sequence[str] = (), text: str = "") -> None:
        super().__init__(files, text)
        self._lock = threading.Lock()

    def judge(self, host: str, addr: str, port: int, key: SSHKey) -> bool:
        """Whether that is the first key of the host, or became known in the meantime."""
        with self._lock, _locked(self.files):
            known = self._keys_of(host, addr, port)
            # Another process may have been first since this connection read the file.
            if key in known:
                return True
            if known:
                raise ValueError(self.refusal(host, addr, port, key))
            self._add(f"{host_pattern(host, port)} {_public(key)}\n")
        _log.warning(
            "trusting the SSH host key %s of %s from now on, as seen for the first time",
            key.get_fingerprint(),
            host_pattern(host, port),
        )
        return True

    def _add(self, line: str) -> None:
        if not self.files:
            self.text = f"{self.text.rstrip()}\n{line}"
            return
        with Path(self.files[0]).open("r+b") as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    line = "\n" + line
            file.write(line.encode())


def _matching(known: Any, host: str, addr: str, port: int) -> list[SSHKey]:
    # asyncssh falls back to the port-less entry by itself.
    keys, authorities, *_ = known.match(host, addr, None if port == _SSH_PORT else port)
    return [*keys, *authorities]


def _read(file: str) -> str:
    try:
        return Path(file).read_text("utf-8", "replace")
    except OSError:
        return ""


def _public(key: SSHKey) -> str:
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


@contextmanager
def _locked(files: Sequence[str]) -> Iterator[None]:
    """Hold the file's lock against other processes; on systems without ``flock``, none."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows
        yield
        return
    if not files:
        yield
        return
    with Path(files[0]).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
