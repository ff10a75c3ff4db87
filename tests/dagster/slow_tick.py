"""A sensor that a daemon is stopped in the middle of."""

from __future__ import annotations

import os
import time
from pathlib import Path

import dagster as dg


@dg.job
def nothing() -> None:
    """What the sensor is for."""


@dg.sensor(job=nothing, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def slow_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Says one thing before and one after a while."""
    context.log.info("said before the daemon was stopped")
    Path(os.environ["DAGSTER_HOME"], "tick-begun").touch()
    time.sleep(2)
    context.log.info("said after it")
    return dg.SkipReason("nothing to do")


defs = dg.Definitions(jobs=[nothing], sensors=[slow_sensor])
