"""What FTP servers of several kinds see of ours, and what ours makes of their replies."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from devservers import Area, FTPServer
from devservers.areas import FolderStore
from devservers.proxy import Blackhole, Proxy
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
    from collections.abc import Callable, Iterator, Sequence

pytestmark = pytest.mark.server
MEBIBYTE = 2**20


@pytest.fixture
def fs(ftp_area: Area) -> Iterator[RemoteStoreFileSystem]:
    fs = RemoteStoreFileSystem(**ftp_area.config(), skip_instance_cache=True)
    yield fs
    fs.close()


class Place(FTPServer):
    """The folder ``area`` of a server with habits of its own."""

    def __init__(self, kind: str = "plain", folders: Sequence[str] = ()) -> None:
        super().__init__()
        self._kind = kind
        self.area = self.folder / "area"
        for folder in ("", *folders):
            (self.area / folder).mkdir()
        self.raw = FolderStore(self.area)

    def command(self) -> Sequence[str]:
        program = Path(__file__).with_name("odd_ftp_server.py")
        return [
            sys.executable,
            str(program),
            self.host,
            str(self.port),
            str(self.folder),
            self._kind,
        ]

    @cached_property
    def fs(self) -> RemoteStoreFileSystem:
        return RemoteStoreFileSystem(
            url=f"ftp://{self.host}:{self.port}/area",
            storage_options={"username": "u", "password": "p"},
            skip_instance_cache=True,
        )


@contextmanager
def served(kind: str = "plain", folders: Sequence[str] = ()) -> Iterator[Place]:
    """A running server; ``listed`` may be listed and no more, ``closed`` not even that."""
    with Place(kind, folders) as place:
        yield place
        place.fs.close()


@pytest.fixture(scope="module", params=["plain", "without MLSD", "on Windows"])
def kind_of_server(request: pytest.FixtureRequest) -> Iterator[Place]:
    with served(request.param) as place:
        yield place


@pytest.fixture
def place(kind_of_server: Place) -> Place:
    shutil.rmtree(kind_of_server.area)
    kind_of_server.area.mkdir()
    return kind_of_server


class TestEveryKindOfServer:
    def test_ranges_are_slices(self, place: Place) -> None:
        data = b"0123456789"
        place.raw.write("file", data)
        place.raw.write("empty", b"")
        bounds = (None, 0, 3, 9, 10, 15, -1, -3, -20)
        for start in bounds:
            for end in bounds:
                assert place.fs.cat_file("file", start, end) == data[start:end], (start, end)
                assert place.fs.cat_file("empty", start, end) == b""

    def test_a_file_is_replaced_whole_and_nothing_else_stays(self, place: Place) -> None:
        place.fs.pipe_file("deep/er/file", b"old")
        place.fs.pipe_file("deep/er/file", b"new")
        assert place.raw.read("deep/er/file") == b"new"
        assert names_in(place.area / "deep/er") == ["file"]

    def test_names_are_kept_on_the_servers_disk(self, place: Place) -> None:
        names = [
            "a b",
            "a?b",
            "a*b",
            "[x]",
            "a%20b",
            "a\\b",
            "é",
            "::",
            "~",
            "-x",
            "trail ",
            ".dot",
        ]
        for name in names:
            place.fs.pipe_file(f"folder/{name}", name.encode())
        assert names_in(place.area / "folder") == sorted(names)
        assert place.fs.ls("folder", detail=False) == sorted(f"folder/{name}" for name in names)
        for name in names:
            assert place.fs.cat_file(f"folder/{name}") == name.encode()
            place.fs.rm_file(f"folder/{name}")
        assert names_in(place.area / "folder") == []

    def test_each_mistake_has_its_error(self, place: Place) -> None:
        place.raw.write("folder/file", b"old")
        fs = place.fs
        mistakes: list[tuple[type[OSError], Callable[[], object]]] = [
            (IsADirectoryError, lambda: fs.cat_file("folder")),
            (IsADirectoryError, lambda: fs.pipe_file("folder", b"")),
            (IsADirectoryError, lambda: fs.rm_file("folder")),
            (NotADirectoryError, lambda: fs.pipe_file("folder/file/below", b"")),
            (NotADirectoryError, lambda: fs.rmdir("folder/file")),
            (FileNotFoundError, lambda: fs.cat_file("none")),
            (FileNotFoundError, lambda: fs.cat_file("none", 5, 6)),
            (FileNotFoundError, lambda: fs.cat_file("folder/file/below")),
            (FileNotFoundError, lambda: fs.info("none/below")),
            (FileNotFoundError, lambda: fs.ls("none")),
            (FileNotFoundError, lambda: fs.rm_file("folder/none")),
            (FileNotFoundError, lambda: fs.mv_file("none", "folder/file")),
            (FileExistsError, lambda: fs.pipe_file("folder/file", b"", mode="create")),
            (DirectoryNotEmptyError, lambda: fs.rmdir("folder")),
            (UnsupportedOperationError, lambda: fs.sign("folder/file")),
        ]
        for kind, mistake in mistakes:
            with pytest.raises(kind):
                mistake()
        assert place.raw.keys() == ["folder/file"]
        assert place.raw.read("folder/file") == b"old"
        assert fs.find("none") == []

    def test_files_are_copied_moved_and_deleted(self, place: Place) -> None:
        data = os.urandom(3 * MEBIBYTE)
        place.raw.write("a/file", data)
        place.fs.cp_file("a/file", "b/copy")
        place.fs.mv("b/copy", "c/d/moved")
        assert place.raw.read("c/d/moved") == data
        assert place.fs.info("c/d/moved")["size"] == len(data)
        assert place.fs.find("") == ["a/file", "c/d/moved"]
        place.fs.rm("a", recursive=True)
        place.fs.rm("c", recursive=True)
        assert place.raw.keys() == []
        assert not (place.area / "c").exists()

    def test_a_modification_time_is_the_files(self, place: Place) -> None:
        place.raw.write("file", b"1")
        os.utime(place.area / "file", (1_700_000_000, 1_700_000_000))
        assert place.fs.info("file")["mtime"] == 1_700_000_000
        assert place.fs.ls("", detail=True)[0]["mtime"] == 1_700_000_000


class TestRefusals:
    def test_a_refused_file_is_told_apart_from_a_missing_one(self) -> None:
        with served("plain", ["listed", "closed"]) as place:
            for folder in ("listed", "closed"):
                place.raw.write(f"{folder}/file", b"secret")
            with pytest.raises(AccessDeniedError, match="550"):
                place.fs.cat_file("listed/file")
            with pytest.raises(FileNotFoundError):
                place.fs.cat_file("listed/none")
            for call in (place.fs.cat_file, place.fs.info, place.fs.exists, place.fs.rm_file):
                with pytest.raises(PermissionError):
                    call("closed/file")
            with pytest.raises(PermissionError):
                place.fs.find("closed")
            changes: tuple[Callable[[], object], ...] = (
                lambda: place.fs.pipe_file("listed/new", b""),
                lambda: place.fs.pipe_file("listed/file", b""),
                lambda: place.fs.makedirs("listed/new"),
                lambda: place.fs.rm("listed", recursive=True),
            )
            for change in changes:
                with pytest.raises(PermissionError):
                    change()
            assert place.raw.read("listed/file") == b"secret"

    def test_a_wrong_password_is_a_permission_error(self, ftp_area: Area) -> None:
        config = ftp_area.url_config()
        config["storage_options"]["password"] = "guessed-wrongly"
        fs = RemoteStoreFileSystem(**config, skip_instance_cache=True)
        with pytest.raises(AccessDeniedError, match="530") as caught:
            fs.exists("file")
        assert "guessed" not in str(caught.value)

    def test_a_name_that_no_command_can_carry_is_refused(self, fs: RemoteStoreFileSystem) -> None:
        for name in ("a\nDELE b", "a\rb", "x" * 256, "\udcff"):
            with pytest.raises(InvalidPathError):
                fs.pipe_file(name, b"")
            with pytest.raises(InvalidPathError):
                fs.exists(name)

    def test_a_listing_cache_is_refused(self, ftp_area: Area) -> None:
        config = ftp_area.url_config()
        config["storage_options"]["use_listings_cache"] = True
        fs = RemoteStoreFileSystem(**config, skip_instance_cache=True)
        with pytest.raises(ConfigError, match="listing cache"):
            fs.exists("file")


class TestConnection:
    def test_a_restarted_server_is_survived(self) -> None:
        with FTPServer() as server:
            area = server.new_area()
            fs = RemoteStoreFileSystem(**area.config(), skip_instance_cache=True)
            fs.pipe_file("file", b"1")
            for call in (
                lambda: fs.cat_file("file") == b"1",
                lambda: fs.exists("file"),
                lambda: fs.find("") == ["file"],
                lambda: fs.pipe_file("file", b"1") is None,
                lambda: fs.rm_file("file") is None,
            ):
                server.restart()
                assert call()
            assert area.raw.keys() == []
            fs.close()

    def test_a_server_that_hangs_up_on_the_idle_is_survived(self) -> None:
        with served("impatient") as place:
            place.fs.pipe_file("file", b"1")
            inner: Any = place.fs._backend._inner
            inner.ftp.sock.settimeout(20)
            assert inner.ftp.file.readline().startswith("421")  # the server has hung up
            assert place.fs.cat_file("file") == b"1"

    def test_a_range_that_was_cut_off_does_not_confuse_the_next_command(
        self, fs: RemoteStoreFileSystem, ftp_area: Area
    ) -> None:
        data = os.urandom(20 * MEBIBYTE)
        ftp_area.raw.write("file", data)
        for at in range(0, 20 * MEBIBYTE, 3 * MEBIBYTE):
            assert fs.cat_file("file", at, at + 1000) == data[at : at + 1000]
            assert fs.info("file")["size"] == len(data)
            assert fs.ls("", detail=False) == ["file"]

    def test_an_error_on_this_machine_does_not_confuse_the_next_command(
        self, fs: RemoteStoreFileSystem, ftp_area: Area
    ) -> None:
        ftp_area.raw.write("file", os.urandom(MEBIBYTE))

        class Full:
            def write(self, data: bytes) -> int:
                raise OSError(28, "No space left on device")

        backend: Any = fs._backend

        async def read_into_a_full_disk() -> None:
            await backend._retrieve("file", 0, None, Full().write, MEBIBYTE)

        from fsspec.asyn import sync

        with pytest.raises(OSError, match="No space left"):
            sync(fs.loop, read_into_a_full_disk)
        assert len(fs.cat_file("file")) == MEBIBYTE

    def test_a_silent_server_is_given_up_and_taken_up_again(
        self, ftp_server: FTPServer, ftp_area: Area
    ) -> None:
        with Proxy.to(ftp_server) as proxy:
            fs = RemoteStoreFileSystem(
                **ftp_area.config(via=proxy), timeout=1.5, skip_instance_cache=True
            )
            fs.pipe_file("file", b"1")
            wrong: list[object] = []

            def ask() -> None:
                try:
                    wrong.append(fs.cat_file("file"))
                except (StoreTimeoutError, StoreUnavailableError):
                    pass
                except Exception as exc:
                    wrong.append(exc)

            with proxy.fault(Blackhole()):
                # Nobody waits for all the others before him to fail one after the other.
                threads = [threading.Thread(target=ask) for _ in range(16)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(20)
                assert not any(thread.is_alive() for thread in threads)
            assert wrong == []
            assert fs.cat_file("file") == b"1"
            fs.close()

    def test_what_a_lost_connection_left_behind_goes_with_the_next_write(
        self, ftp_server: FTPServer, ftp_area: Area
    ) -> None:
        with Proxy.to(ftp_server) as proxy:
            fs = RemoteStoreFileSystem(**ftp_area.config(via=proxy), skip_instance_cache=True)
            fs.pipe_file("first", b"1")
            backend: Any = fs._backend
            publish = backend.publish

            async def cut(temporary: str, key: str, *, create: bool) -> None:
                backend.publish = publish
                proxy.kill_connections()
                await publish(temporary, key, create=create)

            backend.publish = cut
            fs.pipe_file("second", b"2")
            fs.close()
        folder: Any = ftp_area.raw
        assert names_in(folder.folder) == ["first", "second"]

    def test_32_threads_share_one_connection(self, ftp_server: FTPServer, ftp_area: Area) -> None:
        with Proxy.to(ftp_server) as proxy, proxy.record() as record:
            fs = RemoteStoreFileSystem(**ftp_area.config(via=proxy), skip_instance_cache=True)
            wrong: list[object] = []

            def work(number: int) -> None:
                try:
                    data = b"%d" % number * 50
                    fs.pipe_file(f"{number}", data)
                    if fs.cat_file(f"{number}", 3, 40) != data[3:40]:
                        wrong.append(number)
                except Exception as exc:
                    wrong.append(exc)

            threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert wrong == []
            assert len(fs.find("")) == 32
            fs.close()
        assert record.connections == 1

    def test_the_interpreter_ends_at_once_and_says_nothing(self, ftp_area: Area) -> None:
        code = (
            "import os, sys\n"
            "from remote_store_fsspec.filesystem import RemoteStoreFileSystem\n"
            f"fs = RemoteStoreFileSystem(**{ftp_area.config()!r})\n"
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
        assert ftp_area.raw.keys() == ["child", "file"]
