"""A working block of ``remote_store.ext.dagster`` with nothing but its ``module:`` changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from dagster._serdes import ConfigurableClassData

from devservers.azurite import connection_string
from remote_store_fsspec.location import resolve_location
from tests.support.areas import area_param

if TYPE_CHECKING:
    from pathlib import Path

    from devservers import Area, SFTPServer

THEIRS = "remote_store.ext.dagster"
OURS = "remote_store_fsspec.dagster"
KEY = ["run-1", "compute_logs", "step"]
OUT = "printed: äöü ✓\n" * 3
ERR = "warned\n"


@pytest.fixture(params=[area_param(name) for name in ("local", "s3", "azure", "sftp")])
def area(request: pytest.FixtureRequest) -> Area:
    found: Area = request.getfixturevalue(f"{request.param}_area")
    return found


@pytest.fixture
def options(area: Area, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What someone who uses remote-store writes for that storage in YAML."""
    if area.name == "azure":
        return {
            "container": area.container,
            "hns": False,
            "connection_string": connection_string(area.port),
        }
    if area.name == "sftp":
        server: SFTPServer = request.getfixturevalue("sftp_server")
        return {
            "host": server.host,
            "port": server.port,
            "username": server.username,
            "base_path": area.container,
            "host_keys_path": str(server.known_hosts),
            "connect_kwargs": {"key_filename": str(server.client_key), "allow_agent": False},
        }
    options: dict[str, Any] = area.config()["backend_options"]
    return options


def manager(module: str, area: Area, options: dict[str, Any], local_dir: Path) -> Any:
    """The manager as Dagster makes it from ``dagster.yaml``."""
    block = {
        "backend_type": area.name,
        "backend_options": options,
        "root_path": "dagster/compute-logs",
        "prefix": "moved",
        "local_dir": str(local_dir),
        "upload_interval": 30,
    }
    data = ConfigurableClassData(module, "RemoteStoreComputeLogManager", yaml.safe_dump(block))
    return data.rehydrate()


@pytest.mark.parametrize(("writer", "reader"), [(THEIRS, OURS), (OURS, THEIRS)])
def test_logs_written_before_the_move_are_read_after_it_and_back(
    area: Area,
    options: dict[str, Any],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    writer: str,
    reader: str,
) -> None:
    pytest.importorskip(THEIRS, reason="remote-store needs Python 3.11")
    writing = manager(writer, area, options, tmp_path / "writer")
    reading = manager(reader, area, options, tmp_path / "reader")
    try:
        # Dagster takes over the process's own streams, which pytest stands in front of.
        with capfd.disabled(), writing.capture_logs(KEY):
            os.write(1, OUT.encode())
            os.write(2, ERR.encode())
        base = "dagster/compute-logs/moved/storage/run-1/compute_logs/step"
        assert area.raw.read(f"{base}.out").decode() == OUT
        assert area.raw.read(f"{base}.err").decode() == ERR
        data = reading.get_log_data(KEY)
        assert data.stdout.decode() == OUT
        assert data.stderr.decode() == ERR
    finally:
        writing.dispose()
        reading.dispose()


@pytest.mark.parametrize("backend_type", ["s3", "s3-pyarrow"])
@pytest.mark.server
def test_both_names_of_s3_open_the_same_bucket(s3_area: Area, backend_type: str) -> None:
    config = s3_area.config()
    location = resolve_location(
        backend_type=backend_type, backend_options=config["backend_options"]
    )
    assert location.target().base == s3_area.container
    assert location.target().protocol == "s3"
