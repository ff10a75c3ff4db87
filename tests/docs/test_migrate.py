"""Every block of the migration guide is a configuration that loads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import yaml
from dagster._core.instance.ref import InstanceRef

from remote_store_fsspec.dagster import RemoteStoreComputeLogManager

GUIDE = Path(__file__).parents[2] / "docs/guide/migrate.md"
BLOCKS = [
    yaml.safe_load(block)
    for block in re.findall(
        r"^```yaml\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
]


def test_the_guide_has_its_blocks() -> None:
    assert len(BLOCKS) >= 18


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the blocks refer to: keys, files and variables."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    private = key.export_private_key(passphrase="open sesame").decode()
    (tmp_path / "key").write_text(private)
    (tmp_path / "hosts").write_text(f"* {key.export_public_key().decode()}")
    (tmp_path / "ca.pem").write_text("")
    (tmp_path / "aws").write_text("[profile logs-writer]\nregion = eu-west-1\n")
    (tmp_path / "stores.toml").write_text(
        f'[backends.disk]\ntype = "local"\noptions.root = "{tmp_path}/disk"\n'
        '[stores.logs]\nbackend = "disk"\n'
    )
    values = {
        "AWS_CONFIG_FILE": tmp_path / "aws",
        "AZURE_LOGS_KEY": "a2V5",
        "AZURE_TENANT": "11111111-1111-1111-1111-111111111111",
        "AZURE_CLIENT": "22222222-2222-2222-2222-222222222222",
        "AZURE_CLIENT_SECRET": "client-secret",
        "COMPANY_CA_FILE": tmp_path / "ca.pem",
        "GCP_SERVICE_ACCOUNT_JSON": '{"type": "service_account"}',
        "LOGS_CONNECTION_STRING": "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=a2V5",
        "LOGS_KEY": "access-key",
        "LOGS_SAS": "sv=2024&sig=abc",
        "LOGS_SECRET": "secret-key",
        "LOGS_SESSION_TOKEN": "session-token",
        "SFTP_PASSWORD": "password",
        "SFTP_SERVER_KEY": (tmp_path / "hosts").read_text(),
        "SSH_HOSTS_FILE": tmp_path / "hosts",
        "SSH_KEY_FILE": tmp_path / "key",
        "SSH_KEY_PASSPHRASE": "open sesame",
        "SSH_PRIVATE_KEY": key.export_private_key().decode(),
        "STORES_FILE": tmp_path / "stores.toml",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    return tmp_path


@pytest.mark.parametrize("block", BLOCKS, ids=[str(number) for number in range(len(BLOCKS))])
def test_a_block_of_the_guide_loads(block: dict[str, Any], surroundings: Path) -> None:
    block["compute_logs"]["config"]["local_dir"] = str(surroundings / "staging")
    home = surroundings / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(yaml.safe_dump(block))
    manager = InstanceRef.from_dir(str(home)).compute_log_manager
    assert isinstance(manager, RemoteStoreComputeLogManager)
    secrets = ("secret-key", "session-token", "open sesame", "client-secret", "sig=abc")
    assert not any(secret in repr(manager.inst_data) + repr(manager) for secret in secrets)
    manager.dispose()
