"""Real jobs that real processes run in these tests."""

# ruff: noqa: I002, T201 - Dagster looks at the annotation of `context` itself, which must be a
# class and no string; and what these print is what is captured.

import subprocess
import sys
import time
from pathlib import Path

import dagster as dg

FOREVER = 300


@dg.op
def chatty() -> None:
    print("chatty: héllo \x1b[32mgreen\x1b[0m")
    print("chatty: to stderr", file=sys.stderr)
    sys.stdout.flush()
    subprocess.run([sys.executable, "-c", "print('a child process prints')"], check=True)


@dg.op
def failing() -> None:
    print("failing: last words")
    raise RuntimeError("this step fails")


@dg.op(config_schema={"mark": str})
def endless(context: dg.OpExecutionContext) -> None:
    print("endless: begun", flush=True)
    print("endless: to stderr", file=sys.stderr, flush=True)
    Path(context.op_config["mark"]).touch()
    time.sleep(FOREVER)


@dg.job
def all_kinds() -> None:
    chatty()
    failing()


@dg.job(executor_def=dg.in_process_executor)
def one_process() -> None:
    chatty()
    failing()


@dg.job
def endless_in_its_own_process() -> None:
    endless()


@dg.job(executor_def=dg.in_process_executor)
def endless_in_one_process() -> None:
    endless()


@dg.sensor(
    job=one_process,
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def talkative_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    context.log.info("the sensor says hello")
    return dg.SkipReason("nothing to do")


@dg.schedule(
    job=one_process,
    cron_schedule="* * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def talkative_schedule(context: dg.ScheduleEvaluationContext) -> dg.SkipReason:
    context.log.info("the schedule says hello")
    return dg.SkipReason("nothing to do")


defs = dg.Definitions(
    jobs=[all_kinds, one_process, endless_in_its_own_process, endless_in_one_process],
    sensors=[talkative_sensor],
    schedules=[talkative_schedule],
)
