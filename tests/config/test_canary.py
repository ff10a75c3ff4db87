"""A secret planted in every option of every backend, and every place searched for it.

Searched, for each: ``repr`` and ``str`` of the location, its target and its filesystem,
``describe()``, ``display_url``, ``to_json()``, ``storage_options``, the instance cache's
keys, formatted tracebacks with captured locals, log records at every level of ours and at
INFO and above of the storage libraries; for references to the environment and named stores
also pickles and the command lines of child processes.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import pickle
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from remote_store_fsspec.errors import RemoteStoreError
from remote_store_fsspec.filesystem import RemoteStoreFileSystem
from remote_store_fsspec.location import resolve_location
from remote_store_fsspec.options import BACKEND_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "canary7f3e9b1cdeadbeef"
_KEY = asyncssh.generate_private_key("ssh-ed25519")
PEM = _KEY.export_private_key("pkcs8-pem").decode()
PEM_BODY = PEM.splitlines()[1][:24]
HIDDEN = (CANARY, PEM_BODY)

_S3 = {"bucket": "logs", "endpoint_url": "http://127.0.0.1:1", "retry": {"max_attempts": 1}}
_AZURE = {"container": "logs", "account_url": "http://127.0.0.1:1/acc"}
_SFTP = {"host": "127.0.0.1", "port": 1, "host_key_policy": "auto"}
_CONNECTION = (
    "DefaultEndpointsProtocol=http;AccountName=acc;"
    f"AccountKey={CANARY};BlobEndpoint=http://127.0.0.1:1/acc;"
)


def _backend(backend_type: str, **options: Any) -> dict[str, Any]:
    bases: dict[str, dict[str, Any]] = {"s3": _S3, "azure": _AZURE, "sftp": _SFTP}
    return {
        "backend_type": backend_type,
        "backend_options": {**bases[backend_type], **options},
    }


PLANTED: dict[str, dict[str, Any]] = {
    "s3.key": _backend("s3", key=CANARY, secret=CANARY),
    "s3.endpoint_url": _backend("s3", endpoint_url=f"http://me:{CANARY}@127.0.0.1:1"),
    "s3.client_options.token": _backend(
        "s3", key=CANARY, secret=CANARY, client_options={"token": CANARY}
    ),
    "s3.client_options.client_kwargs": _backend(
        "s3",
        client_options={
            "client_kwargs": {
                "aws_access_key_id": CANARY,
                "aws_secret_access_key": CANARY,
                "aws_session_token": CANARY,
            }
        },
    ),
    "s3.client_options.s3_additional_kwargs": _backend(
        "s3",
        key=CANARY,
        secret=CANARY,
        client_options={"s3_additional_kwargs": {"SSECustomerKey": CANARY}},
    ),
    "s3.client_options.config_kwargs": _backend(
        "s3",
        key=CANARY,
        secret=CANARY,
        client_options={"config_kwargs": {"proxies": {"http": f"http://me:{CANARY}@127.0.0.1:1"}}},
    ),
    "azure.account_key": _backend("azure", account_key=CANARY),
    "azure.sas_token": _backend("azure", sas_token=f"sv=1&sig={CANARY}"),
    "azure.connection_string": _backend("azure", connection_string=_CONNECTION),
    "sftp.password": _backend("sftp", password=CANARY),
    "sftp.pkey": _backend("sftp", pkey=PEM),
    "sftp.connect_kwargs.passphrase": _backend(
        "sftp",
        pkey=_KEY.export_private_key("pkcs8-pem", CANARY).decode(),
        connect_kwargs={"passphrase": CANARY},
    ),
    "url user": {"url": f"sftp://me:{CANARY}@127.0.0.1:1/x", "storage_options": {}},
    "url user of ftp": {"url": f"ftp://me:{CANARY}@127.0.0.1:1/x", "storage_options": {}},
    "url chain": {"url": f"dir://x::ftp://me:{CANARY}@127.0.0.1:1/x", "storage_options": {}},
    "storage_options of s3": {
        "url": "s3://logs",
        "storage_options": {"key": CANARY, "secret": CANARY, "token": CANARY},
    },
    "storage_options of azure": {
        "url": "abfs://logs",
        "storage_options": {"account_name": "acc", "account_key": CANARY},
    },
    "storage_options of azure, service principal": {
        "url": "abfs://logs",
        "storage_options": {
            "account_name": "acc",
            "tenant_id": "t",
            "client_id": "c",
            "client_secret": CANARY,
        },
    },
    "storage_options of sftp": {
        "url": "sftp://127.0.0.1:1/x",
        "storage_options": {"username": "me", "password": CANARY, "passphrase": CANARY},
    },
    "storage_options of gcs": {
        "url": "gs://logs",
        "storage_options": {"token": json.dumps({"private_key": CANARY})},
    },
    "storage_options of webdav": {
        "url": "webdav://logs",
        "storage_options": {"base_url": "http://127.0.0.1:1", "auth": ["me", CANARY]},
    },
    "storage_options of a chain": {
        "url": "dir://x::ftp://127.0.0.1:1/x",
        "storage_options": {"ftp": {"username": "me", "password": CANARY}},
    },
    "headers": {
        "url": "webdav://logs",
        "storage_options": {
            "base_url": "http://127.0.0.1:1",
            "headers": {"Authorization": f"Bearer {CANARY}", "X-Other": CANARY},
        },
    },
}


def clean(place: str, shown: object) -> None:
    for secret in HIDDEN:
        assert secret not in str(shown), f"shown in {place}"


def trace_of(error: BaseException | None) -> Iterator[str]:
    """What a crash reporter shows: the chain of causes, with the locals of our own frames.

    The frames of the storage libraries hold the secrets they work with, whoever calls them.
    """
    while error is not None:
        yield "".join(traceback.format_exception_only(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "remote_store_fsspec" in frame.f_code.co_filename:
                yield from (f"{frame.f_code.co_name}: {item!r}" for item in frame.f_locals.values())
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_secret_is_shown_nowhere(name: str, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("remote_store_fsspec").setLevel(logging.DEBUG)
    caplog.set_level(logging.INFO)
    config = PLANTED[name]
    location = resolve_location(**config)
    for place, shown in {
        "repr": repr(location),
        "str": str(location),
        "format": f"{location}",
        "describe": location.describe(),
        "display_url": location.display_url,
        "variables": location.variables,
        "keywords' repr": repr(location.keywords()),
    }.items():
        clean(place, shown)
    target = location.target()
    clean("repr of the target", repr(target))
    clean("the target's display_url", target.display_url)
    assert any(secret in repr(_revealed(target)) for secret in HIDDEN), "it arrives where it must"
    clean("log records", caplog.text)


def _revealed(target: Any) -> list[Any]:
    keys = [
        key.export_private_key("pkcs8-pem").decode()
        for key in target.options.get("client_keys", [])
        if hasattr(key, "export_private_key")
    ]
    return [dict(target.options), target.url, keys]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_secret_is_not_shown_by_the_filesystem_nor_by_its_failure(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fs = RemoteStoreFileSystem(**PLANTED[name], timeout=3.0)
    try:
        for place, shown in {
            "repr": repr(fs),
            "str": str(fs),
            "to_json": fs.to_json(),
            "storage_options": fs.storage_options,
            "storage_args": fs.storage_args,
            "fsid": fs.fsid,
            "display_url": fs.display_url("a/b"),
            "unstrip_protocol": fs.unstrip_protocol("a/b"),
            "instance cache": list(type(fs)._cache),
        }.items():
            clean(place, shown)
        if "gcs" not in name and "storage_options of" not in name:
            with pytest.raises(RemoteStoreError) as caught:
                fs.cat_file("a/b")
            clean("the error", caught.value)
            for shown in trace_of(caught.value):
                clean("the chain of causes and our locals", shown)
        clean("log records", caplog.text)
    finally:
        fs.close()


@pytest.mark.parametrize("name", [name for name in PLANTED if name != "url chain"])
def test_a_reference_to_the_environment_keeps_pickles_and_json_clean(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, variables = _with_references(PLANTED[name])
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    location = resolve_location(**config)
    location.target()
    clean("pickle of the location", pickle.dumps(location))
    assert not location.holds_secrets
    fs = RemoteStoreFileSystem(**config, timeout=3.0)
    try:
        clean("pickle of the filesystem", pickle.dumps(fs))
        clean("to_json", fs.to_json())
        again = pickle.loads(pickle.dumps(fs))
        assert again.location == location
        assert again.location.target().display_url == location.display_url
    finally:
        fs.close()


def _with_references(config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The configuration with every text that holds a secret replaced by ``{env: ...}``."""
    variables: dict[str, str] = {}

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replaced(item) for key, item in value.items()}
        if isinstance(value, list):
            return [replaced(item) for item in value]
        if isinstance(value, str) and any(secret in value for secret in (*HIDDEN, "ENCRYPTED")):
            name = f"CANARY_{len(variables)}"
            variables[name] = value
            return {"env": name}
        return value

    return replaced(config), variables


def test_two_passwords_never_share_an_instance() -> None:
    def opened(password: str) -> RemoteStoreFileSystem:
        config = _backend("sftp", password=password)
        return pickle.loads(pickle.dumps(RemoteStoreFileSystem(**config)))

    first, second = opened("first-password"), opened("second-password")
    assert first is not second
    assert first.location != second.location
    assert first.location.target().options["password"] == "first-password"
    assert second.location.target().options["password"] == "second-password"


def _report(fs: RemoteStoreFileSystem, queue: Any) -> None:
    queue.put((fs.location.target().options["password"], Path("/proc/self/cmdline").read_bytes()))


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("how", ["environment", "named store"])
def test_a_child_process_gets_the_secret_and_its_command_line_does_not(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_PASSWORD", CANARY)
    if how == "environment":
        config = _backend("sftp", password={"env": "CANARY_PASSWORD"})
    else:
        file = tmp_path / "stores.toml"
        file.write_text(
            '[backends.b]\ntype = "sftp"\noptions.host = "h"\noptions.host_key_policy = "auto"\n'
            'options.password = "${CANARY_PASSWORD}"\n[stores.logs]\nbackend = "b"\n'
        )
        config = {"url": "remote-store://logs", "storage_options": {"config": str(file)}}
    fs = RemoteStoreFileSystem(**config)
    clean("the pickle that is handed over", pickle.dumps(fs))
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_report, args=(fs, queue))
    child.start()
    password, command_line = queue.get(timeout=60)
    child.join(60)
    assert password == CANARY
    clean("the child's command line", command_line)


def test_every_option_that_can_hold_a_secret_is_planted() -> None:
    from remote_store_fsspec.secrets import is_sensitive

    for backend_type, cls in BACKEND_TYPES.items():
        for option in cls.fields():
            if is_sensitive(option) and option not in ("secret", "credential"):
                assert f"{backend_type.removesuffix('-pyarrow')}.{option}" in PLANTED
