"""Ways into an SSH server: an agent's keys, a jump host, the user's own ssh configuration."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from devservers import SFTPServer
from devservers.proxy import Proxy
from remote_store_fsspec.errors import AccessDeniedError, StoreUnavailableError
from remote_store_fsspec.filesystem import RemoteStoreFileSystem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from devservers import Area

pytestmark = pytest.mark.server
CONTENT = b"behind \xff" * 50_000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without keys, and no agent."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.delenv("SFTP_KNOWN_HOST_KEYS", raising=False)
    return folder


@pytest.fixture
def agent(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Adds a key to a real ``ssh-agent``, which ends with the test."""
    socket = home / "agent"
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()  # it listens
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))

    def add(key: Path) -> None:
        subprocess.run(["ssh-add", "-q", str(key)], check=True, stdin=subprocess.DEVNULL)

    try:
        yield add
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


@pytest.fixture
def behind() -> Iterator[SFTPServer]:
    """A second server, with a host key and a user's key of its own."""
    with SFTPServer() as server:
        yield server


def works(area: Area, **config: Any) -> None:
    """Writes and reads through ours, and looks at the plain files."""
    area.raw.write("there", CONTENT)
    fs = RemoteStoreFileSystem(**config, skip_instance_cache=True)
    try:
        fs.pipe_file("a/b", CONTENT)
        assert area.raw.read("a/b") == CONTENT
        assert fs.cat_file("there") == CONTENT
    finally:
        fs.close()


def test_an_agent_signs_for_the_user(
    sftp_server: SFTPServer, sftp_area: Area, agent: Callable[[Path], None]
) -> None:
    config = sftp_area.backend_config()
    del config["backend_options"]["pkey"]
    with pytest.raises(AccessDeniedError):
        works(sftp_area, **config)
    agent(sftp_server.client_key)
    works(sftp_area, **config)
    config["backend_options"]["connect_kwargs"] = {"allow_agent": False}
    with pytest.raises(AccessDeniedError):
        works(sftp_area, **config)


def test_a_jump_host_is_passed_and_both_hosts_are_verified(
    sftp_server: SFTPServer, behind: SFTPServer, home: Path, agent: Callable[[Path], None]
) -> None:
    area = behind.new_area()
    agent(sftp_server.client_key)
    known = home / ".ssh/known_hosts"
    with Proxy.to(sftp_server) as proxy:
        config = area.url_config()
        config["storage_options"] = {
            "tunnel": f"{sftp_server.username}@{sftp_server.host}:{proxy.port}",
            "client_keys": [str(behind.client_key)],
        }
        lines = [
            sftp_server.known_hosts_line(proxy.port),
            behind.known_hosts_line(behind.port),
        ]
        known.write_text("\n".join(lines) + "\n")
        with proxy.record() as record:
            works(area, **config)
        assert record.wire_sent > len(CONTENT)
        assert record.wire_received > len(CONTENT)
        for line in lines:
            known.write_text(line + "\n")
            with pytest.raises(AccessDeniedError, match="host key"):
                works(area, **config)


def test_the_users_ssh_configuration_names_the_jump_host_keys_and_known_hosts(
    sftp_server: SFTPServer, behind: SFTPServer, home: Path
) -> None:
    area = behind.new_area()
    with Proxy.to(sftp_server) as proxy:
        (home / ".ssh/config").write_text(
            f"Host files\n"
            f"  HostName {behind.host}\n"
            f"  Port {behind.port}\n"
            f"  User {behind.username}\n"
            f"  IdentityFile {behind.client_key}\n"
            f"  UserKnownHostsFile {behind.known_hosts}\n"
            f"  ProxyJump jump\n"
            f"Host jump\n"
            f"  HostName {sftp_server.host}\n"
            f"  Port {proxy.port}\n"
            f"  User {sftp_server.username}\n"
            f"  IdentityFile {sftp_server.client_key}\n"
            f"  UserKnownHostsFile {sftp_server.known_hosts_file(proxy.port)}\n"
        )
        with proxy.record() as record:
            works(area, url=f"sftp://files{area.container}")
        assert record.wire_sent > len(CONTENT)


def test_a_jump_host_that_is_down_is_an_outage(behind: SFTPServer) -> None:
    area = behind.new_area()
    config = area.url_config()
    config["storage_options"]["tunnel"] = "nobody@127.0.0.1:1"
    with pytest.raises(StoreUnavailableError):
        works(area, **config)
