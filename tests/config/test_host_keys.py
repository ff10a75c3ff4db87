"""Host key policies against a real sshd, through sshfs as the backend opens it."""

from __future__ import annotations

import pickle
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import asyncssh
import fsspec
import pytest

from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.location import resolve_location
from remote_store_fsspec.options._host_keys import FirstUse

if TYPE_CHECKING:
    from pathlib import Path

    from devservers import SFTPServer

pytestmark = pytest.mark.server
OTHER_KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


def look(options: Any, folder: str) -> list[str]:
    inner = fsspec.filesystem("sftp", skip_instance_cache=True, **options)
    try:
        return [str(name) for name in inner.ls(folder, detail=False)]
    finally:
        inner._finalize(inner.loop, inner._pool, inner._stack)


def connect(server: SFTPServer, **options: Any) -> list[str]:
    location = resolve_location(
        backend_type="sftp",
        backend_options={
            "host": server.host,
            "port": server.port,
            "username": server.username,
            "pkey": server.client_key.read_text(),
            "base_path": str(server.folder),
            **options,
        },
    )
    target = location.target()
    return look(target.options, target.base)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SFTP_KNOWN_HOST_KEYS", raising=False)
    return tmp_path / "home"


@pytest.fixture
def impostor(sftp_server: SFTPServer) -> str:
    """A known-hosts line that says another key for the server."""
    return f"[{sftp_server.host}]:{sftp_server.port} {OTHER_KEY}\n"


@pytest.mark.parametrize("place", ["text", "config", "environment", "path", "default file"])
def test_strict_believes_a_host_that_is_known_wherever_that_is_written(
    sftp_server: SFTPServer, home: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    line = sftp_server.known_hosts_line(sftp_server.port)
    options: dict[str, Any] = {}
    if place == "text":
        options["known_host_keys"] = line
    elif place == "config":
        options["config"] = {"known_host_keys": line}
    elif place == "environment":
        monkeypatch.setenv("SFTP_KNOWN_HOST_KEYS", line)
    elif place == "path":
        options["host_keys_path"] = str(sftp_server.known_hosts)
    else:
        (home / ".ssh").mkdir(parents=True)
        (home / ".ssh/known_hosts").write_text(line)
    connect(sftp_server, **options)


def test_strict_is_the_default_and_refuses_another_key(
    sftp_server: SFTPServer, impostor: str
) -> None:
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        connect(sftp_server, known_host_keys=impostor)


def test_strict_refuses_a_host_that_is_not_known(sftp_server: SFTPServer, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(f"elsewhere.example {OTHER_KEY}\n")
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        connect(sftp_server, host_keys_path=str(tmp_path / "hosts"))


def test_an_empty_file_of_known_hosts_knows_nobody(
    sftp_server: SFTPServer, tmp_path: Path, home: Path
) -> None:
    # asyncssh takes an empty value for "use the default file": that must not happen here.
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/known_hosts").write_text(sftp_server.known_hosts_line(sftp_server.port))
    (tmp_path / "hosts").write_text("")
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        connect(sftp_server, host_keys_path=str(tmp_path / "hosts"))


@pytest.mark.parametrize("default", [True, False])
def test_tofu_remembers_the_first_key_in_a_private_file(
    sftp_server: SFTPServer, tmp_path: Path, home: Path, default: bool
) -> None:
    file = home / ".ssh/known_hosts" if default else tmp_path / "new/deep/hosts"
    options = {} if default else {"host_keys_path": str(file)}
    connect(sftp_server, host_key_policy="tofu", **options)
    expected = f"[{sftp_server.host}]:{sftp_server.port} {sftp_server.host_key}\n"
    assert file.read_text() == expected
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    connect(sftp_server, host_key_policy="TRUST_ON_FIRST_USE", **options)
    assert file.read_text() == expected
    connect(sftp_server, host_key_policy="strict", **options)


def test_tofu_refuses_a_key_that_changed_and_keeps_the_file(
    sftp_server: SFTPServer, tmp_path: Path, impostor: str
) -> None:
    file = tmp_path / "hosts"
    file.write_text(impostor)
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        connect(sftp_server, host_key_policy="tofu", host_keys_path=str(file))
    assert file.read_text() == impostor


def test_tofu_refuses_a_host_known_by_a_key_of_another_kind(
    sftp_server: SFTPServer, tmp_path: Path
) -> None:
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()
    file = tmp_path / "hosts"
    line = f"[{sftp_server.host}]:{sftp_server.port} {other.strip()}\n"
    file.write_text(line)
    # Only the known kind is asked for; a server without it hangs up.
    with pytest.raises((asyncssh.HostKeyNotVerifiable, asyncssh.ConnectionLost)):
        connect(sftp_server, host_key_policy="tofu", host_keys_path=str(file))
    assert file.read_text() == line


def test_tofu_keeps_what_others_wrote_into_the_file(
    sftp_server: SFTPServer, tmp_path: Path
) -> None:
    file = tmp_path / "hosts"
    before = f"# by hand\nelsewhere.example {OTHER_KEY}"
    file.write_text(before)
    connect(sftp_server, host_key_policy="tofu", host_keys_path=str(file))
    assert file.read_text().startswith(before + "\n[")
    assert file.read_text().count(sftp_server.host_key) == 1


def test_first_use_by_many_at_once_writes_one_line(sftp_server: SFTPServer, tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(connect, sftp_server, host_key_policy="tofu", host_keys_path=str(file))
            for _ in range(8)
        ]
        for call in calls:
            call.result()
    assert len(file.read_text().splitlines()) == 1


def test_first_use_is_logged_with_the_fingerprint(
    sftp_server: SFTPServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connect(sftp_server, host_key_policy="tofu", host_keys_path=str(tmp_path / "hosts"))
    fingerprint = asyncssh.import_public_key(sftp_server.host_key).get_fingerprint()
    assert fingerprint in caplog.text


def test_the_client_maker_survives_a_pickle(sftp_server: SFTPServer, tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    location = resolve_location(
        backend_type="sftp",
        backend_options={
            "host": sftp_server.host,
            "port": sftp_server.port,
            "username": sftp_server.username,
            "pkey": str(sftp_server.client_key),
            "host_key_policy": "tofu",
            "host_keys_path": str(file),
        },
    )
    options = dict(location.target().options)
    options["client_factory"] = pickle.loads(pickle.dumps(options["client_factory"]))
    assert isinstance(options["client_factory"], FirstUse)
    look(options, str(sftp_server.folder))
    assert sftp_server.host_key in file.read_text()


def test_tofu_says_when_its_file_cannot_be_written(sftp_server: SFTPServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"host_keys_path: .* cannot be written"):
        connect(
            sftp_server, host_key_policy="tofu", host_keys_path=str(tmp_path / "file" / "hosts")
        )


def test_auto_believes_any_key(sftp_server: SFTPServer, home: Path) -> None:
    connect(sftp_server, host_key_policy="auto")
    connect(sftp_server, host_key_policy="AUTO_ADD")
    assert not home.exists()


@pytest.mark.parametrize("policy", ["auto", "tofu"])
def test_known_hosts_written_as_text_still_bind_their_own_host(
    sftp_server: SFTPServer, home: Path, impostor: str, policy: str
) -> None:
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        connect(sftp_server, host_key_policy=policy, known_host_keys=impostor)
    connect(
        sftp_server,
        host_key_policy=policy,
        known_host_keys=f"elsewhere.example {OTHER_KEY}",
    )
    assert not home.exists()


def test_a_url_verifies_by_the_users_known_hosts(sftp_server: SFTPServer, home: Path) -> None:
    url = f"sftp://{sftp_server.username}@{sftp_server.host}:{sftp_server.port}{sftp_server.folder}"
    options = {"client_keys": [str(sftp_server.client_key)]}
    target = resolve_location(url=url, storage_options=options).target()
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        look(target.options, target.base)
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/known_hosts").write_text(sftp_server.known_hosts_line(sftp_server.port))
    look(target.options, target.base)


def test_the_policy_may_be_remote_stores_own_enumeration(sftp_server: SFTPServer) -> None:
    backends = pytest.importorskip("remote_store.backends", reason="needs Python 3.11")
    connect(sftp_server, host_key_policy=backends.SFTPUtils.HostKeyPolicy.AUTO_ADD)
