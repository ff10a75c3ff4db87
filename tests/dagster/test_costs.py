"""What logs cost, counted at the wire in front of a real S3 server."""

from __future__ import annotations

# ruff: noqa: T201 - what these print is what is captured
import sys
from typing import TYPE_CHECKING, Any

import pytest

from remote_store_fsspec.dagster import RemoteStoreComputeLogManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from devservers import Area

pytestmark = pytest.mark.server

KEY = ["run-1", "compute_logs", "abcdefgh"]
AT = "dagster/storage/run-1/compute_logs/abcdefgh"


@pytest.fixture
def counted(
    s3_area: Area, proxied: Callable[[Area], Any], tmp_path: Path
) -> Iterator[tuple[Any, Callable[..., RemoteStoreComputeLogManager]]]:
    """A counting proxy and managers behind it, their connections warm."""
    proxy = proxied(s3_area)
    made: list[RemoteStoreComputeLogManager] = []

    def make(**config: Any) -> RemoteStoreComputeLogManager:
        manager = RemoteStoreComputeLogManager(
            **s3_area.config(via=proxy), local_dir=str(tmp_path / f"{len(made)}"), **config
        )
        made.append(manager)
        return manager

    make().get_log_data(["warm", "compute_logs", "up"])
    yield proxy, make
    for manager in made:
        manager.dispose()


def test_a_small_step_is_two_requests(counted: Any) -> None:
    proxy, make = counted
    manager = make(upload_interval=30)
    with proxy.record() as record, manager.capture_logs(KEY):
        print("x" * 2000)
    assert record.methods == {"PUT": 2}


def test_a_live_log_costs_its_new_bytes(counted: Any) -> None:
    proxy, make = counted
    writer, reader = make(), make()
    line = "x" * 1023 + "\n"
    ticks, lines = 20, 100
    seen, cursor = 0, None
    with proxy.record() as record:
        with writer.capture_logs(KEY):
            for _ in range(ticks):
                for _ in range(lines):
                    print(line, end="")
                sys.stdout.flush()
                writer.on_progress(KEY)
                data = reader.get_log_data(KEY, cursor)
                seen, cursor = seen + len(data.stdout or b""), data.cursor
        data = reader.get_log_data(KEY, cursor)
    size = ticks * lines * 1024
    assert seen + len(data.stdout or b"") == size
    sent = sum(request.sent for request in record.requests)
    fetched = sum(request.received for request in record.requests if f"{AT}.out" in request.path)
    assert sent <= 2.05 * size
    assert fetched <= 1.02 * size


def test_nothing_new_costs_nothing_to_write_and_one_listing_to_read(counted: Any) -> None:
    proxy, make = counted
    writer, reader = make(), make()
    with writer.capture_logs(KEY):
        print("text", flush=True)
        writer.on_progress(KEY)
        cursor = reader.get_log_data(KEY).cursor
        with proxy.record() as record:
            writer.on_progress(KEY)
        assert record.methods == {}
        with proxy.record() as record:
            reader.get_log_data(KEY, cursor)
        assert record.methods == {"GET": 1}


def test_a_finished_logs_pages_are_a_request_each_and_nothing_is_copied(
    counted: Any, s3_area: Area, tmp_path: Path
) -> None:
    proxy, make = counted
    s3_area.raw.write(f"{AT}.out", b"x" * 3_000_000)
    s3_area.raw.write(f"{AT}.err", b"")
    reader = make()
    with proxy.record() as record:
        data = reader.get_log_data(KEY, max_bytes=1_000_000)
    assert record.methods == {"GET": 2}
    with proxy.record() as record:
        data = reader.get_log_data(KEY, data.cursor, max_bytes=1_000_000)
        assert reader.is_capture_complete(KEY)
    assert record.methods == {"GET": 1}
    assert record.received == 1_000_000
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_deleting_and_listing_many_logs_takes_few_requests(counted: Any, s3_area: Area) -> None:
    proxy, make = counted
    for number in range(30):
        s3_area.raw.write(f"dagster/storage/a/{number}.err", b"x")
    manager = make()
    with proxy.record() as record:
        manager.delete_logs(prefix=["a"])
    assert sum(record.methods.values()) == 2
