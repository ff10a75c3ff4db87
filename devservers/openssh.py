"""SFTP: Debian's own sshd with a key of its own, read back as plain files or with ``sftp -b``."""

from __future__ import annotations

import getpass
import os
import shlex
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from devservers.areas import Area, Config, FolderStore, fresh_name
from devservers.base import HOST, Server, find_program, greets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devservers.proxy import Proxy

_HOW_TO_GET = (
    "run as root: apt-get update && apt-get install -y --no-install-recommends openssh-server"
)
_CONFIG = """\
ListenAddress {host}
Port {port}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
MaxStartups 200:30:400
MaxSessions 200
Subsystem sftp internal-sftp
"""


class SFTPBatch:
    """OpenSSH's own ``sftp`` client in batch mode, as an independent way in."""

    def __init__(self, server: SFTPServer) -> None:
        self._server = server

    def run(self, *commands: str, timeout: float = 60) -> str:
        """What ``sftp -b`` prints for `commands`.

        Raises:
            subprocess.CalledProcessError: A command failed; ``stderr`` says why.
        """
        server = self._server
        done = subprocess.run(
            [
                find_program(["sftp"], _HOW_TO_GET),
                *("-b", "-", "-P", str(server.port), "-i", str(server.client_key)),
                *("-o", f"UserKnownHostsFile={server.known_hosts}"),
                *("-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"),
                f"{server.username}@{HOST}",
            ],
            input="\n".join(commands) + "\n",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=True,
        )
        return done.stdout

    def get(self, remote: str, local: Path) -> Path:
        """Copies the server's file `remote` to `local` and returns that."""
        self.run(f"get {shlex.quote(remote)} {shlex.quote(str(local))}")
        return local


class SFTPArea(Area):
    """One folder of the server, as an absolute path."""

    def __init__(self, server: SFTPServer, folder: Path) -> None:
        super().__init__(server.name, str(folder), FolderStore(folder), server.port)
        self._server = server

    def backend_config(self, *, via: Proxy | None = None) -> Config:
        """``sftp`` with a key and the server's host key."""
        port = self._port(via)
        return {
            "backend_type": "sftp",
            "backend_options": {
                "host": HOST,
                "port": port,
                "username": self._server.username,
                "pkey": str(self._server.client_key),
                "known_host_keys": self._server.known_hosts_line(port),
                "base_path": self.container,
            },
        }

    def url_config(self, folder: str = "", *, via: Proxy | None = None) -> Config:
        """An ``sftp:`` URL with sshfs's options."""
        port = self._port(via)
        path = Path(self.container, folder).as_posix()
        return {
            "url": f"sftp://{self._server.username}@{HOST}:{port}{path}",
            "storage_options": {
                "client_keys": [str(self._server.client_key)],
                "known_hosts": str(self._server.known_hosts_file(port)),
            },
        }


class SFTPServer(Server):
    """A real sshd for the user who runs this, with keys made for the occasion.

    Files stay where they are across restarts.
    """

    name: ClassVar[str] = "sftp"
    scheme: ClassVar[str] = "sftp"
    speaks_http: ClassVar[bool] = False

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.username = getpass.getuser()
        self.folder = self.workspace / "files"
        self.folder.mkdir()
        self.client_key = self.workspace / "client"

    @property
    def url(self) -> str:
        """The server's address with the user's name."""
        return f"sftp://{self.username}@{self.host}:{self.port}"

    @property
    def host_key(self) -> str:
        """The host's public key: type and base64, as in a known_hosts line after the name."""
        return " ".join((self.workspace / "host.pub").read_text().split()[:2])

    @property
    def known_hosts(self) -> Path:
        """A known_hosts file that lists this server."""
        return self.known_hosts_file(self.port)

    def known_hosts_line(self, port: int) -> str:
        """This server's known_hosts line as seen through `port`."""
        return f"[{HOST}]:{port} {self.host_key}"

    def known_hosts_file(self, port: int) -> Path:
        """A known_hosts file that lists this server as seen through `port`."""
        path = self.workspace / f"known_hosts-{port}"
        path.write_text(self.known_hosts_line(port) + "\n")
        return path

    def command(self) -> Sequence[str]:
        """The sshd in the foreground; it insists on being called by its absolute path."""
        sshd = find_program(["sshd", "/usr/sbin/sshd", "/usr/local/sbin/sshd"], _HOW_TO_GET)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation folder
        self._make_keys()
        config = self.workspace / "sshd_config"
        config.write_text(
            _CONFIG.format(host=self.host, port=self.port, folder=self.workspace.as_posix())
        )
        return [str(Path(sshd).resolve()), "-D", "-e", "-f", str(config)]

    def _make_keys(self) -> None:
        if self.client_key.exists():
            return
        keygen = find_program(["ssh-keygen"], _HOW_TO_GET)
        for key in (self.workspace / "host", self.client_key):
            command = [keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        authorized = self.workspace / "authorized_keys"
        authorized.write_bytes(self.client_key.with_suffix(".pub").read_bytes())

    def is_ready(self) -> bool:
        """The sshd says its version first."""
        return greets(self.host, self.port, b"SSH-2.0")

    def new_area(self, name: str = "area") -> SFTPArea:
        """A fresh folder below the served one."""
        folder = self.folder / fresh_name(name)
        folder.mkdir()
        return SFTPArea(self, folder)

    def client(self) -> SFTPBatch:
        """OpenSSH's own ``sftp``, told of the key and the host."""
        return SFTPBatch(self)

    def stop(self) -> None:
        """Ends the server and its sessions, which would outlive the listener alone."""
        self.kill_sessions()
        super().stop()

    def kill_sessions(self) -> int:
        """Ends every open session as a crash would, keeps the listener; returns how many ended."""
        sessions = _children(self.pid)
        for session in sessions:
            for process in (*_descendants(session), session):
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        return len(sessions)


def _children(pid: int) -> list[int]:
    """Process ids of the children of `pid`, by Linux's process table; empty elsewhere."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def _descendants(pid: int) -> list[int]:
    found = []
    for child in _children(pid):
        found += [*_descendants(child), child]
    return found
