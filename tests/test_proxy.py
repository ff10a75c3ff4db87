"""The proxy counts what really passed and breaks exactly what it was told to break."""

from __future__ import annotations

import http.client
import http.server
import socket
import struct
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from devservers.base import HOST
from devservers.proxy import (
    Blackhole,
    Proxy,
    Refuse,
    Reset,
    ResetAfterEffect,
    Slow,
    Status,
    Truncate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from devservers import Area, FTPServer, S3Server

_BODY = bytes(range(256)) * 1024


class _Target(http.server.BaseHTTPRequestHandler):
    """A server that remembers what reached it and answers in the ways HTTP knows."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, int]]

    def do_GET(self) -> None:
        self.seen.append(("GET", self.path, 0))
        if self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(_BODY), 100_000):
                piece = _BODY[start : start + 100_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif self.path == "/until-close":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(_BODY)
        elif self.path == "/nothing":
            self.send_response(204)
            self.end_headers()
        else:
            self._answer(_BODY)

    def do_HEAD(self) -> None:
        self.seen.append(("HEAD", self.path, 0))
        self._answer(b"", length=len(_BODY))

    def do_PUT(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            size = 0
            while length := int(self.rfile.readline(), 16):
                size += len(self.rfile.read(length))
                self.rfile.readline()
            self.rfile.readline()
        else:
            size = len(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(("PUT", self.path, size))
        self._answer(b"stored")

    def _answer(self, body: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Says nothing."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client cut off on purpose is no news."""


@pytest.fixture
def seen() -> list[tuple[str, str, int]]:
    """What reached the server: method, target, body size."""
    return []


@pytest.fixture
def proxy(seen: list[tuple[str, str, int]]) -> Iterator[Proxy]:
    handler = type("Target", (_Target,), {"seen": seen})
    server = _Server((HOST, 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        with Proxy(server.server_address[1]) as proxy:
            yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection(HOST, proxy.port, timeout=10)) as connection:
        yield connection


def _ask(
    client: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    client.request(method, path, body)
    response = client.getresponse()
    return response.status, response.read()


class TestPassing:
    @pytest.mark.parametrize("path", ["/sized", "/chunked", "/until-close"])
    def test_a_body_arrives_unchanged_however_it_is_framed(
        self, client: http.client.HTTPConnection, path: str
    ) -> None:
        assert _ask(client, "GET", path) == (200, _BODY)

    def test_one_connection_carries_many_requests(
        self, proxy: Proxy, client: http.client.HTTPConnection
    ) -> None:
        with proxy.record() as record:
            for path in ("/a", "/nothing", "/chunked", "/b"):
                _ask(client, "GET", path)
            _ask(client, "HEAD", "/c")
            _ask(client, "PUT", "/d", b"12345")
        assert record.connections == 1
        assert record.methods == {"GET": 4, "HEAD": 1, "PUT": 1}

    def test_many_clients_pass_at_the_same_time(self, proxy: Proxy) -> None:
        answers: list[tuple[int, bytes]] = []

        def ask() -> None:
            with closing(http.client.HTTPConnection(HOST, proxy.port, timeout=30)) as connection:
                answers.extend(_ask(connection, "GET", "/x") for _ in range(5))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [(200, _BODY)] * 40

    def test_a_client_that_waits_for_continue_gets_it(
        self, proxy: Proxy, seen: list[tuple[str, str, int]]
    ) -> None:
        with socket.create_connection((HOST, proxy.port), timeout=10) as raw:
            raw.sendall(
                b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
                b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
            )
            answer = raw.makefile("rb")
            assert answer.readline().startswith(b"HTTP/1.1 100")
            assert answer.readline() == b"\r\n"
            raw.sendall(b"abc")
            assert answer.readline().startswith(b"HTTP/1.1 200")
        assert seen == [("PUT", "/x", 3)]

    def test_it_stops_while_clients_are_connected(self, proxy: Proxy) -> None:
        with socket.create_connection((HOST, proxy.port), timeout=10) as idle:
            proxy.stop()
            assert idle.recv(1) == b""
        proxy.stop()


class TestCounting:
    def test_body_bytes_are_counted_each_way_without_framing(
        self, proxy: Proxy, client: http.client.HTTPConnection
    ) -> None:
        with proxy.record() as record:
            client.request("PUT", "/up", iter([b"x" * 1000, b"y" * 500]), encode_chunked=True)
            client.getresponse().read()
            _ask(client, "GET", "/chunked")
        put, get = record.requests
        assert (put.method, put.path, put.status) == ("PUT", "/up", 200)
        assert (put.sent, put.received) == (1500, len(b"stored"))
        assert (get.sent, get.received) == (0, len(_BODY))
        assert record.sent == 1500
        assert record.received == len(_BODY) + len(b"stored")
        assert record.wire_sent > record.sent
        assert record.wire_received > record.received

    def test_a_head_has_no_body(self, proxy: Proxy, client: http.client.HTTPConnection) -> None:
        with proxy.record() as record:
            _ask(client, "HEAD", "/x")
        assert record.received == 0

    def test_only_what_happens_during_the_recording_is_counted(
        self, proxy: Proxy, client: http.client.HTTPConnection
    ) -> None:
        _ask(client, "GET", "/before")
        with proxy.record() as outer:
            _ask(client, "GET", "/a?x=1")
            with proxy.record() as inner:
                _ask(client, "PUT", "/b", b"z")
        _ask(client, "GET", "/after")
        assert [request.path for request in outer.requests] == ["/a?x=1", "/b"]
        assert [request.path for request in inner.requests] == ["/b"]

    def test_requests_are_counted_by_method_and_path(
        self, proxy: Proxy, client: http.client.HTTPConnection
    ) -> None:
        with proxy.record() as record:
            for path in ("/a.out", "/a.err", "/b.out"):
                _ask(client, "GET", path)
            _ask(client, "PUT", "/a.out", b"z")
        assert record.count() == 4
        assert record.count("get") == 3
        assert record.count(path="*.out") == 3
        assert record.count("GET", "/a*") == 2
        assert record.count(path=lambda method, path: method == "PUT" and len(path) == 6) == 1


class TestFaults:
    def test_a_status_is_answered_without_the_server(
        self,
        proxy: Proxy,
        client: http.client.HTTPConnection,
        seen: list[tuple[str, str, int]],
    ) -> None:
        with proxy.fault(Status(503, b"busy", {"Retry-After": "1"})):
            client.request("PUT", "/x", b"12345")
            response = client.getresponse()
            assert (response.status, response.read()) == (503, b"busy")
            assert response.headers["Retry-After"] == "1"
        assert seen == []
        assert _ask(client, "GET", "/x") == (200, _BODY)

    def test_a_burst_ends_by_itself(self, proxy: Proxy, client: http.client.HTTPConnection) -> None:
        rule = proxy.fault(Status(503), times=2)
        assert [_ask(client, "GET", "/x")[0] for _ in range(4)] == [503, 503, 200, 200]
        assert rule.hits == 2

    def test_a_fault_can_begin_with_the_nth_request(
        self, proxy: Proxy, client: http.client.HTTPConnection
    ) -> None:
        proxy.fault(Status(500), nth=3, times=1)
        assert [_ask(client, "GET", "/x")[0] for _ in range(4)] == [200, 200, 500, 200]

    def test_a_fault_hits_only_the_chosen_requests(
        self, proxy: Proxy, client: http.client.HTTPConnection
    ) -> None:
        with proxy.fault(Status(403), method="PUT", path="*.err"):
            assert _ask(client, "PUT", "/a.out", b"z")[0] == 200
            assert _ask(client, "GET", "/a.err")[0] == 200
            assert _ask(client, "PUT", "/a.err", b"z")[0] == 403
        with proxy.fault(Status(403), path=lambda _, path: len(path) > 3):
            assert _ask(client, "GET", "/ab")[0] == 200
            assert _ask(client, "GET", "/abc")[0] == 403

    def test_the_first_of_several_faults_wins_and_clear_ends_all(
        self, proxy: Proxy, client: http.client.HTTPConnection
    ) -> None:
        proxy.fault(Status(500), times=1)
        proxy.fault(Status(403))
        assert [_ask(client, "GET", "/x")[0] for _ in range(3)] == [500, 403, 403]
        proxy.clear()
        assert _ask(client, "GET", "/x")[0] == 200

    def test_a_reset_comes_in_the_middle_of_the_body(
        self, proxy: Proxy, client: http.client.HTTPConnection
    ) -> None:
        with proxy.record() as record, proxy.fault(Reset(after=1000)):
            client.request("GET", "/x")
            response = client.getresponse()
            assert response.read(1000) == _BODY[:1000]
            with pytest.raises(ConnectionResetError):
                response.read()
        assert record.received == 1000

    def test_a_truncated_body_ends_too_early_and_politely(
        self, proxy: Proxy, client: http.client.HTTPConnection
    ) -> None:
        with proxy.fault(Truncate(after=70_000)):
            client.request("GET", "/x")
            with pytest.raises(http.client.IncompleteRead) as caught:
                client.getresponse().read()
        assert caught.value.partial == _BODY[:70_000]

    def test_a_reset_after_the_effect_loses_only_the_answer(
        self,
        proxy: Proxy,
        client: http.client.HTTPConnection,
        seen: list[tuple[str, str, int]],
    ) -> None:
        with proxy.fault(ResetAfterEffect(), times=1), pytest.raises(ConnectionError):
            _ask(client, "PUT", "/x", b"12345")
        assert seen == [("PUT", "/x", 5)]

    def test_a_black_hole_accepts_and_never_answers(
        self,
        proxy: Proxy,
        seen: list[tuple[str, str, int]],
    ) -> None:
        with (
            proxy.fault(Blackhole()) as rule,
            closing(http.client.HTTPConnection(HOST, proxy.port, timeout=0.3)) as impatient,
            pytest.raises(TimeoutError),
        ):
            _ask(impatient, "GET", "/x")
        assert rule.hits == 1
        assert seen == []

    def test_refusing_closes_the_port_and_what_is_connected(
        self, proxy: Proxy, client: http.client.HTTPConnection
    ) -> None:
        _ask(client, "GET", "/x")
        with proxy.fault(Refuse()):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((HOST, proxy.port), timeout=5)
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                _ask(client, "GET", "/x")
            client.close()
        assert _ask(client, "GET", "/x")[0] == 200

    def test_a_slow_link_passes_everything(
        self, proxy: Proxy, client: http.client.HTTPConnection
    ) -> None:
        with proxy.fault(Slow(latency=0.01, bytes_per_second=10_000_000)) as rule:
            assert _ask(client, "GET", "/x") == (200, _BODY)
        assert rule.hits == 1

    def test_killing_the_connections_resets_them(
        self, proxy: Proxy, client: http.client.HTTPConnection
    ) -> None:
        _ask(client, "GET", "/x")
        assert proxy.kill_connections() == 1
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            _ask(client, "GET", "/x")
        client.close()
        assert _ask(client, "GET", "/x")[0] == 200

    def test_a_server_that_is_down_shows_as_a_reset(self) -> None:
        with socket.create_server((HOST, 0)) as listener:
            port = listener.getsockname()[1]
        with (
            Proxy(port) as proxy,
            closing(http.client.HTTPConnection(HOST, proxy.port, timeout=10)) as client,
            pytest.raises(ConnectionError),
        ):
            _ask(client, "GET", "/x")


class TestRefusals:
    def test_a_raw_proxy_knows_no_requests(self) -> None:
        proxy = Proxy(1, raw=True)
        for fault, method in ((Status(500), None), (ResetAfterEffect(), None), (Reset(), "GET")):
            with pytest.raises(ValueError, match="knows no requests"):
                proxy.fault(fault, method=method)

    def test_refusing_cannot_choose_requests(self, proxy: Proxy) -> None:
        with pytest.raises(ValueError, match="everybody"):
            proxy.fault(Refuse(), method="GET")

    def test_a_stopped_proxy_says_so(self) -> None:
        with pytest.raises(RuntimeError, match="not running"):
            Proxy(1).kill_connections()


class TestRaw:
    """Any protocol: here, bytes that come back as they were sent."""

    @pytest.fixture
    def raw(self) -> Iterator[Proxy]:
        with socket.create_server((HOST, 0)) as listener:
            threading.Thread(target=self._echo_for_ever, args=(listener,), daemon=True).start()
            with Proxy(listener.getsockname()[1], raw=True) as proxy:
                yield proxy
            listener.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _echo_for_ever(listener: socket.socket) -> None:
        def echo(connection: socket.socket) -> None:
            with connection:
                try:
                    while data := connection.recv(65536):
                        connection.sendall(data)
                except OSError:
                    return

        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    @pytest.fixture
    def line(self, raw: Proxy) -> Iterator[socket.socket]:
        with socket.create_connection((HOST, raw.port), timeout=10) as connection:
            yield connection

    def test_bytes_and_connections_are_counted(self, raw: Proxy) -> None:
        with (
            raw.record() as record,
            socket.create_connection((HOST, raw.port), timeout=10) as line,
        ):
            assert _echo(line, b"x" * 1000) == b"x" * 1000
        assert (record.connections, record.wire_sent, record.wire_received) == (1, 1000, 1000)
        assert record.requests == []

    def test_a_silent_link_comes_back_with_what_was_sent(
        self, raw: Proxy, line: socket.socket
    ) -> None:
        _echo(line, b"hello")
        with raw.fault(Blackhole()) as rule:
            line.settimeout(0.3)
            with pytest.raises(TimeoutError):
                _echo(line, b"later")
            assert rule.hits == 1
        line.settimeout(10)
        assert _receive(line, 5) == b"later"

    def test_a_reset_comes_after_so_many_bytes(self, raw: Proxy, line: socket.socket) -> None:
        _echo(line, b"hello")
        with raw.fault(Reset(after=3)):
            line.sendall(b"123456")
            assert _receive(line, 3) == b"123"
            with pytest.raises(ConnectionResetError):
                _receive(line, 1)

    def test_a_truncated_stream_ends_politely(self, raw: Proxy, line: socket.socket) -> None:
        with raw.fault(Truncate(after=3)):
            line.sendall(b"123456")
            assert _receive(line, 6) == b"123"

    def test_a_fault_can_hit_one_connection_only(self, raw: Proxy, line: socket.socket) -> None:
        raw.fault(Reset(), times=1)
        with pytest.raises(ConnectionResetError):
            _echo(line, b"x")
        with socket.create_connection((HOST, raw.port), timeout=10) as second:
            assert _echo(second, b"y") == b"y"

    def test_killing_the_connections_resets_them(self, raw: Proxy, line: socket.socket) -> None:
        _echo(line, b"x")
        assert raw.kill_connections() == 1
        with pytest.raises(ConnectionResetError):
            _receive(line, 1)

    def test_refusing_closes_the_port(self, raw: Proxy) -> None:
        with raw.fault(Refuse()), pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, raw.port), timeout=5)
        with socket.create_connection((HOST, raw.port), timeout=10) as line:
            assert _echo(line, b"x") == b"x"

    def test_a_client_that_resets_ends_its_connection_only(self, raw: Proxy) -> None:
        with socket.create_connection((HOST, raw.port), timeout=10) as rude:
            _echo(rude, b"x")
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with socket.create_connection((HOST, raw.port), timeout=10) as line:
            assert _echo(line, b"y") == b"y"


@pytest.mark.server
class TestRealServers:
    def test_boto3_passes_and_is_counted(
        self, s3_server: S3Server, s3_area: Area, proxied: Callable[[Area], Proxy]
    ) -> None:
        import boto3

        proxy = proxied(s3_area)
        options = s3_area.backend_config(via=proxy)["backend_options"]
        client = boto3.client(
            "s3",
            endpoint_url=options["endpoint_url"],
            aws_access_key_id=options["key"],
            aws_secret_access_key=options["secret"],
            region_name=options["region_name"],
        )
        data = b"log line\n" * 20_000
        with proxy.record() as record:
            client.put_object(Bucket=s3_area.container, Key="a b", Body=data)
        (put,) = record.requests
        assert (put.method, put.path) == ("PUT", f"/{s3_area.container}/a%20b")
        assert put.sent == len(data)
        assert s3_area.raw.read("a b") == data
        with proxy.fault(Status(503), method="GET", times=1) as rule, proxy.record() as record:
            got = client.get_object(Bucket=s3_area.container, Key="a b")["Body"].read()
        assert got == data
        assert rule.hits == 1
        assert [request.status for request in record.requests] == [503, 200]
        client.close()

    def test_the_mode_follows_the_server(self, s3_server: S3Server, ftp_server: FTPServer) -> None:
        assert not Proxy.to(s3_server).raw
        assert Proxy.to(ftp_server).raw


def _echo(line: socket.socket, data: bytes) -> bytes:
    line.sendall(data)
    return _receive(line, len(data))


def _receive(line: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (data := line.recv(size - len(received))):
        received += data
    return received
