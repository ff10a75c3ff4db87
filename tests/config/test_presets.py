"""Every configuration of docs/reference/presets.md, built with the real libraries."""

from __future__ import annotations

import base64
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh
import fsspec
import pytest
import yaml
from fsspec.asyn import get_loop, sync

from remote_store_fsspec.location import resolve_location

if TYPE_CHECKING:
    from remote_store_fsspec.backends.base import Target

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "presets.md"
CANARY = "canary-2f6d80a9"
KEY = asyncssh.generate_private_key("ssh-ed25519")
VALUES = {
    "AZURE_KEY": base64.b64encode(b"k" * 32).decode(),
    "AZURE_SAS": f"sv=2024&sig={CANARY}",
    "AZURE_CONNECTION": (
        "DefaultEndpointsProtocol=https;AccountName=myaccount;"
        f"AccountKey={base64.b64encode(b'k' * 32).decode()};EndpointSuffix=core.windows.net"
    ),
    "GCS_JSON": json.dumps({"type": "service_account", "private_key": CANARY}),
    "SSH_PEM": KEY.export_private_key("pkcs8-pem").decode(),
    "SSH_HOST_KEY": "files.example " + KEY.export_public_key().decode(),
}


def blocks() -> list[tuple[str, dict[str, Any]]]:
    """The YAML blocks of the page, each under the words before it."""
    pieces = PAGE.read_text("utf-8").split("```yaml\n")
    found = []
    for before, piece in pairwise(pieces):
        words = before.rpartition("```")[2].strip().splitlines()
        title = words[-1].strip(" :#") if words else "another"
        found.append((title, yaml.safe_load(piece.partition("```")[0])))
    return found


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with the files that the page names, and its variables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_text(VALUES["SSH_HOST_KEY"])
    (tmp_path / ".ssh/config").write_text(
        "Host files\n  HostName files.example\n  ProxyJump me@jump.example\n"
    )
    (tmp_path / "ca.pem").write_text("x")
    KEY.write_private_key("id_ed25519")
    (tmp_path / "aws").write_text("[profile logging]\nregion = eu-west-3\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
    (tmp_path / "remote-store.toml").write_text(
        '[backends.b]\ntype = "local"\noptions.root = "x"\n[stores.logs]\nbackend = "b"\n'
    )
    for name in re.findall(r"env: (\w+)", PAGE.read_text("utf-8")):
        monkeypatch.setenv(name, VALUES.get(name, f"{CANARY}-{name}"))


def seen(target: Target) -> dict[str, Any]:
    """What the real library makes of it, without a connection."""
    if target.protocol in ("s3", "s3a"):
        inner = fsspec.filesystem("s3", skip_instance_cache=True, **target.options)
        inner.connect()
        client = inner.s3
        inner.close_session(inner.loop, inner._s3creator)
        return {"endpoint": client.meta.endpoint_url, "region": client.meta.region_name} | {
            name: getattr(inner, name)
            for name in ("key", "secret", "token", "s3_additional_kwargs", "fixed_upload_size")
        }
    if target.protocol in ("abfs", "az", "abfss"):
        inner = fsspec.filesystem("abfs", skip_instance_cache=True, **target.options)
        sync(get_loop(), inner.service_client.close)
        for credential in (inner.credential, inner.sync_credential):
            closing = credential.close() if hasattr(credential, "close") else None
            if closing is not None:
                sync(get_loop(), lambda coroutine=closing: coroutine)
        return {"url": inner.service_client.url, "credential": type(inner.credential).__name__}
    if target.protocol == "sftp":
        options = asyncssh.SSHClientConnectionOptions(**{"config": (), **target.options})
        keys = [pair.public_data for pair in options.client_keys or []]
        return {
            "host": options.host,
            "user": options.username,
            "keys": keys,
            "known_hosts": options.known_hosts,
            "password": options.password,
            "tunnel": options.tunnel,
        }
    return dict(target.options)


EXPECTED: list[tuple[str, str, dict[str, Any]]] = [
    ("s3", "my-logs-bucket", {"region": "eu-central-1", "key": None}),
    ("s3", "my-logs-bucket/dagster", {"region": "eu-west-3"}),
    ("s3", "my-logs-bucket", {"token": f"{CANARY}-AWS_TOKEN", "secret": f"{CANARY}-AWS_SECRET"}),
    (
        "s3",
        "my-logs-bucket",
        {
            "s3_additional_kwargs": {
                "ServerSideEncryption": "aws:kms",
                "SSEKMSKeyId": "alias/logs",
                "StorageClass": "STANDARD_IA",
            }
        },
    ),
    ("s3", "my-logs-bucket", {"endpoint": "https://s3.internal.example"}),
    ("s3", "my-logs-bucket", {"endpoint": "http://minio.internal:9000"}),
    (
        "s3",
        "my-logs-bucket",
        {
            "endpoint": "https://ACCOUNT.r2.cloudflarestorage.com",
            "fixed_upload_size": True,
            "region": "auto",
        },
    ),
    ("abfs", "logs", {"credential": "DefaultAzureCredential"}),
    ("abfs", "logs", {"url": "https://myaccount.blob.core.windows.net/"}),
    ("abfs", "logs", {"url": f"https://myaccount.blob.core.windows.net/?sv=2024&sig={CANARY}"}),
    ("abfs", "logs", {"url": "https://myaccount.blob.core.windows.net/"}),
    ("abfs", "logs/dagster", {"credential": "ClientSecretCredential"}),
    ("gs", "my-logs-bucket/dagster", {}),
    (
        "gs",
        "my-logs-bucket/dagster",
        {"token": {"type": "service_account", "private_key": CANARY}},
    ),
    ("sftp", "/srv/logs", {"user": "dagster", "keys": [KEY.public_data]}),
    (
        "sftp",
        "/srv/logs",
        {"keys": [KEY.public_data], "known_hosts": VALUES["SSH_HOST_KEY"].encode()},
    ),
    ("sftp", "/srv/logs", {"host": "files.example", "password": None}),
    ("sftp", "/", {"password": f"{CANARY}-SSH_PASSWORD", "keys": []}),
    ("sftp", "/srv/logs", {"tunnel": "me@jump.example", "user": "dagster"}),
    ("sftp", "/srv/logs", {"host": "files.example", "tunnel": "me@jump.example"}),
    ("sftp", "/", {"known_hosts": "known_hosts"}),
    ("file", "{place}/logs", {}),
    ("ftp", "/logs", {"username": "dagster", "port": 21, "host": "files.example"}),
    ("webdav", "logs", {"auth": ("dagster", f"{CANARY}-WEBDAV_PASSWORD")}),
    ("file", "{place}/x/dagster", {}),
]


def test_every_block_of_the_page_is_expected() -> None:
    assert PAGE.read_text("utf-8").count("```yaml") == len(blocks()) == len(EXPECTED)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(block, expected, id=f"{number}-{title}")
        for number, ((title, block), expected) in enumerate(zip(blocks(), EXPECTED, strict=False))
    ],
)
def test_a_ready_made_configuration_is_what_it_says(
    config: dict[str, Any], expected: tuple[str, str, dict[str, Any]], tmp_path: Path
) -> None:
    location = resolve_location(**config)
    location.require(purpose="compute logs")
    assert not location.holds_secrets
    assert CANARY not in f"{location!r}{location.describe()}{location.display_url}"
    target = location.target()
    protocol, base, facts = expected
    assert (target.protocol, target.base) == (protocol, base.format(place=tmp_path))
    found = seen(target)
    assert {name: found[name] for name in facts} == facts
