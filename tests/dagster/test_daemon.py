"""A real daemon: the logs of sensor and schedule ticks."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dagster._core.definitions.instigation_logger import get_instigation_log_records

from tests.dagster.home import JOBS, STDERR, Home, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from devservers import Area


@pytest.mark.slow
def test_what_a_sensor_and_a_schedule_say_is_stored(
    local_area: Area, tmp_path: Path, make_manager: Callable[..., Any]
) -> None:
    home = Home(tmp_path / "home", {**local_area.config(), "local_dir": str(tmp_path / "staging")})
    daemon = home.start("dagster._daemon", "run", "-f", str(JOBS))
    ticks = "dagster/storage/__repository__/"

    def stored(name: str) -> list[str]:
        assert daemon.running, daemon.output
        found = local_area.raw.keys()
        return [key for key in found if key.startswith(f"{ticks}{name}/") and key.endswith(".err")]

    try:
        wait_for(lambda: stored("talkative_sensor") and stored("talkative_schedule"), 100)
    except AssertionError:
        pytest.fail(f"no tick's log was stored; the daemon says:\n{daemon.output}")
    finally:
        daemon.interrupt()
    reader = make_manager(local_area)
    for name, said in (
        ("talkative_sensor", "the sensor says hello"),
        ("talkative_schedule", "the schedule says hello"),
    ):
        key = reader.get_log_keys_for_log_key_prefix(["__repository__", name], STDERR)[0]
        assert reader.is_capture_complete(key)
        instance: Any = type("Instance", (), {"compute_log_manager": reader})
        (record,) = get_instigation_log_records(instance, key)
        assert said in record["msg"]
        lines, _ = reader.read_log_lines_for_log_key_prefix(["__repository__", name], None, STDERR)
        assert said in lines[0]
    assert "Exception closing logger" not in daemon.output


@pytest.mark.slow
def test_what_a_tick_said_is_stored_although_the_daemon_was_stopped_meanwhile(
    local_area: Area, tmp_path: Path, make_manager: Callable[..., Any]
) -> None:
    staging = str(tmp_path / "staging")
    home = Home(tmp_path / "home", {**local_area.config(), "local_dir": staging})
    slow_tick = str(Path(JOBS).with_name("slow_tick.py"))
    daemon = home.start("dagster._daemon", "run", "-f", slow_tick)
    begun = home.folder / "tick-begun"
    try:
        wait_for(lambda: begun.exists() or not daemon.running, 100)
        assert daemon.running, daemon.output
        daemon.send(signal.SIGTERM)
        daemon.wait()
    finally:
        daemon.kill()
    # The tick went on in the daemon's code server, or that was ended too: then this host has it.
    manager = make_manager(local_area, local_dir=staging)

    def said() -> bytes:
        assert [left.reason for left in manager.flush() if left.reason] == []
        keys = list(local_area.raw.keys("dagster/storage/__repository__/slow_sensor/"))
        return b"".join(local_area.raw.read(key) for key in keys if key.endswith(".err"))

    assert b"said before the daemon was stopped" in wait_for(said)
    wait_for(lambda: not [path for path in Path(staging).rglob("*/out") if path.is_file()])
