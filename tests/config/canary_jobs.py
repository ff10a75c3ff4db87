"""A job that real processes run in the canary tests, held until a file appears."""

# ruff: noqa: I002, T201 - Dagster looks at the annotation of `context` itself, which must be a
# class and no string; and what it prints is what is captured.

import time
from pathlib import Path

import dagster as dg


@dg.op(config_schema={"folder": str})
def held(context: dg.OpExecutionContext) -> None:
    print("held: begun", flush=True)
    folder = Path(context.op_config["folder"])
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.1)
    print("held: done", flush=True)


@dg.job
def in_a_process_of_its_own() -> None:
    held()
