"""Azure against Azurite, looked at from the other side with azure-storage-blob."""

from __future__ import annotations

import os
import urllib.request
from typing import TYPE_CHECKING

import pytest

from devservers.azurite import ACCOUNT, ACCOUNT_KEY, connection_string
from devservers.proxy import Blackhole, Proxy, Refuse, ResetAfterEffect, Status, Truncate
from remote_store_fsspec import RemoteStoreFileSystem, errors
from tests.backends.cloud import (
    BOUNDS,
    CALL_NAMES,
    CALLS,
    DIGITS,
    FORK_AND_LEAVE,
    ODD_NAMES,
    faster_than,
    opened,
    run_python,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from azure.storage.blob import BlobServiceClient, ContainerClient

    from devservers import Area, AzureServer

pytestmark = pytest.mark.server


@pytest.fixture
def proxy(azure_server: AzureServer) -> Iterator[Proxy]:
    with Proxy.to(azure_server) as proxy:
        yield proxy


@pytest.fixture
def fs(azure_area: Area, proxy: Proxy) -> RemoteStoreFileSystem:
    return opened(azure_area, via=proxy)


@pytest.fixture
def witness(azure_server: AzureServer, azure_area: Area) -> ContainerClient:
    service: BlobServiceClient = azure_server.client()
    return service.get_container_client(azure_area.container)


# -- ranges -------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [DIGITS, b""], ids=["ten bytes", "empty"])
def test_every_range_is_a_python_slice(
    fs: RemoteStoreFileSystem, azure_area: Area, content: bytes
) -> None:
    azure_area.raw.write("root/file", content)
    for start in BOUNDS:
        for end in BOUNDS:
            assert fs.cat_file("file", start=start, end=end) == content[start:end], (start, end)


def test_a_range_is_one_request_for_those_bytes(
    fs: RemoteStoreFileSystem, azure_area: Area, proxy: Proxy
) -> None:
    azure_area.raw.write("root/file", bytes(3 * 2**20))
    fs.cat_file("file", start=0, end=1)
    with proxy.record() as record:
        assert len(fs.cat_file("file", start=2**20, end=2**20 + 1000)) == 1000
    assert record.methods == {"GET": 1}
    assert record.received == 1000


@pytest.mark.parametrize(("start", "end"), [(0, 5), (-3, None), (5, 2), (None, None)])
def test_a_range_of_a_missing_blob_is_not_found(
    fs: RemoteStoreFileSystem, start: int | None, end: int | None
) -> None:
    with pytest.raises(FileNotFoundError):
        fs.cat_file("missing", start=start, end=end)


def test_a_compressed_blob_comes_as_it_is_stored(
    fs: RemoteStoreFileSystem, witness: ContainerClient
) -> None:
    stored = b"\x1f\x8b not really gzip"
    fs.pipe_file("x.gz", stored, write_options={"content_settings": {"content_encoding": "gzip"}})
    assert witness.download_blob("root/x.gz", decompress=False).readall() == stored
    assert fs.cat_file("x.gz") == stored
    assert fs.cat_file("x.gz", start=2, end=6) == stored[2:6]


def test_a_long_read_is_of_one_version(
    fs: RemoteStoreFileSystem, azure_area: Area, proxy: Proxy, tmp_path: Path
) -> None:
    old, new = b"a" * 9 * 2**20, b"b" * 9 * 2**20
    azure_area.raw.write("root/file", old)
    pieces = 0

    def replace(method: str, path: str) -> bool:
        nonlocal pieces
        pieces += method == "GET" and "comp=list" not in path
        if pieces == 2:
            azure_area.raw.write("root/file", new)
        return False

    with proxy.fault(Status(500), path=replace):
        fs.get_file("file", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == new


# -- names --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_is_stored_as_it_is(fs: RemoteStoreFileSystem, azure_area: Area, name: str) -> None:
    fs.pipe_file(name, DIGITS)
    assert azure_area.raw.keys() == [f"root/{name}"]
    assert fs.cat_file(name, start=2, end=4) == b"23"
    assert fs.info(name)["size"] == 10
    assert fs.find("") == [name]
    fs.cp_file(name, "copy")
    fs.mv_file("copy", f"{name}2")
    assert azure_area.raw.keys() == [f"root/{name}", f"root/{name}2"]
    fs.rm_files([name, f"{name}2"])
    assert azure_area.raw.keys() == []


@pytest.mark.parametrize(
    "name",
    [
        "back\\slash",
        "line\nbreak",
        "tab\t",
        "dot.",
        "folder./x",
        "\udc80",
        "x" * 1025,
        "a/" * 254 + "a",
    ],
    ids=["backslash", "newline", "tab", "dot", "dotted folder", "no text", "long", "deep"],
)
def test_a_name_that_azure_would_change_is_refused(
    fs: RemoteStoreFileSystem, azure_area: Area, name: str
) -> None:
    with pytest.raises(errors.InvalidPathError, match="Azure"):
        fs.pipe_file(name, b"")
    assert azure_area.raw.keys() == []


# -- listing and folders ------------------------------------------------------------------


def test_a_hierarchical_accounts_folders_are_folders(
    fs: RemoteStoreFileSystem, witness: ContainerClient
) -> None:
    for folder in ("root/run", "root/run/empty"):
        witness.upload_blob(folder, b"", metadata={"hdi_isfolder": "true"})
    witness.upload_blob("root/run/log", b"x")
    witness.upload_blob("root/run/made/", b"")
    assert fs.isdir("run/empty")
    assert not fs.isfile("run/empty")
    assert fs.find("run") == ["run/log"]
    assert fs.ls("run", detail=False) == ["run/empty", "run/log", "run/made"]
    with pytest.raises(IsADirectoryError):
        fs.cat_file("run/empty")
    with pytest.raises(IsADirectoryError):
        fs.rm_file("run/empty")
    fs.rm("run", recursive=True)
    assert [blob.name for blob in witness.list_blobs()] == []


def test_ls_of_an_empty_folder_is_empty_and_of_a_missing_one_not_found(
    fs: RemoteStoreFileSystem, witness: ContainerClient
) -> None:
    witness.upload_blob("root/empty", b"", metadata={"hdi_isfolder": "true"})
    assert fs.ls("empty") == []
    with pytest.raises(FileNotFoundError):
        fs.ls("missing")


def test_three_hundred_blobs_go_by_two_requests(
    fs: RemoteStoreFileSystem, azure_area: Area, proxy: Proxy
) -> None:
    names = [f"many/{number}" for number in range(300)]
    fs.pipe(dict.fromkeys(names, b"x"))
    azure_area.raw.write("root/manyother", b"stays")
    with proxy.record() as record:
        fs.rm_files(names)
    assert record.methods == {"POST": 2}
    assert azure_area.raw.keys() == ["root/manyother"]


def test_a_bulk_delete_names_the_missing_and_deletes_the_rest(
    fs: RemoteStoreFileSystem, azure_area: Area
) -> None:
    fs.pipe({"a": b"", "c": b""})
    with pytest.raises(FileNotFoundError, match="root/b"):
        fs.rm_files(["a", "b", "c"])
    assert azure_area.raw.keys() == []
    fs.rm_files(["a", "b"], missing_ok=True)


# -- writing ------------------------------------------------------------------------------


def test_create_refuses_what_is_there(fs: RemoteStoreFileSystem, azure_area: Area) -> None:
    large = bytes(5 * 2**20)
    fs.pipe_file("small", b"1", mode="create")
    fs.pipe_file("large", large, mode="create")
    for name in ("small", "large"):
        for content in (b"2", large + b"2"):
            with pytest.raises(FileExistsError):
                fs.pipe_file(name, content, mode="create")
    assert azure_area.raw.read("root/small") == b"1"


def test_two_long_uploads_at_once_leave_one_of_them(
    azure_area: Area, fs: RemoteStoreFileSystem, proxy: Proxy
) -> None:
    ours, theirs = b"o" * 9 * 2**20, b"t" * 9 * 2**20
    done = False

    def interfere(_: str, path: str) -> bool:
        nonlocal done
        if "comp=blocklist" in path and not done:
            done = True
            opened(azure_area).pipe_file("file", theirs)
        return False

    with proxy.fault(Status(500), path=interfere):
        fs.pipe_file("file", ours)
    assert done
    assert azure_area.raw.read("root/file") == ours


def test_write_options_reach_the_blob_or_are_refused(
    fs: RemoteStoreFileSystem, witness: ContainerClient, tmp_path: Path
) -> None:
    options = {
        "content_type": "text/plain; charset=utf-8",
        "metadata": {"run": "1"},
        "standard_blob_tier": "Cool",
    }
    (tmp_path / "large").write_bytes(bytes(5 * 2**20))
    fs.pipe_file("small", b"x", write_options=options)
    fs.put_file(str(tmp_path / "large"), "large", write_options=options)
    fs.cp_file("large", "copied")
    for name in ("small", "large", "copied"):
        properties = witness.get_blob_client(f"root/{name}").get_blob_properties()
        assert properties.content_settings.content_type == "text/plain; charset=utf-8"
        assert properties.metadata == {"run": "1"}
    assert witness.get_blob_client("root/large").get_blob_properties().blob_tier == "Cool"
    with pytest.raises(errors.ConfigError, match=r"write_options\.StorageClass"):
        fs.pipe_file("small", b"x", write_options={"StorageClass": "Cool"})


def test_a_large_file_takes_little_memory(azure_area: Area, tmp_path: Path) -> None:
    size = 200 * 2**20
    with (tmp_path / "large").open("wb") as large:
        large.truncate(size)
    code = """
from pathlib import Path
from remote_store_fsspec import RemoteStoreFileSystem

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

fs = RemoteStoreFileSystem(**config, timeout=60)
fs.pipe_file("small", b"x")
fs.cat_file("small")
before = peak()
fs.put_file(source, "large")
fs.get_file("large", target)
print(peak() - before)
"""
    done = run_python(
        code,
        config=azure_area.config("root"),
        source=str(tmp_path / "large"),
        target=str(tmp_path / "copy"),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "copy").stat().st_size == size
    assert int(done.stdout) < 32 * 2**10, "kilobytes more than before"


# -- errors -------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS, ids=CALL_NAMES)
def test_a_wrong_key_is_access_denied_and_never_missing(
    azure_area: Area, call: Callable[[RemoteStoreFileSystem], object]
) -> None:
    right = connection_string(azure_area.port)
    wrong = right.replace(ACCOUNT_KEY, "AAAA" + ACCOUNT_KEY[4:])
    url = f"abfs://{azure_area.container}/root"
    fs = RemoteStoreFileSystem(url=url, storage_options={"connection_string": wrong}, timeout=6)
    with pytest.raises(PermissionError, match=azure_area.container) as failure:
        call(fs)
    assert ACCOUNT_KEY[4:] not in str(failure.value)


@pytest.mark.parametrize("call", CALLS[:1] + CALLS[4:8], ids=["cat", "ls", "pipe", "large", "cp"])
def test_a_missing_container_is_named(
    azure_server: AzureServer, call: Callable[[RemoteStoreFileSystem], object]
) -> None:
    options = {"connection_string": connection_string(azure_server.port)}
    fs = RemoteStoreFileSystem(url="abfs://nowhere", storage_options=options, timeout=6)
    with pytest.raises(FileNotFoundError, match="the container 'nowhere' does not exist"):
        call(fs)


def test_an_address_without_an_account_is_a_configuration_error() -> None:
    fs = RemoteStoreFileSystem(url="abfs://container", timeout=6)
    with pytest.raises(errors.ConfigError, match="account_name"):
        fs.ls("")


def test_a_malformed_connection_string_is_not_quoted() -> None:
    options = {"connection_string": "AccountKey=very-secret-value"}
    fs = RemoteStoreFileSystem(url="abfs://container", storage_options=options, timeout=6)
    with pytest.raises(errors.ConfigError) as failure:
        fs.ls("")
    assert "very-secret" not in str(failure.value)


# -- a broken network ---------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS, ids=CALL_NAMES)
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Blackhole(), errors.StoreTimeoutError),
        (Refuse(), errors.StoreUnavailableError),
    ],
    ids=["silent", "refused"],
)
def test_a_dead_server_is_an_error_in_bounded_time(
    azure_area: Area,
    proxy: Proxy,
    call: Callable[[RemoteStoreFileSystem], object],
    fault: Blackhole | Refuse,
    error: type[Exception],
) -> None:
    fs = opened(azure_area, via=proxy, timeout=1.5)
    with proxy.fault(fault), faster_than(60), pytest.raises(error):
        call(fs)


@pytest.mark.parametrize("size", [10, 3 * 2**20, 9 * 2**20], ids=["small", "large", "in blocks"])
@pytest.mark.parametrize("fault", [Status(503), ResetAfterEffect()], ids=["busy", "answer lost"])
def test_an_upload_survives_a_failing_request(
    fs: RemoteStoreFileSystem, azure_area: Area, proxy: Proxy, size: int, fault: Status
) -> None:
    data = os.urandom(size)
    with proxy.fault(fault, method="PUT", times=1) as rule:
        fs.pipe_file("file", data)
    assert rule.hits == 1
    assert azure_area.raw.read("root/file") == data


def test_a_cut_answer_is_read_again(
    fs: RemoteStoreFileSystem, azure_area: Area, proxy: Proxy
) -> None:
    data = os.urandom(2**20)
    azure_area.raw.write("root/file", data)
    with proxy.fault(Truncate(after=1000), method="GET", times=1) as rule:
        assert fs.cat_file("file") == data
    assert rule.hits == 1
    with proxy.fault(Truncate(after=1000), method="GET"), pytest.raises(ConnectionError):
        fs.cat_file("file")


def test_a_deletion_whose_answer_is_lost_succeeds(
    fs: RemoteStoreFileSystem, azure_area: Area, proxy: Proxy
) -> None:
    fs.pipe({"a": b"", "b": b"", "c": b""})
    with proxy.fault(ResetAfterEffect(), method="DELETE", times=1):
        fs.rm_file("a")
    with proxy.fault(ResetAfterEffect(), method="POST", times=1):
        fs.rm_files(["b", "c"])
    assert azure_area.raw.keys() == []


def test_an_account_without_batches_deletes_one_by_one(
    fs: RemoteStoreFileSystem, azure_area: Area, proxy: Proxy
) -> None:
    fs.pipe({"a": b"", "b": b""})
    with proxy.fault(Status(501), method="POST"):
        fs.rm_files(["a", "b"])
    assert azure_area.raw.keys() == []


def test_a_copy_that_the_service_refuses_goes_through_here(
    fs: RemoteStoreFileSystem, witness: ContainerClient, proxy: Proxy
) -> None:
    fs.pipe_file("a", DIGITS, write_options={"content_type": "text/x", "metadata": {"k": "v"}})
    with proxy.fault(Status(409), method="PUT", path="*/b", times=1) as rule:
        fs.cp_file("a", "b")
    assert rule.hits == 1
    properties = witness.get_blob_client("root/b").get_blob_properties()
    assert properties.metadata == {"k": "v"}
    assert properties.content_settings.content_type == "text/x"
    assert witness.download_blob("root/b").readall() == DIGITS


# -- credentials and signed URLs ----------------------------------------------------------


def test_a_signed_url_gives_the_file_with_its_name_and_type(fs: RemoteStoreFileSystem) -> None:
    fs.pipe_file("a b#?", DIGITS)
    url = fs.sign("a b#?", expiration=60, content_type="text/plain", filename='é".txt')
    with urllib.request.urlopen(url) as response:
        assert response.read() == DIGITS
        assert response.headers["Content-Type"] == "text/plain"
        disposition = response.headers["Content-Disposition"]
    assert disposition == "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%A9%22.txt"


def test_a_sas_token_works_and_cannot_sign(azure_area: Area) -> None:
    fs = opened(azure_area)
    fs.pipe_file("a", DIGITS)
    from datetime import datetime, timedelta, timezone

    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    sas = generate_container_sas(
        ACCOUNT,
        azure_area.container,
        ACCOUNT_KEY,
        permission=ContainerSasPermissions(read=True, write=True, delete=True, list=True),
        expiry=datetime.now(timezone.utc) + timedelta(hours=1),
    )
    endpoint = f"http://127.0.0.1:{azure_area.port}/{ACCOUNT}"
    text = f"BlobEndpoint={endpoint};AccountName={ACCOUNT};SharedAccessSignature={sas}"
    limited = RemoteStoreFileSystem(
        url=f"abfs://{azure_area.container}/root",
        storage_options={"connection_string": text},
        timeout=6,
    )
    limited.cp_file("a", "b")
    limited.mv_file("b", "c")
    assert limited.find("") == ["a", "c"]
    with pytest.raises(errors.UnsupportedOperationError, match="account key"):
        limited.sign("a")
    limited.rm_files(["a", "c"])
    assert azure_area.raw.keys() == []


def test_the_account_that_was_named_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from remote_store_fsspec.backends._azure_client import open_adlfs

    elsewhere = "DefaultEndpointsProtocol=https;AccountName=other;AccountKey=b3RoZXI="
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", elsewhere)
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sig=other")
    inner = open_adlfs({"account_name": "mine", "account_key": "bWluZQ=="}, timeout=6)
    assert inner.service_client.account_name == "mine"
    assert inner.service_client.credential.account_key == "bWluZQ=="
    assert "sig=" not in inner.service_client.url


# -- alive --------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_works_and_both_leave_quietly(azure_area: Area) -> None:
    done = run_python(FORK_AND_LEAVE, config=azure_area.config("root"))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_filesystem_works_again_after_it_was_closed(fs: RemoteStoreFileSystem) -> None:
    fs.pipe_file("a", DIGITS)
    fs.close()
    fs.close()
    assert fs.cat_file("a") == DIGITS
