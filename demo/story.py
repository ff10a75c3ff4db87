"""The demo itself: run, watch, read back, compare."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from demo.compare import Verdict, compare_independently, expected_streams
from demo.destinations import ROOT
from demo.home import REPOSITORY
from demo.needs import SetupError
from demo.processes import running
from demo.screen import human_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.compare import Expected
    from demo.destinations import Destination
    from demo.home import Home
    from demo.screen import Screen
    from demo.watch import Watched

_LEAST_ARRIVALS: Final = 2
_RUN_COMMAND: Final = (
    *(sys.executable, "-m", "dagster", "job", "execute"),
    *("-m", "demo.job", "-j", "demo_job"),
)


class Story:
    """One demo, from the run to the verdict.

    Args:
        home: Its folder, with ``dagster.yaml`` in place.
        destination: Where the logs go.
        screen: Where to tell.
    """

    def __init__(self, home: Home, destination: Destination, screen: Screen) -> None:
        self._home = home
        self._destination = destination
        self._screen = screen
        self.verdict = Verdict()
        self._folder = ""

    def tell(self) -> None:
        """Runs everything; the result is in `verdict` and in ``result.json``."""
        watched = self._run()
        expected, read_back = self._read_back(watched.run_id)
        self._compare(expected)
        self._write_result(watched, expected, read_back)
        self._conclude(expected)

    def _environment(self, who: str) -> dict[str, str]:
        return self._home.environment(who, self._destination.secrets)

    def _run(self) -> Watched:
        screen = self._screen
        screen.heading("A real job, one process a step; this process looks on")
        os.environ.update(self._environment("watcher"))
        log = self._home.run_log
        with contextlib.ExitStack() as stack:
            with screen.working("Dagster is starting"):
                from dagster import DagsterInstance

                from demo.watch import Watcher

                # Makes the databases, before another process wants them too.
                instance = stack.enter_context(DagsterInstance.get())
            with screen.working("opening the destination"):
                # The first look loads the store's library, which takes seconds on a busy machine.
                instance.compute_log_manager.get_log_data(["demo", "nothing"])
            process = stack.enter_context(running(_RUN_COMMAND, self._environment("run"), log))
            watched = Watcher(instance, screen).follow(process, log)
        screen.moment(f"run ended: {watched.status}")
        self._judge_run(watched)
        return watched

    def _judge_run(self, watched: Watched) -> None:
        from demo.job import FAILING_STEP, SLOW_LINES, STEPS

        check = self.verdict.check
        right = watched.failed == [FAILING_STEP] and len(watched.succeeded) == len(STEPS) - 1
        failed = f"{', '.join(watched.failed) or 'nothing'} failed"
        meant = ", as it is meant to" if right else f", {FAILING_STEP} is meant to"
        check(right, f"the run: {len(watched.succeeded)} steps succeeded; {failed}{meant}")
        check(
            watched.arrivals >= _LEAST_ARRIVALS,
            f"live: {watched.live_lines} of {SLOW_LINES} lines read by another process, in "
            f"{watched.arrivals} pieces, before the step had ended",
        )

    def _read_back(self, run_id: str) -> tuple[list[Expected], list[dict[str, Any]]]:
        from demo.job import STEPS

        screen = self._screen
        screen.heading("Read back by a fresh process, with a staging folder of its own")
        command = [sys.executable, "-m", "demo.readback", run_id]
        found: list[dict[str, Any]] = []
        with (
            screen.working("reading"),
            self._home.run_log.open("ab") as log,
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=REPOSITORY,
                env=self._environment("reader"),
            ) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                found.append(json.loads(line))
                self._show(found[-1])
        if process.returncode:
            raise SetupError(f"the reading process failed; see the end of {self._home.run_log}")
        keys = {log["step"]: log["file_key"] for log in found}
        folder = f"{ROOT}/dagster/storage/{run_id}/compute_logs"
        expected = expected_streams(self._home.printed, keys, folder, STEPS)
        self._judge_read_back(expected, found)
        return expected, found

    def _show(self, log: Mapping[str, Any]) -> None:
        style, say = self._screen.style, self._screen.say
        where = str(log["where"])
        folder, _, name = where.rpartition("/")
        if folder != self._folder:
            self._folder = folder
            say(f"  below {style(folder + '/', 'cyan')}")
        state = "" if log["complete"] else style("  incomplete", "red")
        title = f"{log['step']} std{log['stream']}"
        size = human_size(log["size"])
        say(f"  {style(f'{title:34}', 'bold')} {size:>9}  {style(name, 'dim')}{state}")
        for line in log["tail"]:
            say(f"    {self._screen.quote(line)}")

    def _judge_read_back(self, expected: list[Expected], found: list[dict[str, Any]]) -> None:
        logs = {(log["step"], log["stream"]): log for log in found}
        equal = 0
        for stream in expected:
            log = logs.get((stream.step, stream.stream))
            name = f"{stream.step}.{stream.stream}"
            if log is None:
                self.verdict.check(False, f"{name}: no log was captured")
            elif not log["complete"]:
                self.verdict.check(False, f"{name}: is said to be incomplete")
            elif (log["size"], log["sha256"]) != (stream.size, stream.sha256):
                text = f"{name}: read {log['size']} bytes, {stream.size} were printed"
                self.verdict.check(False, text)
            else:
                equal += 1
        self.verdict.check(
            equal == len(expected),
            f"read back: {equal} of {len(expected)} logs equal what was printed",
        )

    def _compare(self, expected: list[Expected]) -> None:
        client = self._destination.client
        with self._screen.working(f"reading with {client}"):
            wrong = compare_independently(
                expected,
                self._home.printed,
                self._home.found,
                self._destination.keys,
                self._destination.fetch,
            )
        for problem in wrong:
            self.verdict.check(False, f"{client}: {problem}")
        self.verdict.check(
            not wrong,
            f"{client}: {len(expected)} objects hold exactly the printed bytes; nothing else is there",
        )

    def _write_result(
        self, watched: Watched, expected: list[Expected], found: list[dict[str, Any]]
    ) -> None:
        result = {
            "run_id": watched.run_id,
            "passed": self.verdict.passed,
            "checks": self.verdict.checks,
            "live_lines": watched.live_lines,
            "arrivals": watched.arrivals,
            "printed": [stream.as_json() for stream in expected],
            "read_back": found,
        }
        self._home.result.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")

    def _conclude(self, expected: list[Expected]) -> None:
        screen = self._screen
        screen.heading("Was everything captured found?")
        for passed, text in self.verdict.checks:
            (screen.good if passed else screen.bad)(text)
        screen.say()
        total = human_size(sum(stream.size for stream in expected))
        if self.verdict.passed:
            word = screen.style("Yes", "green")
            screen.say(f"{word}: {len(expected)} logs, {total}, byte for byte.")
        else:
            failed = sum(not passed for passed, _ in self.verdict.checks)
            word = screen.style("No", "red")
            screen.say(f"{word}: {failed} checks failed; everything is kept in {self._home.folder}")
