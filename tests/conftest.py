"""Servers, fresh places on them, and the rules of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.support.environment import isolate

isolate()  # before any storage library is imported: some read the environment only then

from devservers import (  # noqa: E402
    Area,
    AzureServer,
    FTPServer,
    GCSServer,
    MissingProgram,
    ReadOnlyHTTPServer,
    S3Server,
    Server,
    SFTPServer,
    WebDAVServer,
    local_area,
    memory_area,
)
from devservers.proxy import Proxy  # noqa: E402
from tests.support.areas import ALL, BACKEND_TYPES, area_param  # noqa: E402
from tests.support.skips import SkipAccounting  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_Server = TypeVar("_Server", bound=Server)

# What takes minutes begins first: a module that one worker begins last is waited for by all.
_LONGEST_FIRST = (
    "tests/test_wheel.py",
    "tests/conformance/test_filesystem_contract.py::TestS3",
    "tests/conformance/test_filesystem_contract.py::TestAzure",
    "tests/demo",
    "tests/backends/test_s3.py",
    "tests/benchmarks",
    "tests/conformance/test_filesystem_contract.py::TestSFTP",
    "tests/dagster/test_runs.py",
    "tests/reliability",
    "tests/soak",
    "tests/conformance",
    "tests/dagster/test_daemon.py",
    "tests/dagster",
)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SkipAccounting(config), "skip-accounting")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    turns = range(len(_LONGEST_FIRST))
    return next(
        (turn for turn in turns if item.nodeid.startswith(_LONGEST_FIRST[turn])), len(turns)
    )


def _running(server_type: Callable[[], _Server]) -> Iterator[_Server]:
    try:
        server = server_type().start()
    except MissingProgram as missing:
        pytest.fail(f"this test needs a program: {missing}", pytrace=False)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    yield from _running(S3Server)


@pytest.fixture(scope="session")
def azure_server() -> Iterator[AzureServer]:
    yield from _running(AzureServer)


@pytest.fixture(scope="session")
def sftp_server() -> Iterator[SFTPServer]:
    yield from _running(SFTPServer)


@pytest.fixture(scope="session")
def ftp_server() -> Iterator[FTPServer]:
    yield from _running(FTPServer)


@pytest.fixture(scope="session")
def webdav_server() -> Iterator[WebDAVServer]:
    yield from _running(WebDAVServer)


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[GCSServer]:
    yield from _running(GCSServer)


@pytest.fixture(scope="session")
def http_server() -> Iterator[ReadOnlyHTTPServer]:
    yield from _running(ReadOnlyHTTPServer)


@pytest.fixture
def s3_area(s3_server: S3Server) -> Area:
    return s3_server.new_area()


@pytest.fixture
def azure_area(azure_server: AzureServer) -> Area:
    return azure_server.new_area()


@pytest.fixture
def sftp_area(sftp_server: SFTPServer) -> Area:
    return sftp_server.new_area()


@pytest.fixture
def ftp_area(ftp_server: FTPServer) -> Area:
    return ftp_server.new_area()


@pytest.fixture
def webdav_area(webdav_server: WebDAVServer) -> Area:
    return webdav_server.new_area()


@pytest.fixture
def gs_area(gcs_server: GCSServer) -> Area:
    return gcs_server.new_area()


@pytest.fixture
def gcs_area(gs_area: Area) -> Area:
    """The same as `gs_area`, by the product's name."""
    return gs_area


@pytest.fixture(name="local_area")
def _local_area(tmp_path: Path) -> Area:
    return local_area(tmp_path / "area")


@pytest.fixture(name="memory_area")
def _memory_area() -> Area:
    return memory_area()


def _area_by_name(request: pytest.FixtureRequest) -> Area:
    # Asked for by name, so that a test of one storage starts no other server.
    area: Area = request.getfixturevalue(f"{request.param}_area")
    return area


@pytest.fixture(params=[area_param(name) for name in BACKEND_TYPES])
def any_location(request: pytest.FixtureRequest) -> Area:
    """A fresh place on each backend type that remote-store names."""
    return _area_by_name(request)


@pytest.fixture(params=[area_param(name) for name in ALL])
def every_location(request: pytest.FixtureRequest) -> Area:
    """A fresh place on each storage that a server here can stand for."""
    return _area_by_name(request)


@pytest.fixture
def proxied() -> Iterator[Callable[[Area], Proxy]]:
    """Puts a proxy before an area's server: ``area.config(via=proxied(area))``."""
    proxies: list[Proxy] = []

    def put_proxy_before(area: Area) -> Proxy:
        proxy = Proxy(area.port, raw=area.name in {"sftp", "ftp"}).start()
        proxies.append(proxy)
        return proxy

    yield put_proxy_before
    for proxy in proxies:
        proxy.stop()
