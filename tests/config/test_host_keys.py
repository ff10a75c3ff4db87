"""Host key policies against a real sshd, as the filesystem opens it."""

from __future__ import annotations

import fcntl
import json
import pickle
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from remote_store_fsspec.errors import AccessDeniedError, ConfigError
from remote_store_fsspec.filesystem import RemoteStoreFileSystem
from remote_store_fsspec.location import resolve_location
from remote_store_fsspec.options._host_keys import FirstUse, KnownHosts

if TYPE_CHECKING:
    from devservers import SFTPServer

pytestmark = pytest.mark.server
OTHER_KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


def options_for(server: SFTPServer, **options: Any) -> dict[str, Any]:
    return {
        "host": server.host,
        "port": server.port,
        "username": server.username,
        "pkey": server.client_key.read_text(),
        "base_path": str(server.folder),
        **options,
    }


def look(**config: Any) -> None:
    fs = RemoteStoreFileSystem(**config, skip_instance_cache=True)
    try:
        fs.ls("")
    finally:
        fs.close()


def connect(server: SFTPServer, **options: Any) -> None:
    look(backend_type="sftp", backend_options=options_for(server, **options))


def refusal(server: SFTPServer, **options: Any) -> str:
    with pytest.raises(AccessDeniedError) as caught:
        connect(server, **options)
    assert isinstance(caught.value.__cause__, asyncssh.HostKeyNotVerifiable)
    return str(caught.value)


def a_key(kind: str) -> str:
    return asyncssh.generate_private_key(kind).export_public_key().decode().strip()


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
    message = refusal(sftp_server, known_host_keys=impostor)
    assert "changed: the server shows ssh-ed25519 SHA256:" in message
    assert "given as text, line 1" in message


def test_strict_refuses_a_host_that_is_not_known(sftp_server: SFTPServer, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(f"elsewhere.example {OTHER_KEY}\n")
    message = refusal(sftp_server, host_keys_path=str(tmp_path / "hosts"))
    shown = asyncssh.import_public_key(sftp_server.host_key).get_fingerprint()
    assert shown in message
    assert f"{tmp_path}/hosts has no line" in message
    assert f"ssh-keyscan -p {sftp_server.port} {sftp_server.host}" in message


def test_an_empty_file_of_known_hosts_knows_nobody(
    sftp_server: SFTPServer, tmp_path: Path, home: Path
) -> None:
    # asyncssh takes an empty value for "use the default file": that must not happen here.
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/known_hosts").write_text(sftp_server.known_hosts_line(sftp_server.port))
    (tmp_path / "hosts").write_text("")
    assert "not a known one" in refusal(sftp_server, host_keys_path=str(tmp_path / "hosts"))


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
    message = refusal(sftp_server, host_key_policy="tofu", host_keys_path=str(file))
    assert "changed: the server shows ssh-ed25519 SHA256:" in message
    assert f"{file}, line 1" in message
    assert file.read_text() == impostor


@pytest.mark.parametrize("kind", ["ecdsa-sha2-nistp256", "ssh-rsa"])
@pytest.mark.parametrize("policy", ["strict", "tofu", "url"])
def test_a_host_known_by_a_key_of_another_kind_only_is_refused_and_says_which(
    sftp_server: SFTPServer, tmp_path: Path, policy: str, kind: str
) -> None:
    # asyncssh would ask for the known kind alone, and the server hang up: an outage, it seems.
    file = tmp_path / "hosts"
    text = f"# by hand\n[{sftp_server.host}]:{sftp_server.port} {a_key(kind)}\n"
    file.write_text(text)
    if policy == "url":
        with pytest.raises(AccessDeniedError) as caught:
            look(**url_config(sftp_server, known_hosts=str(file)))
        message = str(caught.value)
    else:
        message = refusal(sftp_server, host_key_policy=policy, host_keys_path=str(file))
    assert "is of another kind: the server shows ssh-ed25519 SHA256:" in message
    assert f"and {kind} is known ({file}, line 2)" in message
    assert "on purpose" in message
    assert file.read_text() == text


@pytest.mark.parametrize("policy", ["strict", "tofu"])
def test_of_several_kinds_that_are_known_one_is_enough(
    sftp_server: SFTPServer, tmp_path: Path, policy: str
) -> None:
    file = tmp_path / "hosts"
    name = f"[{sftp_server.host}]:{sftp_server.port}"
    file.write_text(f"{name} {a_key('ssh-rsa')}\n{name} {sftp_server.host_key}\n")
    connect(sftp_server, host_key_policy=policy, host_keys_path=str(file))


@pytest.mark.parametrize("place", ["text", "file", "url"])
def test_a_line_that_cannot_be_read_is_named(
    sftp_server: SFTPServer, tmp_path: Path, place: str
) -> None:
    file = tmp_path / "hosts"
    text = f"{sftp_server.known_hosts_line(sftp_server.port)}\n@wrong line here\n"
    file.write_text(text)
    backend = {"text": {"known_host_keys": text}, "file": {"host_keys_path": str(file)}}
    config = (
        url_config(sftp_server, known_hosts=str(file))
        if place == "url"
        else {
            "backend_type": "sftp",
            "backend_options": options_for(sftp_server, **backend[place]),
        }
    )
    with pytest.raises(ConfigError, match="line 2 is not a known-hosts entry"):
        look(**config)


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


_FIRST_USE = """
import json, sys
from remote_store_fsspec.filesystem import RemoteStoreFileSystem
fs = RemoteStoreFileSystem(backend_type="sftp", backend_options=json.loads(sys.argv[1]))
fs.ls("")
fs.close()
"""


def waiting_for(file: Path) -> int:
    """How many processes wait for the lock of a file, by Linux's table of locks."""
    inode = f":{file.stat().st_ino}"
    lines = Path("/proc/locks").read_text().splitlines()
    return sum("->" in line and line.split()[-3].endswith(inode) for line in lines)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="needs Linux's /proc")
def test_first_use_by_many_processes_at_once_writes_one_line(
    sftp_server: SFTPServer, tmp_path: Path
) -> None:
    file = tmp_path / "hosts"
    file.touch(0o600)
    options = options_for(
        sftp_server, host_key_policy="tofu", host_keys_path=str(file), timeout=100
    )
    command = [sys.executable, "-c", _FIRST_USE, json.dumps(options)]
    with file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(8)]
        try:
            while waiting_for(file) < len(processes):
                ended = [process for process in processes if process.poll() is not None]
                assert not ended, "it did not wait for the lock"
                time.sleep(0.05)
            assert file.read_bytes() == b""
            fcntl.flock(held, fcntl.LOCK_UN)
            errors = [process.communicate(timeout=100)[1] for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.wait()
    assert [process.returncode for process in processes] == [0] * 8, errors
    assert file.read_text() == sftp_server.known_hosts_line(sftp_server.port) + "\n"


def test_first_use_is_logged_with_the_fingerprint(
    sftp_server: SFTPServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connect(sftp_server, host_key_policy="tofu", host_keys_path=str(tmp_path / "hosts"))
    fingerprint = asyncssh.import_public_key(sftp_server.host_key).get_fingerprint()
    assert fingerprint in caplog.text


@pytest.mark.parametrize("policy", ["strict", "tofu"])
def test_the_client_maker_survives_a_pickle(
    sftp_server: SFTPServer, tmp_path: Path, policy: str
) -> None:
    file = sftp_server.known_hosts if policy == "strict" else tmp_path / "hosts"
    options = options_for(sftp_server, host_key_policy=policy, host_keys_path=str(file))
    target = resolve_location(backend_type="sftp", backend_options=options).target()
    made = target.options["client_factory"]
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is type(made) is (KnownHosts if policy == "strict" else FirstUse)
    assert again.files == made.files == (str(file),)


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
    refusal(sftp_server, host_key_policy=policy, known_host_keys=impostor)
    connect(
        sftp_server,
        host_key_policy=policy,
        known_host_keys=f"elsewhere.example {OTHER_KEY}",
    )
    assert not home.exists()


def url_config(server: SFTPServer, **options: Any) -> dict[str, Any]:
    return {
        "url": f"sftp://{server.username}@{server.host}:{server.port}{server.folder}",
        "storage_options": {"client_keys": [str(server.client_key)], **options},
    }


def test_a_url_verifies_by_the_users_known_hosts(sftp_server: SFTPServer, home: Path) -> None:
    with pytest.raises(AccessDeniedError, match="not a known one"):
        look(**url_config(sftp_server))
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/known_hosts").write_text(sftp_server.known_hosts_line(sftp_server.port))
    look(**url_config(sftp_server))


def test_a_url_reads_the_known_hosts_that_the_users_ssh_config_names(
    sftp_server: SFTPServer, tmp_path: Path
) -> None:
    config = tmp_path / "ssh_config"
    config.write_text(f"UserKnownHostsFile {sftp_server.known_hosts}\n")
    look(**url_config(sftp_server, config=[str(config)]))
    empty = tmp_path / "empty"
    empty.write_text("")
    config.write_text(f"UserKnownHostsFile {empty}\n")
    with pytest.raises(AccessDeniedError, match=f"{empty} has no line"):
        look(**url_config(sftp_server, config=[str(config)]))


def test_the_policy_may_be_remote_stores_own_enumeration(sftp_server: SFTPServer) -> None:
    backends = pytest.importorskip("remote_store.backends", reason="needs Python 3.11")
    connect(sftp_server, host_key_policy=backends.SFTPUtils.HostKeyPolicy.AUTO_ADD)
