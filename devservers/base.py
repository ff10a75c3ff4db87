"""What all servers share: a guarded process, a port, a health check."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

    from typing_extensions import Self

    from devservers.areas import Area

HOST = "127.0.0.1"
_GUARD = Path(__file__).with_name("_guard.py")
_START_SECONDS = 60.0  # a noisy machine with two cores; usually under two
_OUTPUT_CHARACTERS = 2000


class ServerFailed(RuntimeError):  # noqa: N818 - said of the server, read in a sentence
    """A server ended or stayed silent instead of answering; shows the end of its output."""


class MissingProgram(ServerFailed):
    """A server's program is not on this machine; the message says which command gets it."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


class Server(ABC):
    """One real server on 127.0.0.1, ended together with this process however that ends.

    Args:
        port: The port to listen on; 0 picks a free one at the first start, which `restart` keeps.

    Servers that keep their objects in memory (S3, Azure, GCS) come back empty after a restart; to
    cut a client off and keep the data use `pause` or a `devservers.proxy.Proxy`.
    """

    name: ClassVar[str]
    """Short name, as in test ids: ``s3``, ``azure``, ``sftp``, ``ftp``, ``webdav``, ``gs``."""
    scheme: ClassVar[str] = "http"
    speaks_http: ClassVar[bool] = True

    def __init__(self, port: int = 0) -> None:
        self.host = HOST
        self.port = port
        self.workspace = Path(tempfile.mkdtemp(prefix=f"devserver-{self.name}-"))
        self._owner = os.getpid()
        self._guard: subprocess.Popen[bytes] | None = None
        self._lifeline: socket.socket | None = None
        self._pid = 0
        self._output: IO[bytes] | None = None

    # What a server says about itself.

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The program and its arguments, to listen on `host` and `port`.

        Raises:
            MissingProgram: It is not on this machine.
        """

    @abstractmethod
    def is_ready(self) -> bool:
        """True once the server answers; False or `OSError` while it does not."""

    @abstractmethod
    def new_area(self, name: str = "area") -> Area:
        """A fresh, empty bucket, container or folder whose name starts with `name`."""

    def environment(self) -> Mapping[str, str]:
        """Variables that the program needs beside those of this process."""
        return {}

    @property
    def url(self) -> str:
        """The server's own address, without a path."""
        return f"{self.scheme}://{self.host}:{self.port}"

    # Life.

    def start(self) -> Self:
        """Starts the server and returns when it answers.

        Raises:
            MissingProgram: Its program is not installed.
            ServerFailed: It ended, or did not answer within a minute.
        """
        if self._guard is not None:
            return self
        chosen = self.port == 0
        for attempt in range(3):
            if chosen:
                self.port = free_port()
            try:
                self._start_once()
            except MissingProgram:
                raise
            except ServerFailed:
                # Another process may have taken the port between the choice and the start.
                if not chosen or attempt == 2:  # noqa: PLR2004 - the last of three
                    raise
            else:
                break
        return self

    def stop(self) -> None:
        """Ends the server; connections are refused from then on. Harmless when it is not running."""
        guard, lifeline = self._guard, self._lifeline
        self._guard = self._lifeline = None
        self._pid = 0
        if lifeline is not None:
            with contextlib.suppress(OSError):
                # Closing is not enough: a forked child may hold a copy of this end.
                lifeline.shutdown(socket.SHUT_RDWR)
            lifeline.close()
        if guard is not None and os.getpid() == self._owner:
            try:
                guard.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(guard.pid, signal.SIGKILL)
                guard.wait()
        if self._output is not None:
            self._output.close()
            self._output = None

    def restart(self) -> Self:
        """Stops the server and starts it again on the same port."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Freezes the server: connections are still accepted, nothing is ever answered."""
        os.kill(self._pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Ends `pause`; what clients sent meanwhile is answered now."""
        os.kill(self._pid, signal.SIGCONT)

    def close(self) -> None:
        """Stops the server and removes its files."""
        self.stop()
        shutil.rmtree(self.workspace, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The server program's process id; 0 while it is not running."""
        return self._pid

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = self.url if self._guard is not None else "stopped"
        return f"<{type(self).__name__} {state}>"

    def _start_once(self) -> None:
        command = list(self.command())
        self._output = (self.workspace / "output.txt").open("w+b")
        ours, theirs = socket.socketpair()
        with theirs:
            self._guard = subprocess.Popen(
                [sys.executable, "-S", "-E", str(_GUARD), *command],
                stdin=theirs.fileno(),
                stdout=self._output,
                stderr=subprocess.STDOUT,
                cwd=self.workspace,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment()},
                start_new_session=True,
            )
        self._lifeline = ours
        with ours.makefile("rb") as lines:
            self._pid = int(lines.readline() or b"0")
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                if self.is_ready() and self._guard.poll() is None:
                    return
            status = self._guard.poll()
            if status is not None or time.monotonic() > deadline:
                what = "did not answer in time" if status is None else f"ended with status {status}"
                output = self.output()
                self.stop()
                raise ServerFailed(f"{self.name} server {what}: {' '.join(command)}\n{output}")
            time.sleep(0.02)

    def output(self) -> str:
        """The end of what the server printed since its last start."""
        text = (self.workspace / "output.txt").read_text(errors="replace")
        return text[-_OUTPUT_CHARACTERS:]


def http_answers(host: str, port: int, path: str = "/") -> bool:
    """True when something answers HTTP there, whatever it says."""
    import http.client

    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    except http.client.HTTPException:
        return False
    finally:
        connection.close()
    return True


def greets(host: str, port: int, greeting: bytes) -> bool:
    """True when the server there opens the conversation with `greeting`."""
    with socket.create_connection((host, port), timeout=2) as connection:
        connection.settimeout(2)
        return connection.recv(len(greeting)) == greeting


def find_program(names: Sequence[str], how_to_get: str) -> str:
    """The first of `names` that exists, looked up on PATH unless it is a path.

    Raises:
        MissingProgram: None does; says `how_to_get`.
    """
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise MissingProgram(f"{names[0]} is not on this machine; {how_to_get}")
