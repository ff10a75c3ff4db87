"""What options become, seen on the libraries' own objects and beside the real remote-store."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import subprocess
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

import asyncssh
import fsspec
import pytest
from fsspec.asyn import get_loop, sync

from devservers.proxy import Refuse, Status
from remote_store_fsspec.backends._azure_client import open_adlfs
from remote_store_fsspec.backends.base import Retry
from remote_store_fsspec.errors import ConfigError
from remote_store_fsspec.filesystem import RemoteStoreFileSystem
from remote_store_fsspec.location import resolve_location

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from devservers import Area
    from remote_store_fsspec.backends.base import Target

ACCOUNT_KEY = base64.b64encode(b"k" * 32).decode()


def theirs(module: str) -> Any:
    """A module of the real remote-store, to be compared with."""
    return pytest.importorskip(module, reason="remote-store needs Python 3.11")


def target_of(backend_type: str, root_path: str = "", **options: Any) -> Target:
    location = resolve_location(
        backend_type=backend_type, backend_options=options, root_path=root_path
    )
    assert location.target().display_url == location.display_url
    return location.target()


@pytest.fixture(autouse=True)
def no_ca_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


# -- where the root is --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend_type", "options", "root", "protocol", "base", "shown"),
    [
        ("local", {"root": "/srv/logs/"}, "/a//b/", "file", "/srv/logs/a/b", None),
        ("memory", {}, "a/b", "memory", "/a/b", "memory://a/b"),
        ("memory", {}, "", "memory", "/", "memory://"),
        ("s3", {"bucket": "b"}, "", "s3", "b", "s3://b"),
        ("s3", {"bucket": "b"}, "./a\\b", "s3", "b/a/b", "s3://b/a/b"),
        ("s3-pyarrow", {"bucket": "b"}, "a", "s3", "b/a", "s3://b/a"),
        (
            "azure",
            {"container": "c", "account_name": "acc", "account_key": ACCOUNT_KEY},
            "a",
            "abfs",
            "c/a",
            "abfs://c/a",
        ),
        ("sftp", {"host": "h"}, "", "sftp", "/", "sftp://h"),
        ("sftp", {"host": "h", "base_path": "/srv/x/"}, "a", "sftp", "/srv/x/a", None),
        ("sftp", {"host": "h", "port": 2222}, "a", "sftp", "/a", "sftp://h:2222/a"),
        ("sftp", {"host": "h", "base_path": "up/x"}, "a", "sftp", "./up/x/a", "sftp://h/~/up/x/a"),
        ("sftp", {"host": "h", "base_path": "."}, "a", "sftp", "./a", "sftp://h/~/a"),
    ],
)
def test_the_root_lies_below_the_backends_own_place(
    tmp_path: Path,
    backend_type: str,
    options: dict[str, Any],
    root: str,
    protocol: str,
    base: str,
    shown: str | None,
) -> None:
    if backend_type == "sftp":
        options = {**options, "host_key_policy": "auto"}
    if backend_type == "local":
        options = {"root": f"{tmp_path}{options['root']}"}
        base = f"{tmp_path}{base}"
    target = target_of(backend_type, root, **options)
    assert (target.protocol, target.base) == (protocol, base)
    if shown is not None:
        assert target.display_url == shown


def test_a_relative_local_root_is_made_absolute_and_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert target_of("local", "deep/er", root="here/../there").base == f"{tmp_path}/there/deep/er"
    assert (tmp_path / "there/deep/er").is_dir()
    assert not (tmp_path / "here").exists()


def test_the_users_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert target_of("local", root="~/logs").base == f"{tmp_path}/logs"


def test_two_memory_stores_share_nothing() -> None:
    first, second = (
        RemoteStoreFileSystem(backend_type="memory", skip_instance_cache=True) for _ in range(2)
    )
    first.pipe_file("/a", b"1")
    assert not second.exists("/a")
    assert not fsspec.filesystem("memory").exists("/a")


# -- s3 -----------------------------------------------------------------------------------


def open_s3(**options: Any) -> Any:
    target = target_of("s3", bucket="b", **options)
    return fsspec.filesystem("s3", skip_instance_cache=True, **target.options)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("minio:9000", "https://minio:9000"),
        (" minio.example ", "https://minio.example"),
        ("http://minio:9000", "http://minio:9000"),
        ("HTTPS://minio", "HTTPS://minio"),
        ("", None),
        (None, None),
    ],
)
def test_an_endpoint_means_what_it_means_to_remote_store(
    written: str | None, meant: str | None
) -> None:
    backend_class = theirs("remote_store.backends._s3").S3Backend
    assert open_s3(endpoint_url=written).endpoint_url == meant
    assert backend_class("b", endpoint_url=written)._endpoint_url == meant


def test_s3_options_arrive_at_s3fs_as_remote_store_would_pass_them(tmp_path: Path) -> None:
    backend_class = theirs("remote_store.backends._s3").S3Backend
    bundle = tmp_path / "ca.pem"
    bundle.write_text("x")
    options: dict[str, Any] = {
        "endpoint_url": "http://127.0.0.1:9",
        "key": "AKIA",
        "secret": "s3cr3t",
        "region_name": "eu-central-1",
        "tls_ca_bundle": str(bundle),
        "client_options": {
            "token": "t0ken",
            "s3_additional_kwargs": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k"},
            "config_kwargs": {"connect_timeout": 3, "s3": {"addressing_style": "path"}},
            "client_kwargs": {"api_version": "2006-03-01"},
        },
    }
    passed = backend_class("b", **options)._build_s3fs_kwargs()
    ours = dict(target_of("s3", bucket="b", **options).options)
    for name in ("anon", "use_listings_cache", "skip_instance_cache"):
        passed.pop(name)  # what remote-store adds by itself; our backend module decides that
    assert ours == passed
    inner = open_s3(**options)
    assert (inner.key, inner.secret, inner.token) == ("AKIA", "s3cr3t", "t0ken")
    assert inner.client_kwargs["region_name"] == "eu-central-1"
    assert inner.client_kwargs["verify"] == str(bundle)


def test_the_users_own_mappings_are_never_changed() -> None:
    client_options: dict[str, Any] = {"client_kwargs": {}, "config_kwargs": {}}
    target_of(
        "s3",
        bucket="b",
        region_name="r",
        retry={"max_attempts": 2},
        client_options=client_options,
    )
    assert client_options == {"client_kwargs": {}, "config_kwargs": {}}


@pytest.mark.server
@pytest.mark.parametrize("fault", [Status(503), Status(429)], ids=["503", "429"])
@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_retry_counts_attempts_on_s3_the_way_remote_stores_policy_does(
    s3_area: Area, proxied: Any, attempts: int, fault: Any
) -> None:
    policy = {"max_attempts": attempts, "backoff_base": 0.01, "jitter": 0.0}
    proxy = proxied(s3_area)
    with proxy.fault(fault) as rule:
        took = failing_request(s3_area, proxy, policy)
    assert rule.hits == attempts
    assert took >= sum(0.01 * 2**number for number in range(attempts - 1))


@pytest.mark.server
def test_retry_on_s3_keeps_the_pace_the_ceiling_and_the_end(s3_area: Area, proxied: Any) -> None:
    proxy = proxied(s3_area)

    def hits(**policy: Any) -> tuple[int, float]:
        with proxy.fault(Status(503)) as rule:
            took = failing_request(s3_area, proxy, policy)
        return rule.hits, took

    count, took = hits(max_attempts=3, backoff_base=0.4, jitter=0.0)
    assert count == 3
    assert took >= 0.4 + 0.8
    # The pauses without a ceiling would be longer than the request may take at all.
    assert hits(max_attempts=4, backoff_base=1000.0, backoff_max=0.01, jitter=0.0)[0] == 4
    assert hits(max_attempts=9, backoff_base=1000.0, backoff_max=1000.0, timeout=900.0)[0] == 1


@pytest.mark.server
def test_a_refused_connection_to_s3_is_made_again_at_that_pace(s3_area: Area, proxied: Any) -> None:
    proxy = proxied(s3_area)
    with proxy.fault(Refuse()):
        took = failing_request(
            s3_area, proxy, {"max_attempts": 3, "backoff_base": 0.3, "jitter": 0.0}
        )
    assert took >= 0.3 + 0.6


@pytest.mark.server
def test_what_does_not_pass_by_itself_is_not_tried_again_on_s3(s3_area: Area, proxied: Any) -> None:
    proxy = proxied(s3_area)
    with proxy.fault(Status(403)) as rule:
        failing_request(s3_area, proxy, {"max_attempts": 5, "backoff_base": 0.0})
    assert rule.hits == 1


def failing_request(area: Area, proxy: Any, policy: Any) -> float:
    """Seconds that one request took to fail."""
    config = area.backend_config(via=proxy)
    config["backend_options"]["retry"] = policy
    fs = RemoteStoreFileSystem(**config, skip_instance_cache=True)
    try:
        begin = time.monotonic()
        with pytest.raises(OSError, match="s3://"):
            fs.pipe_file("a", b"b")
        return time.monotonic() - begin
    finally:
        fs.close()


def test_remote_stores_own_retry_policy_is_read_by_its_attributes() -> None:
    policy_class = theirs("remote_store").RetryPolicy
    target = target_of("s3", bucket="b", retry=policy_class(max_attempts=7, backoff_max=9.0))
    assert target.retry is not None
    assert (target.retry.max_attempts, target.retry.backoff_max) == (7, 9.0)


def test_retry_reaches_the_azure_client_and_the_sftp_module() -> None:
    retry = {"max_attempts": 5, "backoff_base": 0.5, "jitter": 0.25}
    azure = target_of("azure", container="c", account_name="a", account_key="a2V5", retry=retry)
    client = open_adlfs(azure.options, timeout=60.0, retry=azure.retry).service_client
    policy = client._config.retry_policy
    assert (policy.total_retries, policy.initial_backoff) == (4, 0.5)
    assert policy.random_jitter_range == 0.25
    sftp = target_of("sftp", host="h", host_key_policy="auto", retry={**retry, "timeout": 9.0})
    assert vars(sftp.retry) == vars(Retry(5, 0.5, jitter=0.25, timeout=9.0))


def test_pauses_double_up_to_the_longest() -> None:
    retry = Retry(backoff_base=1.0, backoff_max=3.0, jitter=0.0)
    assert [retry.pause(attempt) for attempt in range(4)] == [1.0, 2.0, 3.0, 3.0]


def test_no_credentials_leaves_botocores_own_chain() -> None:
    options = target_of("s3", bucket="b").options
    assert not {"key", "secret", "anon"} & set(options)


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        (("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), "AWS_CA_BUNDLE"),
        (("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), "REQUESTS_CA_BUNDLE"),
        (("SSL_CERT_FILE",), "SSL_CERT_FILE"),
    ],
)
def test_the_ca_bundle_comes_from_the_environment_in_remote_stores_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: tuple[str, ...], found: str
) -> None:
    backend_class = theirs("remote_store.backends._s3").S3Backend
    for name in variables:
        (tmp_path / name).write_text("x")
        monkeypatch.setenv(name, str(tmp_path / name))
    assert open_s3().client_kwargs["verify"] == str(tmp_path / found)
    assert backend_class("b")._tls_ca_bundle == str(tmp_path / found)
    explicit = tmp_path / "explicit"
    explicit.write_text("x")
    assert open_s3(tls_ca_bundle=str(explicit)).client_kwargs["verify"] == str(explicit)


def test_a_bundle_the_environment_names_and_that_is_missing_names_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    with pytest.raises(ConfigError, match=r"from REQUESTS_CA_BUNDLE.*no file /nowhere\.pem"):
        target_of("s3", bucket="b")


# -- azure --------------------------------------------------------------------------------


@pytest.fixture
def open_azure() -> Iterator[Any]:
    opened: list[Any] = []

    def opener(**options: Any) -> Any:
        target = target_of("azure", container="c", **options)
        opened.append(fsspec.filesystem("abfs", skip_instance_cache=True, **target.options))
        return opened[-1]

    yield opener
    for inner in opened:
        sync(get_loop(), inner.service_client.close)


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"account_name": "acc"}, "https://acc.blob.core.windows.net/"),
        (
            {"account_url": "https://acc.blob.core.windows.net"},
            "https://acc.blob.core.windows.net/",
        ),
        (
            {"account_url": "https://acc.dfs.core.windows.net/"},
            "https://acc.blob.core.windows.net/",
        ),
        (
            {"account_url": "https://acc.blob.core.chinacloudapi.cn"},
            "https://acc.blob.core.chinacloudapi.cn/",
        ),
        (
            {"account_url": "https://logs.example", "account_name": "acc"},
            "https://logs.example/",
        ),
        (
            {"account_url": "https://localhost:10000/acc"},
            "https://localhost:10000/acc/",
        ),
        (
            {"account_url": "http://127.0.0.1:10000/acc"},
            "http://127.0.0.1:10000/acc/",
        ),
    ],
)
def test_an_account_is_reached_at_the_address_that_was_written(
    open_azure: Any, options: dict[str, str], url: str
) -> None:
    inner = open_azure(account_key=ACCOUNT_KEY, **options)
    assert inner.service_client.url == url
    assert inner.service_client.account_name in ("acc", "logs")
    assert inner.service_client.credential.account_key == ACCOUNT_KEY
    assert inner.service_client.credential.account_name == "acc"


def test_an_account_host_is_adlfss_own_word_for_it(open_azure: Any) -> None:
    inner = open_azure(account_url="https://acc.dfs.core.windows.net", account_key=ACCOUNT_KEY)
    assert inner.account_host == "acc.blob.core.windows.net"
    assert inner.account_name == "acc"


@pytest.mark.parametrize("token", ["?sv=2024&sig=ab%3D", "sv=2024&sig=ab%3D"])
@pytest.mark.parametrize("address", ["https://acc.blob.core.windows.net", "http://127.0.0.1:1/acc"])
def test_a_sas_token_arrives_with_or_without_its_question_mark(
    open_azure: Any, token: str, address: str
) -> None:
    inner = open_azure(account_url=address, sas_token=token)
    assert inner.service_client.url.rstrip("/").replace("/?", "?") == (
        f"{address}?sv=2024&sig=ab%3D"
    )


def test_a_connection_string_wins_as_it_does_in_remote_store(open_azure: Any) -> None:
    text = f"DefaultEndpointsProtocol=https;AccountName=other;AccountKey={ACCOUNT_KEY}"
    inner = open_azure(account_name="acc", account_key="eA==", connection_string=text)
    assert inner.service_client.account_name == "other"


def test_timeouts_and_block_size_arrive_at_adlfs(open_azure: Any) -> None:
    inner = open_azure(
        account_name="acc",
        account_key=ACCOUNT_KEY,
        client_options={
            "connection_timeout": 3,
            "read_timeout": 4,
            "timeout": 5,
            "max_block_size": 2**20,
        },
        max_concurrency=7,
    )
    assert inner._timeout_kwargs == {"connection_timeout": 3, "read_timeout": 4, "timeout": 5}
    assert inner.blocksize == 2**20
    assert inner.max_concurrency == 7


def test_hns_is_accepted_and_changes_nothing(
    open_azure: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "remote_store_fsspec")
    inner = open_azure(account_name="acc", account_key=ACCOUNT_KEY, hns=True)
    assert inner.account_name == "acc"
    assert "hns is accepted" in caplog.text


class BlockingCredential:
    """A credential as azure-identity's blocking ones are."""

    def get_token(self, *scopes: str, **kwargs: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(f"for {scopes[0]}", 2**31)


def test_a_blocking_credential_answers_adlfss_async_client(open_azure: Any) -> None:
    inner = open_azure(account_name="acc", credential=BlockingCredential())

    async def ask() -> Any:
        async with inner.credential as credential:
            return await credential.get_token("storage")

    assert sync(get_loop(), ask).token == "for storage"
    sync(get_loop(), inner.credential.close)


def test_an_async_credential_is_passed_as_it_is() -> None:
    from azure.identity.aio import ClientSecretCredential

    credential = ClientSecretCredential("tenant", "client", "secret")
    target = target_of("azure", container="c", account_name="acc", credential=credential)
    assert target.options["credential"] is credential
    asyncio.run(credential.close())


def test_no_credential_is_never_anonymous() -> None:
    assert target_of("azure", container="c", account_name="acc").options["anon"] is False


# -- sftp ---------------------------------------------------------------------------------


def asyncssh_options(**options: Any) -> asyncssh.SSHClientConnectionOptions:
    """The options as asyncssh itself reads them; sshfs passes them on unchanged."""
    options.setdefault("host_key_policy", "auto")
    given = dict(target_of("sftp", **{"host": "h", **options}).options)
    return asyncssh.SSHClientConnectionOptions(**given)


@pytest.fixture(scope="module")
def keys() -> Any:
    return [asyncssh.generate_private_key("ssh-ed25519") for _ in range(2)]


def test_address_user_and_times_arrive_at_asyncssh() -> None:
    options = asyncssh_options(
        host="example", port=2222, username="me", password="pw", timeout=7, io_timeout=40
    )
    assert (options.host, options.port, options.username) == ("example", 2222, "me")
    assert options.password == "pw"
    assert (options.connect_timeout, options.login_timeout) == (7, 7)
    assert (options.keepalive_interval, options.keepalive_count_max) == (10, 3)


def test_no_io_timeout_sends_no_keepalive() -> None:
    assert asyncssh_options(io_timeout=None).keepalive_interval == 0


def test_the_users_ssh_config_does_not_redirect_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("Host *\n  User someone-else\n  Port 99\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    options = asyncssh_options(username="me")
    assert (options.username, options.port) == ("me", 22)
    assert asyncssh_options().port == 22


def pem_of(key: Any, passphrase: str | None = None) -> str:
    return str(key.export_private_key("pkcs8-pem", passphrase).decode())


def public_of(options: asyncssh.SSHClientConnectionOptions) -> list[bytes]:
    return [pair.public_data for pair in options.client_keys or []]


@pytest.mark.parametrize("mangle", ["", " ", "\\n", "bytes"])
def test_a_key_is_read_from_its_text_also_when_its_line_ends_are_gone(
    keys: Any, mangle: str
) -> None:
    pem: Any = pem_of(keys[0])
    if mangle == "bytes":
        pem = pem.encode()
    elif mangle:
        pem = pem.strip().replace("\n", mangle)
    assert public_of(asyncssh_options(pkey=pem)) == [keys[0].public_data]


def test_a_key_is_read_from_a_path_and_from_paramikos_own_object(tmp_path: Path, keys: Any) -> None:
    paramiko = theirs("paramiko")
    path = tmp_path / "key"
    keys[0].write_private_key(str(path))
    assert public_of(asyncssh_options(pkey=str(path))) == [keys[0].public_data]
    paramiko_key = paramiko.RSAKey.generate(2048)
    assert public_of(asyncssh_options(pkey=paramiko_key)) == [paramiko_key.asbytes()]
    assert public_of(asyncssh_options(pkey=keys[0])) == [keys[0].public_data]


def test_an_encrypted_key_takes_its_passphrase(keys: Any) -> None:
    pem = pem_of(keys[0], "open sesame")
    options = asyncssh_options(pkey=pem, connect_kwargs={"passphrase": "open sesame"})
    assert public_of(options) == [keys[0].public_data]
    with pytest.raises(ConfigError, match=r"encrypted.*passphrase"):
        asyncssh_options(pkey=pem)


def test_connection_keywords_of_paramiko_have_their_counterparts(
    tmp_path: Path, keys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    paths = []
    for number, key in enumerate(keys):
        paths.append(str(tmp_path / f"key{number}"))
        key.write_private_key(paths[-1])
    options = asyncssh_options(
        connect_kwargs={
            "key_filename": paths,
            "allow_agent": False,
            "compress": True,
            "gss_auth": False,
            "gss_kex": False,
            "gss_deleg_creds": True,
            "gss_host": "kdc",
        }
    )
    assert public_of(options) == [key.public_data for key in keys]
    assert not options.agent_path
    assert b"zlib" in options.compression_algs
    assert (options.gss_auth, options.gss_kex) == (False, False)
    assert (options.gss_delegate_creds, options.gss_host) == (True, "kdc")
    plain = asyncssh_options(connect_kwargs={"key_filename": paths[0]})
    assert plain.agent_path == str(tmp_path / "agent")
    assert b"zlib" not in plain.compression_algs[:1]


def test_no_key_files_means_only_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/somewhere")
    only_password = asyncssh_options(password="pw", connect_kwargs={"look_for_keys": False})
    assert only_password.client_keys is None
    with pytest.raises(ConfigError, match="asyncssh switches both off together"):
        asyncssh_options(connect_kwargs={"look_for_keys": False})


def test_a_key_file_that_is_missing_is_named_by_its_option() -> None:
    with pytest.raises(ConfigError, match=r"connect_kwargs\.key_filename names a file"):
        asyncssh_options(connect_kwargs={"key_filename": "/nowhere"})


# -- urls ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "protocol", "base", "shown"),
    [
        ("memory://a/b/", "memory", "/a/b/r", "memory://a/b/r"),
        ("memory://", "memory", "/r", "memory://r"),
        ("s3://bucket", "s3", "bucket/r", "s3://bucket/r"),
        ("s3://bucket/a b/#c%20+/", "s3", "bucket/a b/#c%20+/r", "s3://bucket/a b/#c%20+/r"),
        ("s3a://bucket/a", "s3a", "bucket/a/r", "s3a://bucket/a/r"),
        ("gs://bucket/a", "gs", "bucket/a/r", "gs://bucket/a/r"),
        ("gcs://bucket", "gcs", "bucket/r", "gcs://bucket/r"),
        ("ftp://me:pw@host:2121/p/q/", "ftp", "/p/q/r", "ftp://host:2121/p/q/r"),
        ("ftp://host", "ftp", "/r", "ftp://host/r"),
        ("sftp://me:pw@host:22/srv/logs", "sftp", "/srv/logs/r", "sftp://host:22/srv/logs/r"),
        ("ssh://host/srv/a#b", "ssh", "/srv/a#b/r", "ssh://host/srv/a#b/r"),
        ("sftp://host", "sftp", "./r", "sftp://host/r"),
        ("dir://sub/x::memory://a/b", "dir", "sub/x/r", "memory://a/b/sub/x/r"),
        ("dir::memory://a/b", "memory", "/a/b/r", "memory://a/b/r"),
        ("simplecache::memory://a/b", "simplecache", "/a/b/r", "memory://a/b/r"),
        ("simplecache::dir://x::memory://a", "simplecache", "x/r", "memory://a/x/r"),
    ],
)
def test_a_url_names_its_root(url: str, protocol: str, base: str, shown: str) -> None:
    location = resolve_location(url=url, root_path="r")
    target = location.target()
    assert (target.protocol, target.base, target.display_url) == (protocol, base, shown)
    assert location.display_url == shown


@pytest.mark.parametrize(
    ("url", "options", "base"),
    [
        ("abfs://c/a", {"account_name": "acc"}, "c/a"),
        ("az://c", {"account_name": "acc"}, "c"),
        ("abfss://c@acc.dfs.core.windows.net/a", {}, "c/a"),
        ("webdav://logs/a", {"base_url": "http://h/dav"}, "logs/a"),
    ],
)
def test_a_url_of_these_names_its_root_too(url: str, options: dict[str, Any], base: str) -> None:
    target = resolve_location(url=url, storage_options=options).target()
    assert target.base == base
    if url.startswith("ab"):
        assert target.options["account_name"] == "acc"


@pytest.mark.parametrize("url", ["file://{}/a/../b", "{}/b", "local://{}/b/"])
def test_a_file_url_is_a_folder_that_is_created(tmp_path: Path, url: str) -> None:
    location = resolve_location(url=url.format(tmp_path), root_path="c")
    target = location.target()
    assert target.base == f"{tmp_path}/b/c"
    assert (tmp_path / "b/c").is_dir()
    assert target.display_url == f"file://{tmp_path}/b/c"


def test_a_relative_path_is_made_absolute_at_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    locations = [
        resolve_location(url=url) for url in ("logs", "file://logs", "simplecache::file://logs")
    ]
    monkeypatch.chdir("/")
    assert locations[0].target().base == f"{tmp_path}/logs"
    assert locations[0] == locations[1]
    assert locations[2].target().url == f"simplecache://::file://{tmp_path}/logs"


@pytest.mark.parametrize("url", ["dir://sub::memory://a/b", "simplecache::memory://a/b/sub"])
def test_a_chained_url_opens_what_its_display_says(url: str) -> None:
    target = resolve_location(url=url).target()
    assert target.url is not None
    inner, _ = fsspec.core.url_to_fs(target.url, **target.options)
    inner.pipe_file("/".join(filter(None, (target.base, "x.txt"))), b"chained")
    memory = fsspec.filesystem("memory")
    assert memory.cat_file("/a/b/sub/x.txt") == b"chained"
    memory.rm("/a", recursive=True)


def test_user_host_and_port_come_from_the_url_as_the_library_reads_them() -> None:
    target = resolve_location(url="sftp://me:p%40ss@host:2222/srv").target()
    picked = {name: target.options[name] for name in ("host", "port", "username", "password")}
    read = fsspec.get_filesystem_class("sftp")._get_kwargs_from_urls(
        "sftp://me:p%40ss@host:2222/srv"
    )
    assert picked == read


def test_options_nested_under_their_protocol_are_understood_as_fsspec_does() -> None:
    target = resolve_location(url="s3://b", storage_options={"s3": {"anon": True}}).target()
    assert dict(target.options) == {"anon": True}


def test_fsspecs_own_configuration_is_honoured_and_explicit_options_win(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from fsspec.config import conf, set_conf_env, set_conf_files

    (tmp_path / "mine.json").write_text(
        json.dumps({"s3": {"client_kwargs": {"region_name": "eu-west-1"}, "endpoint_url": "x"}})
    )
    fresh: dict[str, Any] = {}
    set_conf_files(str(tmp_path), fresh)
    set_conf_env(fresh, {"FSSPEC_S3_ENDPOINT_URL": "http://env", "FSSPEC_S3_ANON": "true"})
    set_conf_env(fresh, {"FSSPEC_SSH": '{"username": "from-env"}'})
    for name, values in fresh.items():
        monkeypatch.setitem(conf, name, values)
    options = resolve_location(url="s3://b", storage_options={"anon": False}).target().options
    assert options["endpoint_url"] == "http://env"
    assert options["client_kwargs"] == {"region_name": "eu-west-1"}
    assert options["anon"] is False
    assert resolve_location(url="sftp://h/x").target().options["username"] == "from-env"


def test_a_service_accounts_json_is_taken_from_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T_GCS", json.dumps({"type": "service_account", "private_key": "x"}))
    options = resolve_location(url="gs://b", storage_options={"token": {"env": "T_GCS"}}).target()
    assert options.options["token"] == {"type": "service_account", "private_key": "x"}


def test_a_pair_written_in_yaml_is_what_webdav_takes_as_a_login() -> None:
    options = {"base_url": "http://h/dav", "auth": ["me", "pw"]}
    target = resolve_location(url="webdav://x", storage_options=options).target()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # webdav4 leaves its client open
        inner = fsspec.filesystem("webdav", skip_instance_cache=True, **target.options)
        inner.client.http.close()
        del inner
        gc.collect()
    assert target.options["auth"] == ("me", "pw")


def test_a_url_checks_the_servers_host_key_unless_told_not_to() -> None:
    verified = resolve_location(url="sftp://h/x").target().options
    options = asyncssh.SSHClientConnectionOptions(config=[], **verified)
    assert options.known_hosts is not None
    blind = resolve_location(url="sftp://h/x", storage_options={"known_hosts": None}).target()
    assert blind.options["known_hosts"] is None


def test_fsspecs_variables_and_files_are_honoured_from_the_start_of_a_process(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"s3": {"endpoint_url": "http://file"}}))
    script = (
        "from remote_store_fsspec.filesystem import RemoteStoreFileSystem\n"
        "fs = RemoteStoreFileSystem(url='s3://b')\n"
        "options = fs.location.target().options\n"
        "print(options['endpoint_url'], options['profile'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "FSSPEC_CONFIG_DIR": str(tmp_path),
            "FSSPEC_S3_PROFILE": "from-env",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["http://file", "from-env"], done.stderr
