"""The servers that everything else relies on: they serve, come back, and never stay behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devservers import MissingProgram, ReadOnlyHTTPServer, ServerFailed, SFTPServer
from devservers.azurite import AzureServer
from devservers.base import HOST, find_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devservers import Area

_ROOT = Path(__file__).parent.parent


class TestAreas:
    def test_what_is_written_is_read_listed_and_deleted(self, every_location: Area) -> None:
        raw = every_location.raw
        raw.write("a/b c+%#.txt", b"hello")
        assert raw.read("a/b c+%#.txt") == b"hello"
        assert raw.keys() == ["a/b c+%#.txt"]
        assert raw.keys("a/") == ["a/b c+%#.txt"]
        assert raw.keys("b") == []
        assert raw.size("a/b c+%#.txt") == len(b"hello")
        assert raw.exists("a/b c+%#.txt")
        raw.delete("a/b c+%#.txt")
        assert not raw.exists("a/b c+%#.txt")

    def test_a_missing_key_is_file_not_found(self, every_location: Area) -> None:
        for method in (every_location.raw.read, every_location.raw.delete, every_location.raw.size):
            with pytest.raises(FileNotFoundError):
                method("missing")

    def test_every_area_is_described_as_a_url(self, every_location: Area) -> None:
        config = every_location.url_config("some/folder")
        assert set(config) == {"url", "storage_options"}
        assert config["url"].endswith("/some/folder")

    def test_the_backend_form_takes_its_folder_as_root_path(self, local_area: Area) -> None:
        config = local_area.config("some/folder")
        assert config["backend_type"] == "local"
        assert config["root_path"] == "some/folder"

    def test_an_area_without_a_backend_type_is_described_as_a_url(self, memory_area: Area) -> None:
        assert not memory_area.has_backend_type
        assert memory_area.config("x")["url"].startswith("memory://")
        with pytest.raises(NotImplementedError, match="url_config"):
            memory_area.backend_config()


@pytest.mark.server
class TestLife:
    def test_a_restart_keeps_the_port(self) -> None:
        with ReadOnlyHTTPServer() as server:
            port, first = server.port, server.pid
            server.restart()
            assert server.port == port
            assert server.pid != first
            assert _connects(port)

    def test_a_stopped_server_refuses_connections(self) -> None:
        with ReadOnlyHTTPServer() as server:
            server.stop()
            assert not _connects(server.port)
            assert server.pid == 0
            server.stop()

    def test_a_paused_server_accepts_and_says_nothing_until_it_resumes(self) -> None:
        with ReadOnlyHTTPServer() as server:
            server.pause()
            with socket.create_connection((HOST, server.port), timeout=0.3) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                with pytest.raises(TimeoutError):
                    connection.recv(1)
                server.resume()
                connection.settimeout(10)
                assert connection.recv(1)

    def test_a_paused_server_can_be_stopped(self) -> None:
        with ReadOnlyHTTPServer() as server:
            pid = server.pid
            server.pause()
            server.stop()
            assert _gone(pid)

    def test_closing_removes_the_files(self) -> None:
        with ReadOnlyHTTPServer() as server:
            workspace = server.workspace
        assert not workspace.exists()

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_a_server_ends_with_the_process_that_started_it(self, how: signal.Signals) -> None:
        script = (
            "import time\n"
            "from devservers import ReadOnlyHTTPServer\n"
            "server = ReadOnlyHTTPServer().start()\n"
            "print(server.pid, server.workspace, flush=True)\n"
            "time.sleep(60)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            text=True,
        ) as owner:
            assert owner.stdout is not None
            pid, workspace = owner.stdout.readline().split()
            os.kill(owner.pid, how)
            owner.wait()
            try:
                assert _gone(int(pid))
            finally:
                for file in Path(workspace).rglob("*"):
                    if file.is_file():
                        file.unlink()

    def test_a_server_started_by_a_thread_outlives_the_thread(self) -> None:
        import threading

        with contextlib.ExitStack() as stack:
            server = ReadOnlyHTTPServer()
            thread = threading.Thread(target=lambda: stack.enter_context(server))
            thread.start()
            thread.join()
            assert _connects(server.port)


@pytest.mark.server
class TestFailures:
    def test_a_program_that_ends_at_once_is_reported_with_its_output(self) -> None:
        class Broken(ReadOnlyHTTPServer):
            def command(self) -> Sequence[str]:
                return [sys.executable, "-c", "raise SystemExit('the disk is on fire')"]

        with pytest.raises(ServerFailed, match="the disk is on fire"):
            Broken().start()

    def test_a_missing_azurite_names_the_command_that_gets_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AZURITE_MAIN", "/nowhere/main.js")
        with pytest.raises(MissingProgram, match=r"make azurite"), AzureServer():
            pass

    def test_a_missing_program_names_the_command_that_gets_it(self) -> None:
        with pytest.raises(MissingProgram, match="apt-get install it"):
            find_program(["no-such-program"], "run: apt-get install it")


@pytest.mark.server
class TestSFTP:
    def test_openssh_own_client_reads_the_same_bytes(
        self, sftp_server: SFTPServer, sftp_area: Area, tmp_path: Path
    ) -> None:
        sftp_area.raw.write("out.txt", b"bytes\n")
        copy = sftp_server.client().get(f"{sftp_area.container}/out.txt", tmp_path / "copy")
        assert copy.read_bytes() == b"bytes\n"

    def test_a_refused_command_is_an_error(self, sftp_server: SFTPServer) -> None:
        with pytest.raises(subprocess.CalledProcessError):
            sftp_server.client().run("get /no/such/file /dev/null")

    def test_killing_the_sessions_keeps_the_listener(self) -> None:
        with SFTPServer() as server, socket.create_connection((HOST, server.port)) as session:
            session.settimeout(10)
            assert session.recv(3) == b"SSH"
            assert server.kill_sessions() == 1
            rest = b""
            with contextlib.suppress(ConnectionResetError):
                while data := session.recv(4096):
                    rest += data
            assert _connects(server.port)


def _connects(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def _gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False
