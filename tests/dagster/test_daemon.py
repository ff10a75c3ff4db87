"""A real daemon: the logs of sensor and schedule ticks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from dagster._core.definitions.instigation_logger import get_instigation_log_records

from tests.dagster.home import JOBS, STDERR, Home, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
