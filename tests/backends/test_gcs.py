"""Google Cloud Storage against gcp-storage-emulator, looked at through its own JSON API."""

from __future__ import annotations

import json
import os
import urllib.request
from typing import TYPE_CHECKING

import pytest

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

    from devservers import Area, GCSServer

pytestmark = pytest.mark.server


@pytest.fixture
def proxy(gcs_server: GCSServer) -> Iterator[Proxy]:
    with Proxy.to(gcs_server) as proxy:
        yield proxy


@pytest.fixture
def fs(gs_area: Area, proxy: Proxy) -> RemoteStoreFileSystem:
    return opened(gs_area, via=proxy)


@pytest.fixture(scope="session")
def service_account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key file of an account that does not exist, which is enough to sign with."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("google") / "key.json"
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "p",
                "private_key_id": "1",
                "private_key": pem.decode(),
                "client_email": "signer@p.iam.gserviceaccount.com",
                "client_id": "1",
                "token_uri": "http://127.0.0.1:9/token",
            }
        )
    )
    return path


@pytest.mark.parametrize("content", [DIGITS, b""], ids=["ten bytes", "empty"])
def test_every_range_is_a_python_slice(fs: RemoteStoreFileSystem, content: bytes) -> None:
    fs.pipe_file("file", content)
    for start in BOUNDS:
        for end in BOUNDS:
            assert fs.cat_file("file", start=start, end=end) == content[start:end], (start, end)


def test_a_range_is_one_request_for_those_bytes(
    fs: RemoteStoreFileSystem, gs_area: Area, proxy: Proxy
) -> None:
    gs_area.raw.write("root/file", bytes(3 * 2**20))
    with proxy.record() as record:
        assert len(fs.cat_file("file", start=2**20, end=2**20 + 1000)) == 1000
    assert record.methods == {"GET": 1}
    assert record.received == 1000


@pytest.mark.parametrize(("start", "end"), [(0, 5), (-3, None), (5, 2), (None, None)])
def test_a_range_of_a_missing_object_is_not_found(
    fs: RemoteStoreFileSystem, start: int | None, end: int | None
) -> None:
    with pytest.raises(FileNotFoundError):
        fs.cat_file("missing", start=start, end=end)


@pytest.mark.parametrize("name", [*ODD_NAMES, "back\\slash", "tab\t", "control\x01"])
def test_a_name_is_stored_as_it_is(fs: RemoteStoreFileSystem, gs_area: Area, name: str) -> None:
    fs.pipe_file(name, DIGITS)
    assert gs_area.raw.keys() == [f"root/{name}"]
    assert fs.cat_file(name, start=2, end=4) == b"23"
    assert fs.info(name)["size"] == 10
    assert fs.find("") == [name]
    fs.cp_file(name, "copy")
    fs.mv_file("copy", f"{name}2")
    assert gs_area.raw.keys() == [f"root/{name}", f"root/{name}2"]
    fs.rm_files([name, f"{name}2"])
    assert gs_area.raw.keys() == []


@pytest.mark.parametrize(
    "name",
    ["line\nbreak", "carriage\rreturn", "\udc80", "é" * 513],
    ids=["lf", "cr", "no text", "long"],
)
def test_a_name_that_google_refuses_is_refused_here(fs: RemoteStoreFileSystem, name: str) -> None:
    with pytest.raises(errors.InvalidPathError, match="Google"):
        fs.pipe_file(name, b"")


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\r\n\r\n\x00\xff\n", b"--x--\r\n", os.urandom(100_000)]
)
def test_content_arrives_byte_for_byte(
    fs: RemoteStoreFileSystem, gs_area: Area, content: bytes
) -> None:
    fs.pipe_file("file", content)
    assert gs_area.raw.read("root/file") == content


def test_a_long_upload_goes_in_pieces_and_keeps_its_type(
    fs: RemoteStoreFileSystem, gs_area: Area, proxy: Proxy, tmp_path: Path
) -> None:
    data = os.urandom(19 * 2**20 + 17)
    (tmp_path / "large").write_bytes(data)
    with proxy.record() as record:
        fs.put_file(str(tmp_path / "large"), "large", write_options={"content_type": "text/x"})
    assert record.methods == {"POST": 1, "PUT": 5}
    assert gs_area.raw.read("root/large") == data
    assert fs.info("large")["content_type"] == "text/x"
    fs.get_file("large", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == data


@pytest.mark.parametrize("fault", [Status(503), ResetAfterEffect()], ids=["busy", "answer lost"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_long_upload_survives_a_failing_piece(
    fs: RemoteStoreFileSystem, gs_area: Area, proxy: Proxy, fault: Status, nth: int
) -> None:
    data = os.urandom(17 * 2**20)
    with proxy.fault(fault, method="PUT", nth=nth, times=1) as rule:
        fs.pipe_file("file", data)
    assert rule.hits == 1
    assert gs_area.raw.read("root/file") == data


def test_create_refuses_what_is_there(fs: RemoteStoreFileSystem, gs_area: Area) -> None:
    fs.pipe_file("file", b"1", mode="create")
    for content in (b"2", bytes(5 * 2**20)):
        with pytest.raises(FileExistsError):
            fs.pipe_file("file", content, mode="create")
    assert gs_area.raw.read("root/file") == b"1"


def test_create_asks_the_store_to_refuse(fs: RemoteStoreFileSystem, proxy: Proxy) -> None:
    with proxy.record() as record:
        fs.pipe_file("file", b"1", mode="create")
    uploads = [request for request in record.requests if request.method == "POST"]
    assert [("ifGenerationMatch=0" in request.path) for request in uploads] == [True]


def test_write_options_reach_the_object_or_are_refused(
    fs: RemoteStoreFileSystem, gcs_server: GCSServer, gs_area: Area
) -> None:
    fs.pipe_file(
        "file",
        b"x",
        write_options={
            "content_type": "text/plain; charset=utf-8",
            "metadata": {"run": "1"},
            "fixed_key_metadata": {"cache_control": "no-store"},
        },
    )
    url = f"{gcs_server.url}/storage/v1/b/{gs_area.container}/o/root%2Ffile"
    with urllib.request.urlopen(url) as response:
        stored = json.load(response)
    assert stored["metadata"] == {"run": "1"}
    assert stored["cacheControl"] == "no-store"
    with pytest.raises(errors.ConfigError, match=r"write_options\.StorageClass"):
        fs.pipe_file("file", b"x", write_options={"StorageClass": "x"})


def test_a_bulk_delete_is_one_request_and_names_the_missing(
    fs: RemoteStoreFileSystem, gs_area: Area, proxy: Proxy
) -> None:
    names = [f"many/{number}" for number in range(30)]
    fs.pipe(dict.fromkeys(names, b"x"))
    gs_area.raw.write("root/manyother", b"stays")
    with proxy.record() as record, pytest.raises(FileNotFoundError, match="many/missing"):
        fs.rm_files([*names, "many/missing"])
    assert record.methods == {"POST": 1}
    assert gs_area.raw.keys() == ["root/manyother"]


def test_a_service_without_batches_deletes_one_by_one(
    fs: RemoteStoreFileSystem, gs_area: Area, proxy: Proxy
) -> None:
    fs.pipe({"a": b"x", "b": b"x"})
    with proxy.fault(Status(404), path="/batch*"):
        fs.rm_files(["a", "b"])
    assert gs_area.raw.keys() == []


def test_a_listing_goes_on_to_the_last_page(fs: RemoteStoreFileSystem, proxy: Proxy) -> None:
    fs.pipe({"folder/b": b"2", "folder/c": b"3"})
    # The emulator never turns a page: the first one is made up here, the last one is its own.
    first = {"nextPageToken": "t/1+", "items": [{"name": "root/folder/a", "size": "1"}]}
    page = Status(200, json.dumps(first).encode(), {"Content-Type": "application/json"})
    with proxy.record() as record, proxy.fault(page, method="GET", path="*/o?*", times=1):
        assert fs.find("folder") == ["folder/a", "folder/b", "folder/c"]
    assert ["pageToken=t%2F1%2B" in request.path for request in record.requests] == [False, True]


def test_a_recursive_delete_takes_the_consoles_placeholders(
    fs: RemoteStoreFileSystem, gs_area: Area
) -> None:
    gs_area.raw.write("root/run/made/", b"x")
    gs_area.raw.write("root/run/log", b"x")
    assert fs.find("run") == ["run/log"]
    assert fs.ls("run", detail=False) == ["run/log", "run/made"]
    fs.rm("run", recursive=True)
    assert gs_area.raw.keys() == []


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("call", CALLS, ids=CALL_NAMES)
def test_a_refused_credential_is_access_denied_and_never_missing(
    fs: RemoteStoreFileSystem,
    proxy: Proxy,
    call: Callable[[RemoteStoreFileSystem], object],
    status: int,
) -> None:
    with proxy.fault(Status(status)), pytest.raises(PermissionError):
        call(fs)


def test_a_missing_bucket_is_named_on_writing(gs_area: Area) -> None:
    config = gs_area.url_config() | {"url": "gs://no-such-bucket"}
    fs = RemoteStoreFileSystem(**config, timeout=20)
    with pytest.raises(FileNotFoundError, match="the bucket 'no-such-bucket' does not exist"):
        fs.pipe_file("x", b"x")
    with pytest.raises(FileNotFoundError):
        fs.cat_file("x")
    assert not fs.exists("x")


@pytest.mark.parametrize("call", CALLS, ids=CALL_NAMES)
@pytest.mark.parametrize(
    ("fault", "error"),
    [(Blackhole(), errors.StoreTimeoutError), (Refuse(), errors.StoreUnavailableError)],
    ids=["silent", "refused"],
)
def test_a_dead_server_is_an_error_in_bounded_time(
    gs_area: Area,
    proxy: Proxy,
    call: Callable[[RemoteStoreFileSystem], object],
    fault: Blackhole | Refuse,
    error: type[Exception],
) -> None:
    fs = opened(gs_area, via=proxy, timeout=4)
    with proxy.fault(fault), faster_than(60), pytest.raises(error):
        call(fs)


def test_a_cut_answer_is_read_again_and_never_taken_for_the_whole(
    fs: RemoteStoreFileSystem, gs_area: Area, proxy: Proxy
) -> None:
    data = os.urandom(2**20)
    gs_area.raw.write("root/file", data)
    with proxy.fault(Truncate(after=1000), method="GET", times=1) as rule:
        assert fs.cat_file("file") == data
    assert rule.hits == 1
    with proxy.fault(Truncate(after=1000), method="GET"), pytest.raises(ConnectionError):
        fs.cat_file("file")


def test_a_deletion_whose_answer_is_lost_succeeds(
    fs: RemoteStoreFileSystem, gs_area: Area, proxy: Proxy
) -> None:
    fs.pipe({"a": b"x", "b": b"x", "c": b"x"})
    with proxy.fault(ResetAfterEffect(), method="DELETE", times=1):
        fs.rm_file("a")
    with proxy.fault(ResetAfterEffect(), method="POST", times=1):
        fs.rm_files(["b", "c"])
    assert gs_area.raw.keys() == []


def test_a_signed_url_is_v4_and_gives_the_file(gs_area: Area, service_account: Path) -> None:
    gs_area.raw.write("root/a b#?", DIGITS)
    config = gs_area.url_config("root")
    config["storage_options"]["token"] = str(service_account)
    fs = RemoteStoreFileSystem(**config, timeout=20)
    url = fs.sign("a b#?", expiration=60, content_type="text/plain", filename="a.txt")
    assert "X-Goog-Algorithm=GOOG4-RSA-SHA256" in url
    assert "X-Goog-Expires=60" in url
    assert "response-content-type=text%2Fplain" in url
    with urllib.request.urlopen(url) as response:
        assert response.read() == DIGITS
        assert response.headers["Content-Disposition"] == 'attachment; filename="a.txt"'
    with pytest.raises(errors.UnsupportedOperationError, match="seven days"):
        fs.sign("a", expiration=8 * 24 * 3600)


def test_without_a_service_account_nothing_is_signed(fs: RemoteStoreFileSystem) -> None:
    with pytest.raises(errors.UnsupportedOperationError, match="service account"):
        fs.sign("a")


def test_a_token_that_cannot_be_had_is_not_a_missing_file(
    gs_area: Area, service_account: Path
) -> None:
    config = gs_area.url_config("root")
    config["storage_options"]["token"] = str(service_account)
    fs = RemoteStoreFileSystem(**config, timeout=20)
    with pytest.raises((PermissionError, ConnectionError)):
        fs.exists("a")


def test_a_forked_child_works_and_both_leave_quietly(gs_area: Area) -> None:
    done = run_python(FORK_AND_LEAVE, config=gs_area.config("root"))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_filesystem_works_again_after_it_was_closed(fs: RemoteStoreFileSystem) -> None:
    fs.pipe_file("a", DIGITS)
    fs.close()
    fs.close()
    assert fs.cat_file("a") == DIGITS
