"""The job: steps that print in every way that has ever lost a log.

Dagster's default logger would add its own lines to each step's stderr. Here they go to ``run.log``,
except errors: those are what an operator looks for, so they are printed too (and kept for the
comparison, like everything else that a step prints).
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from typing import Final

from dagster import Definitions, InitLoggerContext, job, logger, multiprocess_executor, op

from demo.printed import RUN_LOG_VARIABLE, Printed

SLOW_LINES: Final = 20
SLOW_SECONDS: Final = 0.5
STEPS_AT_ONCE: Final = 3

_LONG_LINES: Final = 40_000
_FILLER: Final = "the quick brown fox jumps over the lazy dog " * 2


@op
def prints_a_lot() -> None:
    """Four megabytes on stdout, some on stderr, much faster than they can be stored."""
    printed = Printed("prints_a_lot", again=True)
    block: list[str] = []
    for number in range(1, _LONG_LINES + 1):
        block.append(f"{number:06d} {_FILLER}")
        if len(block) == 100:  # noqa: PLR2004 - lines a write
            printed.out("\n".join(block))
            block.clear()
        if number % 16 == 0:
            printed.err(f"{number:06d} also on stderr")
    printed.out("the last of many lines")


@op(tags={"dagster/priority": "1"})  # starts first; the others run meanwhile
def prints_slowly() -> None:
    """A line every half second: what a live view is for."""
    printed = Printed("prints_slowly", again=True)
    for number in range(1, SLOW_LINES + 1):
        printed.out(f"line {number} of {SLOW_LINES}: working")
        time.sleep(SLOW_SECONDS)
    printed.out("slow, but done")


@op
def fails_with_a_traceback() -> None:
    """Fails on purpose; the reason is the last thing in its log."""
    printed = Printed("fails_with_a_traceback", again=True)
    printed.out("about to divide the work among 0 workers")
    _divide(work=7, workers=0)


def _divide(work: int, workers: int) -> float:
    return work / workers


@op
def writes_only_to_stderr() -> None:
    """Nothing on stdout: an empty stream is complete as well."""
    printed = Printed("writes_only_to_stderr", again=True)
    for number in range(1, 51):
        printed.err(f"warning {number} of 50: this goes to stderr")


@op
def prints_scripts_and_colours() -> None:
    """Characters of one to four bytes, ANSI colours, a progress bar, no newline at the end."""
    printed = Printed("prints_scripts_and_colours", again=True)
    printed.out(
        "Grüße, žluťoučký kůň, Ελληνικά, кириллица, עברית, العربية, 日本語, 한국어, 🚀 e\u0301"
    )
    for colour in range(31, 37):
        printed.out(f"\x1b[{colour}mcolour {colour}\x1b[0m \x1b[1;{colour}mbold\x1b[0m")
    for percent in range(0, 101, 5):
        printed.err(f"\r{percent:3d} % {'█' * (percent // 5)}", end="")
    printed.err("")
    # A character is three bytes here, so some page boundary of a reader falls inside one.
    for number in range(1, 2001):
        printed.out(f"{number} 文字化けしない長い行。" * 8)
    printed.out("no newline at the end ✓", end="")


@op
def runs_a_child_process() -> None:
    """Output of a process that Python's `print` never sees."""
    step = "runs_a_child_process"
    printed = Printed(step, again=True)
    printed.out("parent: before")
    subprocess.run([sys.executable, "-m", "demo.child", step], check=True)
    printed.out("parent: after")


class _StepEvents(logging.Handler):
    """Dagster's lines: all to the run's log file, errors to the step's stderr as well."""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        path = os.environ.get(RUN_LOG_VARIABLE) or os.devnull
        with open(path, "a", encoding="utf-8") as log:  # noqa: PTH123 - one append a line
            log.write(text + "\n")
        step = getattr(record, "dagster_meta", {}).get("step_key")
        if step and record.levelno >= logging.ERROR:
            Printed(step).err(text)


@logger(None, "Dagster's own lines, away from what the steps print.")
def quiet_logger(_init: InitLoggerContext) -> logging.Logger:
    """The logger of `demo_job`."""
    made = logging.Logger("demo", logging.DEBUG)  # noqa: LOG001 - private to one run
    handler = _StepEvents()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    made.addHandler(handler)
    return made


_OPS: Final = (
    prints_slowly,
    prints_a_lot,
    prints_scripts_and_colours,
    writes_only_to_stderr,
    runs_a_child_process,
    fails_with_a_traceback,
)
STEPS: Final = tuple(step.name for step in _OPS)
SLOW_STEP: Final = prints_slowly.name
FAILING_STEP: Final = fails_with_a_traceback.name


@job(
    executor_def=multiprocess_executor.configured(
        {
            "max_concurrent": STEPS_AT_ONCE,
            # Importing Dagster takes seconds; with this one process does it for all steps.
            "start_method": {"forkserver": {"preload_modules": ["demo.job"]}},
        }
    ),
    logger_defs={"events": quiet_logger},
    config={"loggers": {"events": {}}},
)
def demo_job() -> None:
    """Six steps, one of which is meant to fail."""
    for step in _OPS:
        step()


defs = Definitions(jobs=[demo_job])
