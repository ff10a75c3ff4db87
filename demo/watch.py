"""Starts the run and follows it from outside: its steps, and the live log of the slow one."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dagster import DagsterEventType

from demo.job import SLOW_LINES, SLOW_STEP, STEPS
from demo.needs import SetupError
from demo.processes import last_lines

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from dagster import DagsterEvent, DagsterInstance

    from demo.screen import Screen

_PAUSE_SECONDS: Final = 0.25
_SLOW_LINE: Final = re.compile(rb"line \d+ of \d+: working")


@dataclass
class Watched:
    """What was seen of the run.

    Attributes:
        run_id: Dagster's id.
        status: Dagster's word for how the run ended.
        failed: Steps that failed.
        succeeded: Steps that succeeded.
        live_lines: Lines of the slow step that were read before it ended.
        arrivals: In how many pieces these came.
    """

    run_id: str = ""
    status: str = ""
    failed: list[str] = field(default_factory=list)
    succeeded: list[str] = field(default_factory=list)
    live_lines: int = 0
    arrivals: int = 0


class Watcher:
    """Follows the one run of an instance.

    Args:
        instance: This process's own instance on the run's ``DAGSTER_HOME``.
        screen: Where to tell.
    """

    def __init__(self, instance: DagsterInstance, screen: Screen) -> None:
        self.seen = Watched()
        self._instance = instance
        self._screen = screen
        self._events: str | None = None
        self._started: dict[str, float] = {}
        self._slow_key: list[str] | None = None
        self._log: str | None = None
        self._rest = b""

    def follow(self, process: subprocess.Popen[bytes], log: Path) -> Watched:
        """Returns when the run is over.

        Raises:
            SetupError: Its process ended before there was a run.
        """
        while True:
            over = process.poll() is not None
            self._find_run()
            # First what can be read, then whether the step had ended: lines count as live only
            # when its end was not known after they had been read.
            lines = self._tail()
            self._read_events()
            if lines and SLOW_STEP not in {*self.seen.succeeded, *self.seen.failed}:
                self.seen.live_lines += lines
                self.seen.arrivals += 1
            if over:
                break
            self._screen.status(self._doing())
            time.sleep(_PAUSE_SECONDS)
        run = self._instance.get_run_by_id(self.seen.run_id) if self.seen.run_id else None
        if run is None:
            raise SetupError(f"no run was made; the end of {log}:\n{last_lines(log)}")
        self.seen.status = run.status.value
        return self.seen

    def _find_run(self) -> None:
        if not self.seen.run_id:
            for run in self._instance.get_runs(limit=1):
                self.seen.run_id = run.run_id
                self._screen.moment(f"run {run.run_id}")

    def _doing(self) -> str:
        ended = {*self.seen.succeeded, *self.seen.failed}
        steps = [step for step in self._started if step not in ended]
        if not self.seen.run_id:
            return "Dagster is making the run"
        if steps:
            return "running " + ", ".join(steps)
        if len(ended) == len(STEPS):
            return "Dagster is finishing the run"
        return "Dagster is starting processes for the steps"

    # The slow step's log, as an operator sees it.

    def _tail(self) -> int:
        """Shows the slow step's new lines; returns how many."""
        if self._slow_key is None or SLOW_STEP not in self._started:
            return 0
        data = self._instance.compute_log_manager.get_log_data(self._slow_key, self._log)
        self._log = data.cursor
        *lines, self._rest = (self._rest + (data.stdout or b"")).split(b"\n")
        for line in lines:
            self._screen.moment(f"  {self._screen.quote(line.decode(errors='replace'))}")
        return len([line for line in lines if _SLOW_LINE.fullmatch(line)])

    # The run's events.

    def _read_events(self) -> None:
        if not self.seen.run_id:
            return
        answer = self._instance.get_records_for_run(self.seen.run_id, cursor=self._events)
        self._events = answer.cursor
        for record in answer.records:
            event = record.event_log_entry.dagster_event
            if event is not None:
                self._tell(event, record.event_log_entry.timestamp)

    def _tell(self, event: DagsterEvent, timestamp: float) -> None:
        step, screen = event.step_key or "", self._screen
        if event.event_type is DagsterEventType.LOGS_CAPTURED:
            captured = event.logs_captured_data
            if SLOW_STEP in (captured.step_keys):
                manager = self._instance.compute_log_manager
                key = manager.build_log_key_for_run(self.seen.run_id, captured.file_key)
                self._slow_key = list(key)
        elif event.event_type is DagsterEventType.STEP_START:
            self._started[step] = timestamp
            note = f"  {SLOW_LINES} lines, read live below" if step == SLOW_STEP else ""
            screen.moment(f"{screen.style('▶', 'cyan')} {step}{screen.style(note, 'dim')}")
        elif event.event_type is DagsterEventType.STEP_SUCCESS:
            self.seen.succeeded.append(step)
            screen.moment(f"{screen.style('✔', 'green')} {step}  {self._took(step, timestamp)}")
        elif event.event_type is DagsterEventType.STEP_FAILURE:
            self.seen.failed.append(step)
            screen.moment(f"{screen.style('✘', 'red')} {step}  {self._took(step, timestamp)}")

    def _took(self, step: str, timestamp: float) -> str:
        seconds = timestamp - self._started.get(step, timestamp)
        return self._screen.style(f"{seconds:.1f} s", "dim")
