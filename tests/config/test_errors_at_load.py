"""Wrong configurations and the sentence each gets: it names the field and the fix."""

from __future__ import annotations

import builtins
import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from remote_store_fsspec.errors import ConfigError, MissingExtraError
from remote_store_fsspec.location import resolve_location
from tests.dagster.home import Home

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary-11d0c3a4"
S3 = {"bucket": "logs"}
AZURE = {"container": "logs", "account_name": "acc"}
SFTP = {"host": "h", "host_key_policy": "auto"}

WRONG: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    ("neither", {}, "backend_type", ("backend_type", "url", "write")),
    ("both", {"backend_type": "s3", "url": "s3://b"}, "url", ("both", "remove one")),
    ("empty url", {"url": " "}, "url", ("empty", "s3://bucket")),
    ("url of a wrong type", {"url": 3}, "url", ("text", "int")),
    ("type of a wrong type", {"backend_type": 3}, "backend_type", ("text", "int")),
    ("unknown type", {"backend_type": "s4"}, "backend_type", ("'s3'", "local", "sftp")),
    ("http", {"backend_type": "http"}, "backend_type", ("only read", "url: https")),
    ("sql-blob", {"backend_type": "sql-blob"}, "backend_type", ("database",)),
    ("sql-query", {"backend_type": "sql-query"}, "backend_type", ("rows",)),
    (
        "options of the other kind",
        {"url": "s3://b", "backend_options": S3},
        "backend_options",
        ("storage_options",),
    ),
    (
        "options of the other kind, the other way",
        {"backend_type": "s3", "backend_options": S3, "storage_options": {"key": CANARY}},
        "storage_options",
        ("write backend_options",),
    ),
    (
        "options that are no mapping",
        {"backend_type": "s3", "backend_options": [CANARY]},
        "backend_options",
        ("mapping", "list"),
    ),
    (
        "an option name that is no text",
        {"backend_type": "s3", "backend_options": {3: CANARY}},
        "backend_options",
        ("texts",),
    ),
    (
        "a root path that leaves",
        {"url": "memory://x", "root_path": "a/../../b"},
        "root_path",
        ("'..'", "below"),
    ),
    ("a root path of a wrong type", {"url": "memory://x", "root_path": 3}, "root_path", ("text",)),
    (
        "a config without a named store",
        {"url": "memory://x", "config": "x.toml"},
        "config",
        ("remote-store://",),
    ),
    ("unknown protocol", {"url": "s4://b"}, "url", ("'s4'", "'s3'")),
    ("no bucket", {"url": "s3://"}, "url", ("bucket", "s3://bucket/folder")),
    ("no container", {"url": "abfs:///x"}, "url", ("container",)),
    ("dots in a url", {"url": "s3://b/../c"}, "url", ("'..'",)),
    (
        "credentials in an s3 url",
        {"url": f"s3://AKIA:{CANARY}@b/x"},
        "url",
        ("storage_options", "credentials"),
    ),
    ("no host", {"url": "sftp:///srv"}, "url", ("host",)),
    ("bad port", {"url": f"sftp://u:{CANARY}@h:99999/srv"}, "url", ("port",)),
    ("port 0", {"url": "sftp://h:0/srv"}, "url", ("port",)),
    ("question mark", {"url": f"sftp://u:{CANARY}@h/a?b"}, "url", ("'?'",)),
    (
        "webdav without a server",
        {"url": "webdav://logs"},
        "storage_options.base_url",
        ("base_url",),
    ),
    (
        "missing bucket",
        {"backend_type": "s3", "backend_options": {}},
        "backend_options.bucket",
        ("missing", "bucket"),
    ),
    (
        "blank bucket",
        {"backend_type": "s3", "backend_options": {"bucket": " "}},
        "backend_options.bucket",
        ("empty",),
    ),
    (
        "a folder in the bucket",
        {"backend_type": "s3", "backend_options": {"bucket": "b/a"}},
        "backend_options.bucket",
        ("root_path",),
    ),
    (
        "misspelt option",
        {"backend_type": "s3", "backend_options": {**S3, "endpoint": CANARY}},
        "backend_options.endpoint",
        ("'endpoint_url'", "region_name"),
    ),
    (
        "wrong type of a secret",
        {"backend_type": "s3", "backend_options": {**S3, "secret": [CANARY]}},
        "backend_options.secret",
        ("text", "list"),
    ),
    (
        "wrong type of a mapping",
        {"backend_type": "s3", "backend_options": {**S3, "client_options": CANARY}},
        "backend_options.client_options",
        ("mapping", "text"),
    ),
    (
        "a truth value for a number",
        {"backend_type": "azure", "backend_options": {**AZURE, "max_concurrency": True}},
        "backend_options.max_concurrency",
        ("integer", "true/false"),
    ),
    (
        "no counterpart",
        {
            "backend_type": "s3",
            "backend_options": {**S3, "reject_write_under_file_ancestor": True},
        },
        "backend_options.reject_write_under_file_ancestor",
        ("cannot be honoured", "leave it out"),
    ),
    (
        "retry that is no policy",
        {"backend_type": "s3", "backend_options": {**S3, "retry": 3}},
        "backend_options.retry",
        ("max_attempts",),
    ),
    (
        "client option that adlfs would swallow",
        {
            "backend_type": "azure",
            "backend_options": {**AZURE, "client_options": {"conection_timeout": 3}},
        },
        "backend_options.client_options",
        ("'connection_timeout'",),
    ),
    (
        "blank host",
        {"backend_type": "sftp", "backend_options": {"host": ""}},
        "backend_options.host",
        ("empty",),
    ),
    (
        "a url as host",
        {"backend_type": "sftp", "backend_options": {**SFTP, "host": f"u:{CANARY}@h"}},
        "backend_options.host",
        ("username",),
    ),
    (
        "port of a wrong type",
        {"backend_type": "sftp", "backend_options": {**SFTP, "port": "22"}},
        "backend_options.port",
        ("integer", "text"),
    ),
    (
        "port out of range",
        {"backend_type": "sftp", "backend_options": {**SFTP, "port": 70000}},
        "backend_options.port",
        ("65535",),
    ),
    (
        "unknown policy",
        {"backend_type": "sftp", "backend_options": {**SFTP, "host_key_policy": "strickt"}},
        "backend_options.host_key_policy",
        ("'strict'", "tofu", "auto"),
    ),
    (
        "zero timeout",
        {"backend_type": "sftp", "backend_options": {**SFTP, "io_timeout": 0}},
        "backend_options.io_timeout",
        ("more than 0",),
    ),
    (
        "an own option among the connection's",
        {
            "backend_type": "sftp",
            "backend_options": {**SFTP, "connect_kwargs": {"password": CANARY}},
        },
        "backend_options.connect_kwargs",
        ("the option 'password'",),
    ),
    (
        "a connection keyword without a counterpart",
        {
            "backend_type": "sftp",
            "backend_options": {**SFTP, "connect_kwargs": {"disabled_algorithms": {}}},
        },
        "backend_options.connect_kwargs",
        ("disabled_algorithms", "key_filename"),
    ),
    (
        "memory takes nothing",
        {"backend_type": "memory", "backend_options": {"size": 3}},
        "backend_options.size",
        ("takes none",),
    ),
    (
        "blank root",
        {"backend_type": "local", "backend_options": {"root": ""}},
        "backend_options.root",
        ("empty",),
    ),
]


@pytest.mark.parametrize(
    ("config", "field", "words"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_a_wrong_configuration_is_one_sentence_that_names_the_field_and_the_fix(
    config: dict[str, Any], field: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_location(**config)
    message = str(caught.value)
    assert caught.value.field == field
    assert field.rpartition(".")[2] in message
    assert CANARY not in message
    assert "\n" not in message
    for word in words:
        assert word in message


LATER: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    (
        "half a pair",
        {"backend_type": "s3", "backend_options": {**S3, "key": CANARY}},
        "backend_options.secret",
        ("key is written", "both"),
    ),
    (
        "no such bundle",
        {"backend_type": "s3", "backend_options": {**S3, "tls_ca_bundle": "/nowhere.pem"}},
        "backend_options.tls_ca_bundle",
        ("/nowhere.pem", "existing"),
    ),
    (
        "a keyword s3fs would fail with at the first request",
        {"backend_type": "s3", "backend_options": {**S3, "client_options": {"tokn": CANARY}}},
        "backend_options.client_options.tokn",
        ("'token'", "s3fs"),
    ),
    (
        "a config object",
        {
            "backend_type": "s3",
            "backend_options": {**S3, "client_options": {"client_kwargs": {"config": 1}}},
        },
        "backend_options.client_options.client_kwargs.config",
        ("config_kwargs",),
    ),
    (
        "unknown retry value",
        {"backend_type": "s3", "backend_options": {**S3, "retry": {"max_attempt": 3}}},
        "backend_options.retry.max_attempt",
        ("'max_attempts'",),
    ),
    (
        "retry out of range",
        {"backend_type": "s3", "backend_options": {**S3, "retry": {"max_attempts": 0}}},
        "backend_options.retry.max_attempts",
        ("1 or more",),
    ),
    (
        "retry of a wrong type",
        {"backend_type": "s3", "backend_options": {**S3, "retry": {"max_attempts": "many"}}},
        "backend_options.retry.max_attempts",
        ("integer",),
    ),
    (
        "retry of azure",
        {"backend_type": "azure", "backend_options": {**AZURE, "retry": {"backoff_max": 9.0}}},
        "backend_options.retry.backoff_max",
        ("the Azure client", "leave it out"),
    ),
    (
        "no account",
        {"backend_type": "azure", "backend_options": {"container": "logs"}},
        "backend_options.account_name",
        ("account_name", "connection_string"),
    ),
    (
        "an account url that is none",
        {
            "backend_type": "azure",
            "backend_options": {
                "container": "c",
                "account_url": "ftp://acc",
                "account_key": CANARY,
            },
        },
        "backend_options.account_url",
        ("https://name.blob.core.windows.net",),
    ),
    (
        "a signature in the account url",
        {
            "backend_type": "azure",
            "backend_options": {
                "container": "c",
                "account_url": f"https://acc.blob.core.windows.net/?sig={CANARY}",
            },
        },
        "backend_options.account_url",
        ("sas_token",),
    ),
    (
        "a container in the account url",
        {
            "backend_type": "azure",
            "backend_options": {
                "container": "c",
                "account_url": "https://acc.blob.core.windows.net/c/x",
                "account_key": CANARY,
            },
        },
        "backend_options.account_url",
        ("container", "root_path"),
    ),
    (
        "plain http without a key",
        {
            "backend_type": "azure",
            "backend_options": {"container": "c", "account_url": "http://h/acc"},
        },
        "backend_options.account_url",
        ("account_key", "connection_string"),
    ),
    (
        "no known hosts",
        {"backend_type": "sftp", "backend_options": {"host": "h", "host_keys_path": "/nowhere"}},
        "backend_options.host_keys_path",
        ("ssh-keyscan", "known_host_keys", "tofu"),
    ),
    (
        "a key file that is not there",
        {"backend_type": "sftp", "backend_options": {**SFTP, "pkey": f"/nowhere/{CANARY}"}},
        "backend_options.pkey",
        ("path", "PEM"),
    ),
    (
        "a key that is none",
        {
            "backend_type": "sftp",
            "backend_options": {
                **SFTP,
                "pkey": f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
            },
        },
        "backend_options.pkey",
        ("private key",),
    ),
    (
        "a key of a wrong type",
        {"backend_type": "sftp", "backend_options": {**SFTP, "pkey": 3}},
        "backend_options.pkey",
        ("PEM text", "int"),
    ),
    (
        "an s3 keyword s3fs does not know",
        {"url": "s3://b", "storage_options": {"endpoint": CANARY}},
        "storage_options.endpoint",
        ("'endpoint_url'",),
    ),
    (
        "an adlfs keyword it would swallow",
        {"url": "az://c", "storage_options": {"acount_key": CANARY}},
        "storage_options.acount_key",
        ("'account_key'",),
    ),
    (
        "an ssh keyword asyncssh does not know",
        {"url": "sftp://h/x", "storage_options": {"pasword": CANARY}},
        "storage_options.pasword",
        ("'password'",),
    ),
    (
        "said twice and differently",
        {"url": f"sftp://u:{CANARY}@h/x", "storage_options": {"password": "other"}},
        "storage_options.password",
        ("write it once",),
    ),
    (
        "json that is none",
        {"url": "gs://b", "storage_options": {"token": "{" + CANARY}},
        "storage_options.token",
        ("JSON",),
    ),
]


@pytest.mark.parametrize(
    ("config", "field", "words"), [row[1:] for row in LATER], ids=[row[0] for row in LATER]
)
def test_what_only_the_library_knows_is_found_by_check(
    config: dict[str, Any], field: str, words: tuple[str, ...]
) -> None:
    location = resolve_location(**config)
    with pytest.raises(ConfigError) as caught:
        location.check()
    message = str(caught.value)
    assert caught.value.field == field
    assert CANARY not in message
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"backend_type": "local", "backend_options": {"root": "{file}/x"}}, "root"),
        ({"url": "file://{file}/x"}, "url"),
        ({"backend_type": "local", "backend_options": {"root": "{folder}"}}, "root_path"),
    ],
)
def test_a_folder_that_cannot_be_created_is_named(
    tmp_path: Path, config: dict[str, Any], field: str
) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        return value.format(file=file, folder=tmp_path)

    root = "file/x" if field == "root_path" else ""
    location = resolve_location(**filled(config), root_path=root)
    with pytest.raises(ConfigError, match="cannot be created") as caught:
        location.check()
    assert caught.value.field.endswith(field)
    assert "name another" in str(caught.value)


@pytest.mark.parametrize(
    ("library", "extra", "config"),
    [
        ("s3fs", "s3", {"backend_type": "s3", "backend_options": S3}),
        ("adlfs", "azure", {"backend_type": "azure", "backend_options": AZURE}),
        ("sshfs", "sftp", {"backend_type": "sftp", "backend_options": SFTP}),
        ("s3fs", "s3", {"url": "s3://b"}),
        ("adlfs", "azure", {"url": "abfs://c"}),
        ("adlfs", "azure", {"url": "abfss://c@a.dfs.core.windows.net"}),
        ("sshfs", "sftp", {"url": "sftp://h/x"}),
        ("gcsfs", "gcs", {"url": "gs://b"}),
        ("webdav4", "webdav", {"url": "webdav://x", "storage_options": {"base_url": "http://h"}}),
        ("s3fs", "s3", {"url": "simplecache::s3://b"}),
    ],
)
def test_a_missing_library_is_the_exact_pip_line(
    monkeypatch: pytest.MonkeyPatch, library: str, extra: str, config: dict[str, Any]
) -> None:
    # The one thing that cannot be real here: a library that is installed, and must not be.
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None: None if name == library else real(name, package),
    )
    with pytest.raises(MissingExtraError, match="pip install") as caught:
        resolve_location(**config)
    assert f'pip install "remote-store-fsspec[{extra}]"' in str(caught.value)
    assert isinstance(caught.value, ImportError)


def test_a_protocol_of_a_library_we_have_no_extra_for_names_its_package() -> None:
    with pytest.raises(MissingExtraError, match='pip install "huggingface-hub"'):
        resolve_location(url="hf://datasets/x")


def test_a_protocol_of_fsspecs_own_whose_library_is_missing_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def without_aiohttp(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "aiohttp":
            raise ModuleNotFoundError("No module named 'aiohttp'", name="aiohttp")
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "http", raising=False)
    monkeypatch.delitem(sys.modules, "fsspec.implementations.http", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_aiohttp)
    with pytest.raises(MissingExtraError, match='pip install "aiohttp"'):
        resolve_location(url="http://h/x")


def test_resolving_loads_no_storage_library_and_opens_no_connection() -> None:
    script = """
import socket, sys
def refuse(*args, **kwargs): raise AssertionError("the network was touched")
socket.socket.connect = socket.getaddrinfo = refuse
from remote_store_fsspec.location import resolve_location
resolve_location(backend_type="s3", backend_options={"bucket": "b"}).display_url
resolve_location(backend_type="azure", backend_options={"container": "c", "account_name": "a"})
resolve_location(backend_type="sftp", backend_options={"host": "h"}).describe()
for url in ("s3://b", "abfs://c", "sftp://h/x", "gs://b"):
    resolve_location(url=url).require(purpose="logs")
loaded = {"s3fs", "botocore", "adlfs", "azure", "sshfs", "asyncssh", "gcsfs", "dagster"}
assert not loaded & set(sys.modules), loaded & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.spec("DAG-022")
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://host/logs", "no way to write"),
        ("http://host/logs", "no way to write"),
        ("simplecache::https://host/logs", "no way to write"),
        ("dir://a::http://host/logs", "no way to write"),
        ("zip://::file:///tmp/a.zip", "archive"),
        ("tar://::file:///tmp/a.tar", "archive"),
    ],
)
def test_a_storage_that_is_only_read_is_refused_for_logs_with_the_reason(
    url: str, reason: str
) -> None:
    location = resolve_location(url=url)
    assert location.operations == {"read"}
    location.require("read", purpose="a look")
    with pytest.raises(ConfigError, match=reason) as caught:
        location.require(purpose="compute logs")
    assert "compute logs" in str(caught.value)
    assert caught.value.field == "url"


@pytest.mark.parametrize(
    "config",
    [
        {"backend_type": "memory"},
        {"backend_type": "s3", "backend_options": S3},
        {"url": "memory://x"},
        {"url": "simplecache::memory://x"},
    ],
)
def test_a_storage_that_can_be_written_is_accepted_for_logs(config: dict[str, Any]) -> None:
    resolve_location(**config).require(purpose="compute logs")


DAGSTER_YAML: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("wrong field", {"backend_type": "s3", "buckett": "b"}, ("buckett", "Expected")),
    ("wrong type of a field", {"url": "memory://x", "upload_interval": "often"}, ("interval",)),
    ("neither", {}, ("backend_type", "url")),
    ("both", {"backend_type": "s3", "url": "s3://b"}, ("remove one",)),
    ("missing bucket", {"backend_type": "s3"}, ("backend_options.bucket is missing",)),
    (
        "unknown option",
        {"backend_type": "s3", "backend_options": {**S3, "endpoint": CANARY}},
        ("backend_options.endpoint", "'endpoint_url'"),
    ),
    (
        "half a pair",
        {"backend_type": "s3", "backend_options": {**S3, "key": CANARY}},
        ("backend_options.secret is missing", "both"),
    ),
    (
        "unset variable",
        {"backend_type": "s3", "backend_options": {**S3, "key": {"env": "T_NOT_SET"}}},
        ("backend_options.key", "T_NOT_SET", "set it"),
    ),
    (
        "a directory that cannot be created",
        {"backend_type": "local", "backend_options": {"root": "/proc/nowhere/logs"}},
        ("backend_options.root", "cannot be created", "name another"),
    ),
    (
        "a place that is only read",
        {"url": "https://host/logs"},
        ("compute logs", "name a storage that can be written"),
    ),
]


@pytest.mark.parametrize(
    ("config", "words"), [row[1:] for row in DAGSTER_YAML], ids=[row[0] for row in DAGSTER_YAML]
)
def test_a_mistake_in_dagster_yaml_is_named_when_the_log_manager_is_loaded(
    config: dict[str, Any], words: tuple[str, ...], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home", {**config, "local_dir": str(tmp_path / "staging")})
    with home.instance() as instance, pytest.raises(Exception) as caught:  # noqa: PT011 - of both
        _ = instance.compute_log_manager
    assert isinstance(caught.value, (ConfigError, dg.DagsterInvalidConfigError))
    message = str(caught.value)
    assert CANARY not in message
    for word in words:
        assert word in message
