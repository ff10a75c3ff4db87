"""What a WebDAV server sees of ours, and what ours makes of its answers."""

from __future__ import annotations

import io
import os
import threading
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from devservers.proxy import Blackhole, Proxy, Refuse, Reset, ResetAfterEffect, Status, Truncate
from remote_store_fsspec.backends._webdav_http import Range, members
from remote_store_fsspec.backends.base import Target
from remote_store_fsspec.backends.webdav import WebdavBackend
from remote_store_fsspec.errors import (
    AccessDeniedError,
    ConfigError,
    DirectoryNotEmptyError,
    InvalidPathError,
    StoreTimeoutError,
    StoreUnavailableError,
    UnsupportedOperationError,
)
from remote_store_fsspec.filesystem import RemoteStoreFileSystem
from tests.backends.support import names_in, run_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from devservers import Area, ReadOnlyHTTPServer, WebDAVServer

MEBIBYTE = 2**20
LISTING = (
    b'<?xml version="1.0"?><D:multistatus xmlns:D="DAV:"><D:response><D:href>%s</D:href>'
    b"<D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype><D:getlastmodified>%s"
    b"</D:getlastmodified></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
    b"</D:multistatus>"
)
"""A folder with nothing in it, by its address and the date of its last change."""


def on_disk(area: Area) -> Path:
    raw: Any = area.raw
    folder: Path = raw.folder
    return folder


@pytest.fixture
def fs(webdav_area: Area) -> Iterator[RemoteStoreFileSystem]:
    fs = RemoteStoreFileSystem(**webdav_area.config(), skip_instance_cache=True)
    yield fs
    fs.close()


@pytest.fixture
def proxy(webdav_server: WebDAVServer) -> Iterator[Proxy]:
    with Proxy.to(webdav_server) as proxy:
        yield proxy


@pytest.fixture
def through(webdav_area: Area, proxy: Proxy) -> Iterator[RemoteStoreFileSystem]:
    fs = RemoteStoreFileSystem(**webdav_area.config(via=proxy), timeout=5, skip_instance_cache=True)
    yield fs
    fs.close()


@pytest.mark.server
class TestRequests:
    def test_a_range_moves_only_its_bytes_and_is_checked_by_one_look_at_the_file(
        self, through: RemoteStoreFileSystem, webdav_area: Area, proxy: Proxy
    ) -> None:
        data = os.urandom(10 * MEBIBYTE)
        webdav_area.raw.write("file", data)
        with proxy.record() as record:
            assert through.cat_file("file", MEBIBYTE, MEBIBYTE + 1000) == data[MEBIBYTE:][:1000]
            assert through.cat_file("file", -1000) == data[-1000:]
        assert record.methods == {"GET": 2, "HEAD": 2}
        assert record.received == 2000

    def test_a_range_counted_from_both_ends_moves_only_its_bytes(
        self, through: RemoteStoreFileSystem, webdav_area: Area, proxy: Proxy
    ) -> None:
        data = os.urandom(MEBIBYTE)
        webdav_area.raw.write("file", data)
        with proxy.record() as record:
            assert through.cat_file("file", -1000, -10) == data[-1000:-10]
        assert record.methods == {"PROPFIND": 1, "GET": 1, "HEAD": 1}
        assert record.received < 3000

    def test_a_new_file_in_an_existing_folder_is_a_put_and_a_move(
        self, through: RemoteStoreFileSystem, webdav_area: Area, proxy: Proxy
    ) -> None:
        webdav_area.raw.write("folder/other", b"")
        with proxy.record() as record:
            through.pipe_file("folder/file", b"12345")
        assert record.methods == {"PUT": 1, "MOVE": 1}
        assert webdav_area.raw.read("folder/file") == b"12345"

    def test_a_tree_is_deleted_in_one_request(
        self, through: RemoteStoreFileSystem, webdav_area: Area, proxy: Proxy
    ) -> None:
        for number in range(20):
            webdav_area.raw.write(f"tree/{number}/file", b"")
        with proxy.record() as record:
            through.rm("tree", recursive=True)
        assert record.count("DELETE") == 1
        assert names_in(on_disk(webdav_area)) == []

    def test_a_copy_inside_the_store_moves_no_content(
        self, through: RemoteStoreFileSystem, webdav_area: Area, proxy: Proxy
    ) -> None:
        data = os.urandom(MEBIBYTE)
        webdav_area.raw.write("source", data)
        with proxy.record() as record:
            through.cp_file("source", "folder/copy")
        assert webdav_area.raw.read("folder/copy") == data
        assert record.sent + record.received < 10_000


@pytest.mark.server
class TestNames:
    def test_names_are_kept_on_the_servers_disk(
        self, fs: RemoteStoreFileSystem, webdav_area: Area
    ) -> None:
        names = [
            *("a b", "a?b", "a*b", "[x]", "a%20b", "a%2Fb", "100%", "a\nb", "a\tb", "a\\b", "é"),
            *("a#b", "x?versionId=1", "a;b", "a&b=c", "::", "~", "-x", "trail ", ".dot", "é" * 127),
        ]
        for name in names:
            fs.pipe_file(f"folder/{name}", b"old")
            fs.pipe_file(f"folder/{name}", name.encode())
        assert names_in(on_disk(webdav_area) / "folder") == sorted(names)
        assert fs.ls("folder", detail=False) == sorted(f"folder/{name}" for name in names)
        for name in names:
            assert fs.cat_file(f"folder/{name}") == name.encode()
            assert fs.info(f"folder/{name}")["size"] == len(name.encode())
            fs.cp_file(f"folder/{name}", f"copies/{name}")
            fs.mv_file(f"copies/{name}", f"moved/{name}")
            fs.rm_file(f"folder/{name}")
        assert names_in(on_disk(webdav_area) / "folder") == []
        assert names_in(on_disk(webdav_area) / "copies") == []
        assert names_in(on_disk(webdav_area) / "moved") == sorted(names)

    def test_a_copy_to_such_a_name_makes_its_folder(
        self, fs: RemoteStoreFileSystem, webdav_area: Area
    ) -> None:
        webdav_area.raw.write("a", b"content")
        for number in range(3):
            fs.cp_file("a", f"new {number}/b?c")
        assert [fs.cat_file(f"new {number}/b?c") for number in range(3)] == [b"content"] * 3

    def test_a_name_that_a_server_would_cut_off_does_not_replace_another_file(
        self, fs: RemoteStoreFileSystem, webdav_area: Area
    ) -> None:
        webdav_area.raw.write("a", b"mine")
        for name in ("a?b", "a;b", "a\nb"):
            fs.pipe_file(name, b"other")
            fs.cp_file(name, f"{name}2")
            fs.mv_file(f"{name}2", f"{name}3")
        assert webdav_area.raw.read("a") == b"mine"
        with pytest.raises(FileExistsError):
            fs.pipe_file("a?b", b"", mode="create")

    def test_folders_may_have_such_names_too(
        self, fs: RemoteStoreFileSystem, webdav_area: Area
    ) -> None:
        fs.pipe_file("a?b/c#d/e%20f/file", b"1")
        assert webdav_area.raw.read("a?b/c#d/e%20f/file") == b"1"
        assert fs.find("") == ["a?b/c#d/e%20f/file"]
        fs.rm("a?b", recursive=True)
        assert names_in(on_disk(webdav_area)) == []

    def test_a_name_of_256_bytes_is_refused(self, fs: RemoteStoreFileSystem) -> None:
        with pytest.raises(InvalidPathError, match="256 bytes"):
            fs.pipe_file("é" * 128, b"")


@pytest.mark.server
class TestFilesAndDirectories:
    def test_each_mistake_has_its_error_and_deletes_nothing(
        self, fs: RemoteStoreFileSystem, webdav_area: Area
    ) -> None:
        webdav_area.raw.write("folder/file", b"old")
        webdav_area.raw.write("source", b"source")
        mistakes: list[tuple[type[OSError], Callable[[], object]]] = [
            (IsADirectoryError, lambda: fs.cat_file("folder")),
            (IsADirectoryError, lambda: fs.cat_file("folder", 1, 2)),
            (IsADirectoryError, lambda: fs.pipe_file("folder", b"")),
            (IsADirectoryError, lambda: fs.mv_file("source", "folder")),
            (IsADirectoryError, lambda: fs.cp_file("source", "folder")),
            (IsADirectoryError, lambda: fs.rm_file("folder")),
            (NotADirectoryError, lambda: fs.pipe_file("folder/file/below", b"")),
            (NotADirectoryError, lambda: fs.rmdir("folder/file")),
            (FileNotFoundError, lambda: fs.cat_file("folder/none")),
            (FileNotFoundError, lambda: fs.cat_file("folder/none", -3, -1)),
            (FileNotFoundError, lambda: fs.cat_file("folder/file/below")),
            (FileNotFoundError, lambda: fs.rm_file("folder/none")),
            (FileNotFoundError, lambda: fs.ls("none")),
            (FileNotFoundError, lambda: fs.mv_file("none", "folder/file")),
            (FileExistsError, lambda: fs.pipe_file("folder/file", b"", mode="create")),
            (DirectoryNotEmptyError, lambda: fs.rmdir("folder")),
            (UnsupportedOperationError, lambda: fs.sign("folder/file")),
        ]
        for kind, mistake in mistakes:
            with pytest.raises(kind):
                mistake()
        assert webdav_area.raw.keys() == ["folder/file", "source"]
        assert webdav_area.raw.read("folder/file") == b"old"
        assert names_in(on_disk(webdav_area)) == ["folder", "source"]

    def test_a_reader_meets_no_gap_while_a_file_is_replaced(
        self, fs: RemoteStoreFileSystem, webdav_area: Area
    ) -> None:
        old, new = b"o" * 300_000, b"n" * 400_000
        fs.pipe_file("file", old)
        other = RemoteStoreFileSystem(**webdav_area.config(), skip_instance_cache=True)
        wrong: list[object] = []
        done = threading.Event()

        def read() -> None:
            while not done.is_set():
                try:
                    if (got := other.cat_file("file")) not in (old, new):
                        wrong.append(len(got))
                    if other.info("file")["size"] not in (len(old), len(new)):
                        wrong.append("size")
                    if set(got := other.cat_file("file", -9, -1)) not in ({110}, {111}):
                        wrong.append(got)
                except Exception as exc:
                    wrong.append(exc)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for turn in range(40):
            fs.pipe_file("file", new if turn % 2 else old)
        done.set()
        for reader in readers:
            reader.join()
        assert wrong == []
        other.close()

    def test_a_reader_goes_on_for_as_long_as_a_file_keeps_being_replaced(
        self, through: RemoteStoreFileSystem, webdav_area: Area, proxy: Proxy
    ) -> None:
        webdav_area.raw.write("folder/file", b"old")
        met = []

        def between(method: str, path: str) -> bool:
            """A GET that meets the moment between, of another replacement each time."""
            if method != "GET":
                return False
            met.append(path)
            webdav_area.raw.write("folder/file", b"new" * len(met))
            return True

        with proxy.fault(Status(404), path=between, times=12) as rule:
            assert through.cat_file("folder/file") == b"new" * 13
        assert rule.hits == 12

    def test_a_listing_that_falls_into_a_replacement_is_made_again(
        self, through: RemoteStoreFileSystem, webdav_area: Area, proxy: Proxy
    ) -> None:
        webdav_area.raw.write("folder/file", b"data")
        empty = LISTING % (b"/folder/", formatdate(usegmt=True).encode())
        with (
            proxy.fault(Status(404), method="GET", times=1),
            proxy.fault(Status(207, body=empty), method="PROPFIND", times=1) as rule,
        ):
            assert through.cat_file("folder/file") == b"data"
        assert rule.hits == 1

    def test_a_file_that_is_not_there_costs_one_look_around(
        self, through: RemoteStoreFileSystem, webdav_area: Area, proxy: Proxy
    ) -> None:
        webdav_area.raw.write("folder/other", b"")
        os.utime(on_disk(webdav_area) / "folder", (1e9, 1e9))  # nothing happened for years
        with proxy.record() as record, pytest.raises(FileNotFoundError):
            through.cat_file("folder/none")
        assert record.methods == {"GET": 1, "PROPFIND": 1}

    def test_what_a_dead_writer_left_does_not_hide_that_a_file_is_missing(
        self, fs: RemoteStoreFileSystem, webdav_area: Area
    ) -> None:
        webdav_area.raw.write("folder/.rsfs-0123456789abcdef.tmp", b"half")
        with pytest.raises(FileNotFoundError):
            fs.cat_file("folder/none")
        assert not fs.exists("folder/none")

    def test_of_many_that_create_a_file_at_once_one_does(
        self, fs: RemoteStoreFileSystem, webdav_area: Area
    ) -> None:
        outcomes: list[str] = []

        def create(number: int) -> None:
            try:
                fs.pipe_file("file", b"%d" % number, mode="create")
            except FileExistsError:
                outcomes.append("refused")
            else:
                outcomes.append("created")

        threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes.count("created") >= 1
        assert webdav_area.raw.keys() == ["file"]

    def test_a_file_streams_from_disk_to_disk(
        self, fs: RemoteStoreFileSystem, webdav_area: Area, tmp_path: Path
    ) -> None:
        data = os.urandom(5 * MEBIBYTE + 3)
        (tmp_path / "here").write_bytes(data)
        fs.put_file(str(tmp_path / "here"), "there")
        assert webdav_area.raw.read("there") == data
        fs.get_file("there", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == data

    def test_only_the_content_type_may_be_written_with_a_file(
        self, fs: RemoteStoreFileSystem
    ) -> None:
        fs.pipe_file("file", b"", write_options={"content_type": "text/plain"})
        with pytest.raises(UnsupportedOperationError, match="ACL"):
            fs.pipe_file("file", b"", write_options={"ACL": "private"})


@pytest.mark.server
class TestFaults:
    @pytest.mark.parametrize(
        "fault", [Status(503), Status(500), Reset(), ResetAfterEffect()], ids=repr
    )
    @pytest.mark.parametrize(
        "method", ["GET", "PROPFIND", "PUT", "MOVE", "DELETE", "MKCOL", "COPY"]
    )
    def test_one_failure_of_any_request_is_survived(
        self,
        through: RemoteStoreFileSystem,
        webdav_area: Area,
        proxy: Proxy,
        method: str,
        fault: Any,
    ) -> None:
        webdav_area.raw.write("old", b"0123456789")
        with proxy.fault(fault, method=method, times=1) as rule:
            through.pipe_file("new/file", b"first")
            through.pipe_file("new/file", b"second")
            through.pipe_file("new/fresh", b"third", mode="create")
            assert through.cat_file("old", 2, 5) == b"234"
            assert sorted(through.find("")) == ["new/file", "new/fresh", "old"]
            through.cp_file("old", "copy")
            through.mv_file("copy", "new/moved")
            through.rm_file("old")
        assert rule.hits == 1
        assert webdav_area.raw.keys() == ["new/file", "new/fresh", "new/moved"]
        assert webdav_area.raw.read("new/file") == b"second"
        assert webdav_area.raw.read("new/moved") == b"0123456789"
        assert names_in(on_disk(webdav_area) / "new") == ["file", "fresh", "moved"]

    def test_a_body_that_is_cut_off_is_asked_for_again(
        self, through: RemoteStoreFileSystem, webdav_area: Area, proxy: Proxy, tmp_path: Path
    ) -> None:
        data = os.urandom(2 * MEBIBYTE)
        webdav_area.raw.write("file", data)
        for cut in (Truncate(after=100_000), Reset(after=100_000)):
            with proxy.fault(cut, method="GET", times=1) as rule:
                assert through.cat_file("file") == data
            assert rule.hits == 1
            with proxy.fault(cut, method="GET", times=1):
                through.get_file("file", str(tmp_path / "copy"))
            assert (tmp_path / "copy").read_bytes() == data

    def test_a_server_that_keeps_failing_is_a_connection_error(
        self, through: RemoteStoreFileSystem, proxy: Proxy
    ) -> None:
        for fault in (Status(503), Status(500), Refuse()):
            with proxy.fault(fault):
                with pytest.raises(StoreUnavailableError):
                    through.exists("file")
                with pytest.raises(ConnectionError):
                    through.pipe_file("file", b"")

    def test_a_refusal_never_looks_like_a_missing_file(
        self, through: RemoteStoreFileSystem, webdav_area: Area, proxy: Proxy
    ) -> None:
        webdav_area.raw.write("folder/file", b"1")
        calls: tuple[Callable[[], object], ...] = (
            lambda: through.exists("folder/file"),
            lambda: through.isfile("folder/file"),
            lambda: through.cat_file("folder/file"),
            lambda: through.find("folder"),
            lambda: through.pipe_file("folder/new", b""),
            lambda: through.rm_file("folder/file"),
            lambda: through.rm("folder", recursive=True),
            lambda: through.makedirs("other"),
        )
        for status in (401, 403):
            with proxy.fault(Status(status)):
                for call in calls:
                    with pytest.raises(AccessDeniedError, match=f"HTTP {status}"):
                        call()

    def test_a_wrong_password_is_a_permission_error_that_does_not_show_it(
        self, webdav_area: Area
    ) -> None:
        config = webdav_area.config()
        config["storage_options"]["auth"] = ["devserver", "guessed-wrongly"]
        fs = RemoteStoreFileSystem(**config, skip_instance_cache=True)
        with pytest.raises(AccessDeniedError) as caught:
            fs.exists("file")
        seen: BaseException | None = caught.value
        while seen is not None:
            assert "guessed" not in str(seen)
            seen = seen.__cause__
        fs.close()

    def test_a_password_in_the_address_is_used_and_not_shown(self, webdav_area: Area) -> None:
        config = webdav_area.config()
        options = config["storage_options"]
        user, password = options.pop("auth")
        address = options["base_url"].removeprefix("http://")
        options["base_url"] = f"http://{user}:{password}@{address}"
        fs = RemoteStoreFileSystem(**config, skip_instance_cache=True)
        fs.pipe_file("file", b"1")
        with pytest.raises(FileNotFoundError) as caught:
            fs.cat_file("none")
        seen: BaseException | None = caught.value
        while seen is not None:
            assert password not in str(seen)
            seen = seen.__cause__
        fs.close()

    def test_a_silent_server_is_given_up_in_time(self, webdav_area: Area, proxy: Proxy) -> None:
        fs = RemoteStoreFileSystem(
            **webdav_area.config(via=proxy), timeout=1, skip_instance_cache=True
        )
        fs.pipe_file("file", b"1")
        with proxy.fault(Blackhole()):
            with pytest.raises(StoreTimeoutError):
                fs.cat_file("file")
            with pytest.raises(StoreTimeoutError):
                fs.pipe_file("file", b"2")
        assert fs.cat_file("file") == b"1"
        fs.close()

    def test_an_answer_that_is_not_webdavs_is_an_error(
        self, through: RemoteStoreFileSystem, proxy: Proxy
    ) -> None:
        with (
            proxy.fault(Status(207, body=b"<html>hello")),
            pytest.raises(OSError, match="not WebDAV"),
        ):
            through.exists("file")


@pytest.mark.server
class TestLife:
    def test_32_threads_share_one_filesystem(self, fs: RemoteStoreFileSystem) -> None:
        wrong: list[object] = []

        def work(number: int) -> None:
            try:
                for turn in range(3):
                    data = b"%d-%d" % (number, turn) * 50
                    fs.pipe_file(f"{number}/{turn}", data)
                    if fs.cat_file(f"{number}/{turn}", 3, 40) != data[3:40]:
                        wrong.append((number, turn))
            except Exception as exc:
                wrong.append(exc)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert len(fs.find("")) == 96

    def test_close_is_not_the_end(self, fs: RemoteStoreFileSystem) -> None:
        fs.pipe_file("file", b"1")
        fs.close()
        fs.close()
        assert fs.cat_file("file") == b"1"

    def test_the_interpreter_ends_at_once_and_says_nothing(self, webdav_area: Area) -> None:
        code = (
            "import os, sys\n"
            "from remote_store_fsspec.filesystem import RemoteStoreFileSystem\n"
            f"fs = RemoteStoreFileSystem(**{webdav_area.config()!r})\n"
            "fs.pipe_file('file', b'1')\n"
            "read = fs.open('file', 'rb'); read.read(1)\n"
            "write = fs.open('other', 'wb'); write.write(b'half')\n"
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    fs.pipe_file('child', b'child')\n"
            "    sys.exit(0)\n"
            "assert os.waitpid(pid, 0)[1] == 0\n"
            "assert fs.cat_file('child') == b'child'\n"
        )
        assert run_python(code) == ""
        assert webdav_area.raw.keys() == ["child", "file"]

    def test_a_listing_cache_is_refused(self, webdav_area: Area) -> None:
        config = webdav_area.config()
        config["storage_options"]["use_listings_cache"] = True
        fs = RemoteStoreFileSystem(**config, skip_instance_cache=True)
        with pytest.raises(ConfigError, match="listing cache"):
            fs.exists("file")


@pytest.mark.server
def test_ranges_are_exact_on_a_server_that_does_not_do_ranges(
    http_server: ReadOnlyHTTPServer,
) -> None:
    area = http_server.new_area()
    data = bytes(range(256)) * 5000
    area.raw.write("file", data)
    backend = WebdavBackend(
        Target("webdav", area.container, "webdav://x", {"base_url": http_server.url})
    )
    fs = RemoteStoreFileSystem(url="memory://unused")
    fs._backend = backend
    for start, end in ((None, None), (5, 9), (1000, 1_000_000), (-10, None), (2**30, None)):
        assert fs.cat_file("file", start, end) == data[start:end]
    fs.close()


class TestAnswers:
    ROOT = "<d:response><d:href>{}</d:href><d:propstat><d:prop><d:resourcetype>{}</d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"

    def listing(self, *hrefs: str) -> list[str]:
        body = "".join(
            self.ROOT.format(href, "<d:collection/>" if href.endswith("/") else "")
            for href in hrefs
        )
        found = members(f'<d:multistatus xmlns:d="DAV:">{body}</d:multistatus>'.encode())
        return [member.name for member in found]

    def test_names_are_decoded_once(self) -> None:
        assert self.listing("/a/", "/a/x%2520y", "/a/%23%3F%25") == ["", "x%20y", "#?%"]
        assert self.listing("/a%2Fb/", "/a%2Fb/c%2Fd") == ["", "c/d"]

    def test_the_collection_comes_first_wherever_the_server_puts_it(self) -> None:
        assert self.listing("/dav/a/one", "/dav/a/", "/dav/a/two/") == ["", "one", "two"]
        assert self.listing("http://host/dav/a/", "http://host/dav/a/one") == ["", "one"]

    def test_properties_that_the_server_does_not_have_are_left_out(self) -> None:
        body = (
            b'<D:multistatus xmlns:D="DAV:"><D:response><D:href>/f</D:href>'
            b"<D:propstat><D:prop><D:resourcetype/><D:getcontentlength>3</D:getcontentlength>"
            b"</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
            b"<D:propstat><D:prop><D:getetag/><D:getlastmodified/></D:prop>"
            b"<D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response></D:multistatus>"
        )
        (member,) = members(body)
        assert (member.size, member.is_folder, member.etag, member.mtime) == (3, False, None, None)

    @pytest.mark.parametrize("status", [200, 206])
    def test_a_range_is_cut_from_whatever_comes(self, status: int) -> None:
        data = bytes(range(100))
        for start, end in ((None, None), (0, 5), (7, 9), (90, 200), (-5, None), (-500, None)):
            part = Range.of(start, end)
            assert part is not None
            content = data if status == 200 else data[start:end]
            response = httpx.Response(
                status, content=iter([content[:8], content[8:10], content[10:]])
            )
            assert part.fetch(response, io.BytesIO(b"x" * 50)) == data[start:end]

    @pytest.mark.parametrize(("start", "end"), [(-5, 3), (4, 4), (9, 3), (None, 0), (0, -1)])
    def test_a_range_that_needs_the_size_is_said_to(self, start: int | None, end: int) -> None:
        assert Range.of(start, end) is None
