"""What OpenSSH's server sees of ours, and what ours makes of it when the server misbehaves."""

from __future__ import annotations

import os
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from devservers import Area, SFTPServer
from devservers.proxy import Blackhole, Proxy, Refuse
from remote_store_fsspec.backends.base import Target
from remote_store_fsspec.backends.sftp import SftpBackend
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
NAMES = {
    value: name
    for name, value in vars(asyncssh.constants).items()
    if name.startswith("FXP_") and isinstance(value, int)
}


def open_filesystem(area: Area, **more: Any) -> RemoteStoreFileSystem:
    return RemoteStoreFileSystem(**area.config(), skip_instance_cache=True, **more)


def on_disk(area: Area) -> Path:
    return Path(area.container)


@pytest.fixture
def fs(sftp_area: Area) -> Iterator[RemoteStoreFileSystem]:
    fs = open_filesystem(sftp_area)
    yield fs
    fs.close()


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Requests that asyncssh sends, by kind; what it sends is not changed."""
    counted: Counter[str] = Counter()
    send = asyncssh.sftp.SFTPClientHandler._make_request

    async def count(self: Any, kind: int | bytes, *args: bytes) -> object:
        counted[kind.decode() if isinstance(kind, bytes) else NAMES[kind]] += 1
        return await send(self, kind, *args)

    monkeypatch.setattr(asyncssh.sftp.SFTPClientHandler, "_make_request", count)
    return counted


class RestrictedServer(SFTPServer):
    """OpenSSH's server with some of its abilities switched off."""

    arguments = ""

    def command(self) -> Sequence[str]:
        command = super().command()
        config = self.workspace / "sshd_config"
        config.write_text(config.read_text().rstrip() + f" {self.arguments}\n")
        return command


class OldServer(RestrictedServer):
    """Like servers without OpenSSH's extensions."""

    arguments = "-P posix-rename,copy-data,hardlink,limits"


class ReadOnlyServer(RestrictedServer):
    """Refuses every change."""

    arguments = "-R"


@contextmanager
def area_on(server_type: type[SFTPServer]) -> Iterator[Area]:
    with server_type() as server:
        yield server.new_area()


class TestRequests:
    def test_a_range_is_one_open_one_stat_one_read_and_one_close(
        self, fs: RemoteStoreFileSystem, sftp_area: Area, requests: Counter[str]
    ) -> None:
        sftp_area.raw.write("file", bytes(range(256)) * 40_000)
        fs.exists("file")
        requests.clear()
        assert (
            fs.cat_file("file", 5_000_000, 5_001_000)
            == (bytes(range(256)) * 40_000)[5_000_000:5_001_000]
        )
        assert requests == {"FXP_OPEN": 1, "FXP_FSTAT": 1, "FXP_READ": 1, "FXP_CLOSE": 1}

    def test_a_range_moves_only_its_bytes(self, sftp_server: SFTPServer, sftp_area: Area) -> None:
        sftp_area.raw.write("file", os.urandom(10 * MEBIBYTE))
        with Proxy.to(sftp_server) as proxy:
            fs = RemoteStoreFileSystem(**sftp_area.config(via=proxy), skip_instance_cache=True)
            fs.exists("file")
            with proxy.record() as record:
                assert len(fs.cat_file("file", MEBIBYTE, MEBIBYTE + 1000)) == 1000
            fs.close()
        assert record.wire_received < 2500

    def test_writing_into_an_existing_folder_looks_at_nothing_before(
        self, fs: RemoteStoreFileSystem, sftp_area: Area, requests: Counter[str]
    ) -> None:
        fs.pipe_file("a/b/c/d/e/f/g/h/i/j/first", b"1")
        requests.clear()
        fs.pipe_file("a/b/c/d/e/f/g/h/i/j/second", b"2")
        assert requests == {
            "FXP_OPEN": 1,
            "FXP_WRITE": 1,
            "FXP_CLOSE": 1,
            "posix-rename@openssh.com": 1,
        }
        assert sftp_area.raw.read("a/b/c/d/e/f/g/h/i/j/second") == b"2"

    def test_large_files_are_read_and_written_in_parallel_requests(
        self, fs: RemoteStoreFileSystem, sftp_area: Area
    ) -> None:
        data = os.urandom(9 * MEBIBYTE + 17)
        fs.pipe_file("large", data)
        assert sftp_area.raw.read("large") == data
        assert fs.cat_file("large") == data
        assert fs.cat_file("large", 1_000_003, -999_983) == data[1_000_003:-999_983]

    def test_a_copy_inside_the_store_moves_no_content(
        self, sftp_server: SFTPServer, sftp_area: Area
    ) -> None:
        data = os.urandom(5 * MEBIBYTE)
        sftp_area.raw.write("source", data)
        with Proxy.to(sftp_server) as proxy:
            fs = RemoteStoreFileSystem(**sftp_area.config(via=proxy), skip_instance_cache=True)
            with proxy.record() as record:
                fs.cp_file("source", "folder/copy")
            fs.close()
        assert sftp_area.raw.read("folder/copy") == data
        assert record.wire_received < 50_000


class TestServersWithLess:
    @pytest.fixture
    def area(self) -> Iterator[Area]:
        with area_on(OldServer) as area:
            yield area

    def test_a_file_is_replaced_without_posix_rename(self, area: Area) -> None:
        fs = open_filesystem(area)
        fs.pipe_file("file", b"old")
        fs.pipe_file("file", b"new")
        assert area.raw.read("file") == b"new"
        assert names_in(on_disk(area)) == ["file"]
        fs.close()

    def test_the_old_content_returns_when_the_new_cannot_take_its_place(self, area: Area) -> None:
        area.raw.write("file", b"old")
        fs = open_filesystem(area)
        backend: Any = fs._backend
        rename = backend._plain_rename
        renames: list[tuple[str, str]] = []

        async def fail_the_third(source: str, target: str) -> None:
            renames.append((source, target))
            if len(renames) == 3:  # the first is refused, the second moves the old file aside
                raise OSError("disk full")
            await rename(source, target)

        backend._plain_rename = fail_the_third
        with pytest.raises(OSError, match="could not do that"):
            fs.pipe_file("file", b"new")
        assert area.raw.read("file") == b"old"
        assert names_in(on_disk(area)) == ["file"]
        fs.close()

    def test_create_refuses_and_a_copy_goes_through_this_machine(self, area: Area) -> None:
        data = os.urandom(5 * MEBIBYTE)
        area.raw.write("file", data)
        fs = open_filesystem(area)
        with pytest.raises(FileExistsError):
            fs.pipe_file("file", b"new", mode="create")
        fs.cp_file("file", "copy")
        assert area.raw.read("copy") == data
        fs.close()

    def test_a_server_that_refuses_changes_is_a_permission_error(self) -> None:
        with area_on(ReadOnlyServer) as area:
            area.raw.write("folder/file", b"old")
            fs = open_filesystem(area)
            changes: tuple[Callable[[], object], ...] = (
                lambda: fs.pipe_file("folder/new", b""),
                lambda: fs.pipe_file("folder/file", b""),
                lambda: fs.pipe_file("other/new", b""),
                lambda: fs.rm_file("folder/file"),
                lambda: fs.rm("folder", recursive=True),
                lambda: fs.makedirs("new"),
                lambda: fs.mv_file("folder/file", "moved"),
            )
            for change in changes:
                with pytest.raises(AccessDeniedError, match="refused access"):
                    change()
            assert fs.cat_file("folder/file") == b"old"
            fs.close()


class TestNamesAndLinks:
    def test_names_are_kept_on_the_servers_disk(
        self, fs: RemoteStoreFileSystem, sftp_area: Area
    ) -> None:
        names = [
            "a b",
            "a?b",
            "a*b",
            "[x]",
            "a%20b",
            "a\nb",
            "a\\b",
            "é",
            "::",
            "~",
            "-x",
            "x" * 255,
        ]
        for name in names:
            fs.pipe_file(f"folder/{name}", name.encode())
        assert names_in(on_disk(sftp_area) / "folder") == sorted(names)
        assert sorted(fs.ls("folder", detail=False)) == sorted(f"folder/{name}" for name in names)
        for name in names:
            fs.rm_file(f"folder/{name}")
        assert names_in(on_disk(sftp_area) / "folder") == []

    def test_a_name_of_256_bytes_is_refused(self, fs: RemoteStoreFileSystem) -> None:
        with pytest.raises(InvalidPathError, match="256 bytes"):
            fs.pipe_file("é" * 128, b"")
        with pytest.raises(InvalidPathError):
            fs.exists("folder/\ud800")

    def test_a_name_that_is_not_utf8_is_listed_read_and_deleted(
        self, fs: RemoteStoreFileSystem, sftp_area: Area
    ) -> None:
        path = os.fsencode(on_disk(sftp_area)) + b"/caf\xe9"
        Path(os.fsdecode(path)).write_bytes(b"latin")
        (name,) = fs.find("")
        assert fs.cat_file(name) == b"latin"
        fs.rm_file(name)
        assert names_in(on_disk(sftp_area)) == []

    def test_links_are_what_they_lead_to_and_broken_ones_are_not_there(
        self, fs: RemoteStoreFileSystem, sftp_area: Area
    ) -> None:
        sftp_area.raw.write("folder/file", b"12345")
        (on_disk(sftp_area) / "link").symlink_to("folder/file")
        (on_disk(sftp_area) / "folders").symlink_to("folder")
        (on_disk(sftp_area) / "broken").symlink_to("nowhere")
        os.mkfifo(on_disk(sftp_area) / "pipe")
        kinds = {info["name"]: (info["type"], info["size"]) for info in fs.ls("", detail=True)}
        assert kinds == {
            "folder": ("directory", 0),
            "folders": ("directory", 0),
            "link": ("file", 5),
            "pipe": ("other", 0),
        }
        assert not fs.exists("broken")
        assert fs.cat_file("link") == b"12345"
        assert fs.find("folders") == ["folders/file"]

    def test_a_listing_does_not_go_round_in_circles(
        self, fs: RemoteStoreFileSystem, sftp_area: Area
    ) -> None:
        sftp_area.raw.write("a/b/file", b"")
        (on_disk(sftp_area) / "a/b/up").symlink_to("..")
        found = fs.find("")
        assert "a/b/file" in found
        assert len(found) < 4

    def test_deleting_a_tree_removes_links_and_not_what_they_lead_to(
        self, fs: RemoteStoreFileSystem, sftp_area: Area
    ) -> None:
        sftp_area.raw.write("kept/file", b"kept")
        sftp_area.raw.write("tree/deep/er/file", b"")
        (on_disk(sftp_area) / "tree/deep/link").symlink_to(on_disk(sftp_area) / "kept")
        (on_disk(sftp_area) / "tree/broken").symlink_to("nowhere")
        (on_disk(sftp_area) / "alias").symlink_to("kept")
        fs.rm("tree", recursive=True)
        fs.rm("alias", recursive=True)
        assert names_in(on_disk(sftp_area)) == ["kept"]
        assert sftp_area.raw.read("kept/file") == b"kept"

    def test_a_relative_folder_counts_from_the_users_home(self, sftp_area: Area) -> None:
        options = sftp_area.url_config()["storage_options"]
        place = f"remote-store-fsspec-test-{os.getpid()}"
        backend = SftpBackend(
            Target(
                protocol="sftp",
                base=place,
                display_url=f"sftp://127.0.0.1/~/{place}",
                options={**options, "host": "127.0.0.1", "port": sftp_area.port},
            )
        )
        assert backend.path("x") == f"{place}/x"
        fs = RemoteStoreFileSystem(**sftp_area.config(), skip_instance_cache=True)
        fs._backend = backend
        try:
            fs.pipe_file("x", b"1")
            assert (Path.home() / place / "x").read_bytes() == b"1"
        finally:
            fs.rm_file("x")
            fs.close()
            (Path.home() / place).rmdir()

    def test_the_root_of_the_server_is_an_absolute_path(self) -> None:
        backend = SftpBackend(Target(protocol="sftp", base="/", display_url="sftp://host"))
        assert [backend.path(key) for key in ("", "etc/hosts")] == ["/", "/etc/hosts"]


class TestFilesAndDirectories:
    def test_each_mistake_has_its_error(self, fs: RemoteStoreFileSystem, sftp_area: Area) -> None:
        sftp_area.raw.write("folder/file", b"old")
        mistakes: list[tuple[type[OSError], Callable[[], object]]] = [
            (IsADirectoryError, lambda: fs.cat_file("folder")),
            (IsADirectoryError, lambda: fs.pipe_file("folder", b"")),
            (IsADirectoryError, lambda: fs.rm_file("folder")),
            (NotADirectoryError, lambda: fs.pipe_file("folder/file/below", b"")),
            (NotADirectoryError, lambda: fs.rmdir("folder/file")),
            (FileNotFoundError, lambda: fs.cat_file("folder/file/below")),
            (FileNotFoundError, lambda: fs.rm_file("folder/none")),
            (FileNotFoundError, lambda: fs.mv_file("none", "folder/file")),
            (FileExistsError, lambda: fs.pipe_file("folder/file", b"", mode="create")),
            (DirectoryNotEmptyError, lambda: fs.rmdir("folder")),
            (UnsupportedOperationError, lambda: fs.sign("folder/file")),
        ]
        for kind, mistake in mistakes:
            with pytest.raises(kind):
                mistake()
        assert sftp_area.raw.keys() == ["folder/file"]
        assert names_in(on_disk(sftp_area) / "folder") == ["file"]

    def test_of_many_that_create_a_file_at_once_one_does(self, sftp_area: Area) -> None:
        openings = [open_filesystem(sftp_area) for _ in range(4)]
        for round_ in range(3):
            outcomes: list[str] = []

            def create(number: int, name: str, outcomes: list[str] = outcomes) -> None:
                try:
                    openings[number % 4].pipe_file(name, b"%d" % number, mode="create")
                except FileExistsError:
                    outcomes.append("refused")
                else:
                    outcomes.append("created")

            threads = [threading.Thread(target=create, args=(n, f"file{round_}")) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(outcomes) == ["created"] + ["refused"] * 7
        assert len(names_in(on_disk(sftp_area))) == 3
        for fs in openings:
            fs.close()

    def test_an_unknown_write_option_is_refused(self, fs: RemoteStoreFileSystem) -> None:
        with pytest.raises(UnsupportedOperationError, match="ACL"):
            fs.pipe_file("file", b"", write_options={"ACL": "private"})
        fs.pipe_file("file", b"", write_options={"content_type": "text/plain"})


class TestConnection:
    def test_a_lost_session_is_made_again(self, sftp_server: SFTPServer, sftp_area: Area) -> None:
        fs = open_filesystem(sftp_area)
        fs.pipe_file("file", b"1")
        for call in (
            lambda: fs.cat_file("file") == b"1",
            lambda: fs.exists("file"),
            lambda: fs.find("") == ["file"],
            lambda: fs.pipe_file("file", b"1") is None,
            lambda: fs.rm_file("file") is None,
        ):
            assert sftp_server.kill_sessions() >= 1
            assert call()
        assert sftp_area.raw.keys() == []
        fs.close()

    def test_what_a_lost_connection_left_behind_goes_with_the_next_write(
        self, sftp_server: SFTPServer, sftp_area: Area
    ) -> None:
        with Proxy.to(sftp_server) as proxy:
            fs = RemoteStoreFileSystem(**sftp_area.config(via=proxy), skip_instance_cache=True)
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
        assert names_in(on_disk(sftp_area)) == ["first", "second"]

    def test_a_silent_server_is_given_up_and_taken_up_again(
        self, sftp_server: SFTPServer, sftp_area: Area
    ) -> None:
        sftp_area.raw.write("file", b"1")
        with Proxy.to(sftp_server) as proxy:
            fs = RemoteStoreFileSystem(
                **sftp_area.config(via=proxy), timeout=1.5, skip_instance_cache=True
            )
            assert fs.exists("file")
            with (
                proxy.fault(Blackhole()),
                pytest.raises((StoreTimeoutError, StoreUnavailableError)),
            ):
                fs.cat_file("file")
            assert fs.cat_file("file") == b"1"
            fs.close()

    def test_a_server_that_is_away_is_a_connection_error(
        self, sftp_server: SFTPServer, sftp_area: Area
    ) -> None:
        with Proxy.to(sftp_server) as proxy:
            fs = RemoteStoreFileSystem(**sftp_area.config(via=proxy), skip_instance_cache=True)
            fs.pipe_file("file", b"1")
            with proxy.fault(Refuse()):
                proxy.kill_connections()
                with pytest.raises(ConnectionError, match="could not be reached"):
                    fs.exists("file")
            assert fs.exists("file")
            fs.close()

    def test_close_is_not_the_end(self, fs: RemoteStoreFileSystem) -> None:
        fs.pipe_file("file", b"1")
        fs.close()
        fs.close()
        assert fs.cat_file("file") == b"1"

    def test_a_fork_opens_a_connection_of_its_own(
        self, fs: RemoteStoreFileSystem, sftp_area: Area
    ) -> None:
        fs.pipe_file("file", b"parent")
        code = (
            "import os, sys, warnings\n"
            "warnings.simplefilter('error')\n"
            "warnings.filterwarnings('ignore', message='.*fork.*')\n"
            "from remote_store_fsspec.filesystem import RemoteStoreFileSystem\n"
            f"fs = RemoteStoreFileSystem(**{sftp_area.config()!r})\n"
            "assert fs.cat_file('file') == b'parent'\n"
            "pid = os.fork()\n"
            "if pid == 0:\n"
            "    fs.pipe_file('child', b'child')\n"
            "    assert fs.cat_file('file') == b'parent'\n"
            "    sys.exit(0)\n"
            "assert os.waitpid(pid, 0)[1] == 0\n"
            "assert fs.cat_file('child') == b'child'\n"
        )
        assert run_python(code) == ""

    def test_the_interpreter_ends_at_once_and_says_nothing(self, sftp_area: Area) -> None:
        code = (
            "from remote_store_fsspec.filesystem import RemoteStoreFileSystem\n"
            f"fs = RemoteStoreFileSystem(**{sftp_area.config()!r})\n"
            "fs.pipe_file('file', b'1')\n"
            "read = fs.open('file', 'rb'); read.read(1)\n"
            "write = fs.open('other', 'wb'); write.write(b'half')\n"
        )
        assert run_python(code) == ""
        assert sftp_area.raw.keys() == ["file"]

    def test_32_threads_share_one_filesystem(self, fs: RemoteStoreFileSystem) -> None:
        wrong: list[object] = []

        def work(number: int) -> None:
            try:
                for turn in range(5):
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
        assert len(fs.find("")) == 160


class TestTrust:
    def options(self, area: Area, **changed: Any) -> dict[str, Any]:
        options = {
            **area.url_config()["storage_options"],
            "host": "127.0.0.1",
            "port": area.port,
            **changed,
        }
        return {name: value for name, value in options.items() if value is not ...}

    def backend(self, area: Area, **changed: Any) -> SftpBackend:
        return SftpBackend(
            Target("sftp", area.container, "sftp://host/x", self.options(area, **changed))
        )

    def fails(self, backend: SftpBackend, area: Area) -> BaseException:
        fs = open_filesystem(area)
        fs._backend = backend
        with pytest.raises((OSError, ValueError)) as caught:
            fs.exists("file")
        return caught.value

    def test_no_host_is_trusted_unless_it_is_known(
        self, sftp_area: Area, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        error = self.fails(self.backend(sftp_area, known_hosts=...), sftp_area)
        assert isinstance(error, AccessDeniedError)
        assert "host key" in str(error)
        assert "known_hosts" in error.hint

    def test_the_users_known_hosts_are_the_default(
        self, sftp_area: Area, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        known = Path(self.options(sftp_area)["known_hosts"])
        (tmp_path / ".ssh").mkdir()
        (tmp_path / ".ssh/known_hosts").write_bytes(known.read_bytes())
        monkeypatch.setenv("HOME", str(tmp_path))
        backend = self.backend(sftp_area, known_hosts=...)
        assert backend.options()["known_hosts"] == str(tmp_path / ".ssh/known_hosts")
        fs = open_filesystem(sftp_area)
        fs._backend = backend
        assert not fs.exists("file")
        fs.close()

    def test_a_missing_key_or_known_hosts_file_is_no_missing_object(self, sftp_area: Area) -> None:
        for wrong in ({"known_hosts": "/nowhere/known_hosts"}, {"client_keys": ["/nowhere/key"]}):
            error = self.fails(self.backend(sftp_area, **wrong), sftp_area)
            assert isinstance(error, ConfigError)
            assert "/nowhere" in str(error)

    def test_a_refused_login_is_a_permission_error(self, sftp_area: Area) -> None:
        stranger = asyncssh.generate_private_key("ssh-ed25519")
        error = self.fails(self.backend(sftp_area, client_keys=[stranger]), sftp_area)
        assert isinstance(error, AccessDeniedError)

    def test_a_listing_cache_is_refused(self, sftp_area: Area) -> None:
        with pytest.raises(ConfigError):
            self.backend(sftp_area, use_listings_cache=True).options()
        assert (
            "use_listings_cache" not in self.backend(sftp_area, use_listings_cache=False).options()
        )
