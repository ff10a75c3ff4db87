"""S3 against moto, looked at from the other side with boto3."""

from __future__ import annotations

import os
import urllib.request
from typing import TYPE_CHECKING, Any

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

    from devservers import Area, S3Server

pytestmark = pytest.mark.server


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[Proxy]:
    with Proxy.to(s3_server) as proxy:
        yield proxy


@pytest.fixture
def fs(s3_area: Area, proxy: Proxy) -> RemoteStoreFileSystem:
    return opened(s3_area, via=proxy)


@pytest.fixture
def witness(s3_server: S3Server) -> Any:
    return s3_server.client()


@pytest.mark.parametrize("content", [DIGITS, b""], ids=["ten bytes", "empty"])
def test_every_range_is_a_python_slice(
    fs: RemoteStoreFileSystem, s3_area: Area, content: bytes
) -> None:
    s3_area.raw.write("root/file", content)
    for start in BOUNDS:
        for end in BOUNDS:
            assert fs.cat_file("file", start=start, end=end) == content[start:end], (start, end)


@pytest.mark.parametrize(("start", "end"), [(2**20, 2**20 + 1000), (-1000, None)])
def test_a_range_is_one_request_for_those_bytes(
    fs: RemoteStoreFileSystem, s3_area: Area, proxy: Proxy, start: int, end: int | None
) -> None:
    s3_area.raw.write("root/file", bytes(3 * 2**20))
    with proxy.record() as record:
        assert len(fs.cat_file("file", start=start, end=end)) == 1000
    assert record.methods == {"GET": 1}
    assert record.received == 1000


@pytest.mark.parametrize(("start", "end"), [(0, 5), (-3, None), (5, 2), (None, None)])
def test_a_range_of_a_missing_object_is_not_found(
    fs: RemoteStoreFileSystem, start: int | None, end: int | None
) -> None:
    with pytest.raises(FileNotFoundError):
        fs.cat_file("missing", start=start, end=end)


@pytest.mark.parametrize(
    "name", [*ODD_NAMES, "back\\slash", "tab\t", "carriage\rreturn", "control\x01", "dot."]
)
def test_a_name_is_stored_as_it_is(fs: RemoteStoreFileSystem, s3_area: Area, name: str) -> None:
    fs.pipe_file(name, DIGITS)
    assert s3_area.raw.keys() == [f"root/{name}"]
    assert fs.cat_file(name, start=2, end=4) == b"23"
    assert fs.info(name)["size"] == 10
    assert fs.find("") == [name]
    fs.cp_file(name, "copy")
    fs.mv_file("copy", f"{name}2")
    assert s3_area.raw.keys() == [f"root/{name}", f"root/{name}2"]
    fs.rm_files([name, f"{name}2"])
    assert s3_area.raw.keys() == []


@pytest.mark.parametrize("name", ["\udc80", "é" * 513], ids=["no text", "long"])
def test_a_name_that_s3_cannot_hold_is_refused(fs: RemoteStoreFileSystem, name: str) -> None:
    with pytest.raises(errors.InvalidPathError, match="S3"):
        fs.pipe_file(name, b"")


def test_1100_objects_are_listed_and_deleted_by_two_requests_each(
    fs: RemoteStoreFileSystem, s3_area: Area, proxy: Proxy
) -> None:
    for number in range(1100):
        s3_area.raw.write(f"root/many/{number % 2}/{number}", b"")
    s3_area.raw.write("root/manyother", b"")
    with proxy.record() as record:
        assert len(fs.find("many")) == 1100
    assert record.methods == {"GET": 2}
    with proxy.record() as record:
        fs.rm("many", recursive=True)
    assert record.methods["POST"] == 2
    assert record.methods["GET"] <= 3
    assert s3_area.raw.keys() == ["root/manyother"]


def test_a_recursive_delete_takes_the_consoles_placeholders(
    fs: RemoteStoreFileSystem, s3_area: Area
) -> None:
    s3_area.raw.write("root/run/made/", b"")
    s3_area.raw.write("root/run/log", b"x")
    assert fs.find("run") == ["run/log"]
    assert fs.ls("run", detail=False) == ["run/log", "run/made"]
    fs.rm("run", recursive=True)
    assert s3_area.raw.keys() == []


def test_an_object_that_may_not_be_deleted_is_an_error(
    fs: RemoteStoreFileSystem, s3_area: Area, proxy: Proxy
) -> None:
    s3_area.raw.write("root/a", b"")
    refusal = (
        b'<?xml version="1.0"?><DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Error><Key>root/a</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    )
    answer = Status(200, body=refusal, headers={"Content-Type": "application/xml"})
    with (
        proxy.fault(answer, method="POST"),
        pytest.raises(PermissionError, match="root/a"),
    ):
        fs.rm_files(["a", "b"], missing_ok=True)


def test_a_bulk_delete_names_the_missing_and_deletes_the_rest(
    fs: RemoteStoreFileSystem, s3_area: Area
) -> None:
    fs.pipe({"a": b"", "c": b""})
    with pytest.raises(FileNotFoundError, match="root/b"):
        fs.rm_files(["a", "b", "c"])
    assert s3_area.raw.keys() == []


@pytest.mark.parametrize("size", [1, 11 * 2**20], ids=["one part", "three parts"])
def test_create_refuses_what_is_there(
    fs: RemoteStoreFileSystem, s3_area: Area, size: int, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(bytes(size))
    fs.pipe_file("file", b"1", mode="create")
    with pytest.raises(FileExistsError):
        fs.pipe_file("file", bytes(size), mode="create")
    with pytest.raises(FileExistsError):
        fs.put_file(str(tmp_path / "file"), "file", mode="create")
    assert s3_area.raw.read("root/file") == b"1"


@pytest.mark.parametrize("size", [1, 11 * 2**20], ids=["one part", "three parts"])
def test_write_options_reach_the_object(
    fs: RemoteStoreFileSystem, s3_area: Area, witness: Any, size: int, tmp_path: Path
) -> None:
    options = {
        "content_type": "text/plain; charset=utf-8",
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "key-1",
        "StorageClass": "STANDARD_IA",
        "Metadata": {"run": "1"},
    }
    (tmp_path / "file").write_bytes(bytes(size))
    fs.pipe_file("piped", bytes(size), write_options=options)
    fs.put_file(str(tmp_path / "file"), "put", write_options=options)
    for name in ("piped", "put"):
        head = witness.head_object(Bucket=s3_area.container, Key=f"root/{name}")
        assert head["ContentType"] == "text/plain; charset=utf-8"
        assert head["ServerSideEncryption"] == "aws:kms"
        assert head["SSEKMSKeyId"] == "key-1"
        assert head["StorageClass"] == "STANDARD_IA"
        assert head["Metadata"] == {"run": "1"}


@pytest.mark.parametrize("name", ["content_types", "Bucket", "Body", "IfNoneMatch"])
def test_an_unknown_write_option_is_refused(
    fs: RemoteStoreFileSystem, s3_area: Area, name: str
) -> None:
    with pytest.raises(errors.ConfigError, match=rf"write_options\.{name}"):
        fs.pipe_file("file", b"x", write_options={name: "x"})
    assert s3_area.raw.keys() == []


def test_a_failed_upload_leaves_no_parts(
    fs: RemoteStoreFileSystem, s3_area: Area, proxy: Proxy, witness: Any
) -> None:
    refused = proxy.fault(Status(403), method="PUT", path="*partNumber*", nth=2)
    with refused, pytest.raises(PermissionError):
        fs.pipe_file("file", bytes(11 * 2**20))
    assert "Uploads" not in witness.list_multipart_uploads(Bucket=s3_area.container)
    assert s3_area.raw.keys() == []


@pytest.mark.parametrize("call", CALLS, ids=CALL_NAMES)
def test_a_refused_credential_is_access_denied_and_never_missing(
    fs: RemoteStoreFileSystem,
    proxy: Proxy,
    call: Callable[[RemoteStoreFileSystem], object],
) -> None:
    with proxy.fault(Status(403)), pytest.raises(PermissionError):
        call(fs)


def test_a_missing_bucket_is_named_on_writing(s3_area: Area) -> None:
    config = s3_area.backend_config()
    config["backend_options"] = config["backend_options"] | {"bucket": "no-such-bucket"}
    fs = RemoteStoreFileSystem(**config, timeout=20)
    with pytest.raises(FileNotFoundError, match="the bucket 'no-such-bucket' does not exist"):
        fs.pipe_file("x", b"x")
    with pytest.raises(FileNotFoundError):
        fs.cat_file("x")


@pytest.mark.parametrize("call", CALLS, ids=CALL_NAMES)
@pytest.mark.parametrize(
    ("fault", "error"),
    [(Blackhole(), errors.StoreTimeoutError), (Refuse(), errors.StoreUnavailableError)],
    ids=["silent", "refused"],
)
def test_a_dead_server_is_an_error_in_bounded_time(
    s3_area: Area,
    proxy: Proxy,
    call: Callable[[RemoteStoreFileSystem], object],
    fault: Blackhole | Refuse,
    error: type[Exception],
) -> None:
    fs = opened(s3_area, via=proxy, timeout=6)
    with proxy.fault(fault), faster_than(60), pytest.raises(error):
        call(fs)


@pytest.mark.parametrize("fault", [Status(503), ResetAfterEffect()], ids=["busy", "answer lost"])
@pytest.mark.parametrize("size", [10, 11 * 2**20], ids=["small", "three parts"])
def test_an_upload_survives_a_failing_request(
    fs: RemoteStoreFileSystem, s3_area: Area, proxy: Proxy, size: int, fault: Status
) -> None:
    data = os.urandom(size)
    with proxy.fault(fault, method="PUT", times=1) as rule:
        fs.pipe_file("file", data)
    assert rule.hits == 1
    assert s3_area.raw.read("root/file") == data


def test_a_cut_answer_is_read_again(
    fs: RemoteStoreFileSystem, s3_area: Area, proxy: Proxy, tmp_path: Path
) -> None:
    data = os.urandom(2**20)
    s3_area.raw.write("root/file", data)
    with proxy.fault(Truncate(after=1000), method="GET", times=1) as rule:
        assert fs.cat_file("file") == data
    assert rule.hits == 1
    with proxy.fault(Truncate(after=1000), method="GET", times=1):
        fs.get_file("file", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == data
    with proxy.fault(Truncate(after=1000), method="GET"), pytest.raises(ConnectionError):
        fs.cat_file("file")


def test_a_deletion_whose_answer_is_lost_succeeds(
    fs: RemoteStoreFileSystem, s3_area: Area, proxy: Proxy
) -> None:
    fs.pipe({"a": b"", "b": b"", "c": b""})
    with proxy.fault(ResetAfterEffect(), method="DELETE", times=1):
        fs.rm_file("a")
    with proxy.fault(ResetAfterEffect(), method="POST", times=1):
        fs.rm_files(["b", "c"])
    assert s3_area.raw.keys() == []


def test_a_signed_url_is_sigv4_and_gives_the_file_with_its_name_and_type(
    fs: RemoteStoreFileSystem,
) -> None:
    fs.pipe_file("a b#?", DIGITS)
    url = fs.sign("a b#?", expiration=60, content_type="text/plain", filename='é".txt')
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url
    with urllib.request.urlopen(url) as response:
        assert response.read() == DIGITS
        assert response.headers["Content-Type"] == "text/plain"
        disposition = response.headers["Content-Disposition"]
    assert disposition == "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%A9%22.txt"


def test_a_forked_child_works_and_both_leave_quietly(s3_area: Area) -> None:
    done = run_python(FORK_AND_LEAVE, config=s3_area.config("root"))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_filesystem_works_again_after_it_was_closed(fs: RemoteStoreFileSystem) -> None:
    fs.pipe_file("a", DIGITS)
    fs.close()
    fs.close()
    assert fs.cat_file("a") == DIGITS
