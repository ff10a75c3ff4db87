"""fsspec's own suite for filesystems, over every storage.

A deviation stands in `DEVIATIONS` with its reason and is expected to fail: when it no longer does,
the run fails too.
"""

from __future__ import annotations

import os
import tempfile
import traceback
import types
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.compat import LEGACY_PATH
from fsspec.tests import abstract
from fsspec.tests.abstract import mv

from devservers import local_area, memory_area
from remote_store_fsspec.filesystem import RemoteStoreFileSystem
from tests.support.areas import ALL, area_param

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from devservers import Area

OBJECT_STORES = {"s3", "azure", "gs"}

# storage or "*" -> test -> why ours does something else on purpose
DEVIATIONS: dict[str, dict[str, str]] = {}


def _area(storage: str, request: pytest.FixtureRequest) -> Area:
    if storage == "memory":
        return memory_area()
    if storage == "local":
        factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        return local_area(factory.mktemp("suite"))
    server = request.getfixturevalue("gcs_server" if storage == "gs" else f"{storage}_server")
    area: Area = server.new_area()
    return area


@pytest.fixture(scope="session")
def opened() -> dict[str, RemoteStoreFileSystem]:
    """One filesystem per storage for the whole suite: opening one costs more than a test."""
    return {}


class Fixtures(abstract.AbstractFixtures):
    """Where the suite's tests run: a folder of their own each."""

    @pytest.fixture(params=[area_param(name) for name in ALL])
    def storage(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def fs(
        self,
        storage: str,
        opened: dict[str, RemoteStoreFileSystem],
        request: pytest.FixtureRequest,
    ) -> RemoteStoreFileSystem:
        if storage not in opened:
            opened[storage] = RemoteStoreFileSystem(
                **_area(storage, request).config(), skip_instance_cache=True
            )
        return opened[storage]

    @pytest.fixture
    def fs_path(self) -> str:
        return f"suite-{uuid.uuid4().hex[:8]}"

    @pytest.fixture
    def fs_join(self) -> Any:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def supports_empty_directories(self, storage: str) -> bool:
        return storage not in OBJECT_STORES

    @pytest.fixture(autouse=True)
    def declared(self, request: pytest.FixtureRequest, storage: str) -> None:
        test = request.node.originalname
        reason = DEVIATIONS.get(storage, {}).get(test) or DEVIATIONS.get("*", {}).get(test)
        if reason:
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


class TestCopy(abstract.AbstractCopyTests, Fixtures):
    pass


class TestGet(abstract.AbstractGetTests, Fixtures):
    pass


class TestPut(abstract.AbstractPutTests, Fixtures):
    pass


class TestOpen(abstract.AbstractOpenTests, Fixtures):
    pass


class TestPipe(abstract.AbstractPipeTests, Fixtures):
    pass


SUITE = (
    abstract.AbstractCopyTests,
    abstract.AbstractGetTests,
    abstract.AbstractPutTests,
    abstract.AbstractOpenTests,
    abstract.AbstractPipeTests,
)


@pytest.fixture
def moves_with_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite's tests of `mv` ask fsspec for "file"; they get ours, rooted at `/`."""
    ours = RemoteStoreFileSystem(backend_type="local", backend_options={"root": "/"})
    stand_in = types.SimpleNamespace(filesystem=lambda _: ours)
    monkeypatch.setattr(mv, "fsspec", stand_in)


@pytest.mark.usefixtures("moves_with_ours")
@pytest.mark.xfail(
    reason="ours makes the folders that a write needs, on every storage", strict=True
)
def test_moving_into_a_folder_that_is_not_there(tmpdir: Any) -> None:
    mv.test_move_raises_error_with_tmpdir(tmpdir)


@pytest.mark.usefixtures("moves_with_ours")
@pytest.mark.parametrize("recursive", [True, False])
def test_moving_into_a_protected_folder_is_a_permission_error(
    recursive: bool, as_nobody: Callable[[Callable[[Any], None]], str]
) -> None:
    failure = as_nobody(
        lambda tmpdir: mv.test_move_raises_error_with_tmpdir_permission(recursive, tmpdir)
    )
    assert failure == ""


@pytest.fixture
def as_nobody() -> Iterator[Callable[[Callable[[Any], None]], str]]:
    """Runs a test in a forked child that is not root, to whom every folder is open."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)  # noqa: PTH101, S103 - nobody must be able to write there

        def run(test: Callable[[Any], None]) -> str:
            read_end, write_end = os.pipe()
            pid = os.fork()
            if pid == 0:
                failure = ""
                try:
                    if os.geteuid() == 0:
                        os.setuid(65534)
                    test(LEGACY_PATH(folder))
                except BaseException:
                    failure = traceback.format_exc()
                os.write(write_end, failure.encode()[-4000:])
                os._exit(0)
            os.close(write_end)
            with os.fdopen(read_end, "rb") as stream:
                failure = stream.read().decode()
            os.waitpid(pid, 0)
            return failure

        yield run


def test_every_deviation_names_a_test_of_the_suite() -> None:
    tests = {name for suite in SUITE for name in vars(suite) if name.startswith("test_")}
    assert {name for deviations in DEVIATIONS.values() for name in deviations} <= tests
