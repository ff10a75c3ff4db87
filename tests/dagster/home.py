"""A throwaway DAGSTER_HOME and the processes that work in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import yaml
from dagster._core.events import DagsterEventType
from dagster._core.storage.compute_log_manager import ComputeIOType

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS = Path(__file__).with_name("jobs.py")
REPOSITORY = Path(__file__).parent.parent.parent


class Process:
    """A process whose output goes to a file: orphans that hold a pipe open would keep us waiting.

    Args:
        command: What to run.
        environment: Its environment.
        folder: Where its output goes.
    """

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self._log = folder / f"process-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=environment,
                cwd=REPOSITORY,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def send(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float = 60.0) -> int:
        """Its exit code."""
        return self._process.wait(seconds)

    def interrupt(self) -> None:
        """End it as Ctrl-C does, or else kill it."""
        if self.running:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it if it is still there."""
        self._process.kill()
        self._process.wait(30)

    @property
    def running(self) -> bool:
        """Whether it is still there."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._log.read_text(errors="replace")


class Home:
    """A folder with a dagster.yaml.

    Args:
        folder: Where.
        config: The compute logs' configuration.
        more: The rest of dagster.yaml.
    """

    def __init__(self, folder: Path, config: dict[str, Any], **more: Any) -> None:
        self.folder = folder
        self._more = more
        folder.mkdir()
        self.configure(config)

    def configure(self, config: dict[str, Any]) -> None:
        """Write dagster.yaml."""
        component = {
            "module": "remote_store_fsspec.dagster",
            "class": "RemoteStoreComputeLogManager",
            "config": config,
        }
        rest = {"telemetry": {"enabled": False}, **self._more}
        text = yaml.safe_dump({"compute_logs": component, **rest})
        (self.folder / "dagster.yaml").write_text(text)

    def instance(self) -> dg.DagsterInstance:
        """The instance, in this process."""
        return dg.DagsterInstance.from_config(str(self.folder))

    def start(self, *arguments: str) -> Process:
        """A dagster process in this home."""
        return Process([sys.executable, "-m", *arguments], self.environment(), self.folder)

    def environment(self) -> dict[str, str]:
        """Environment variables of such a process."""
        return {**os.environ, "DAGSTER_HOME": str(self.folder), "PYTHONUNBUFFERED": "1"}

    def execute(self, job: str, config: dict[str, Any] | None = None) -> Process:
        """`dagster job execute`, under way."""
        arguments = ["dagster", "job", "execute", "-f", str(JOBS), "-j", job]
        if config is not None:
            path = self.folder / f"{job}.yaml"
            path.write_text(yaml.safe_dump(config))
            arguments += ["-c", str(path)]
        return self.start(*arguments)


def log_keys(instance: dg.DagsterInstance) -> dict[str, list[str]]:
    """The log key of each step of every run."""
    keys: dict[str, list[str]] = {}
    for run in instance.get_runs():
        for event in instance.all_logs(run.run_id, of_type=DagsterEventType.LOGS_CAPTURED):
            assert event.dagster_event is not None
            data: Any = event.dagster_event.event_specific_data
            for step in data.step_keys or ():
                keys[step] = [run.run_id, "compute_logs", data.file_key]
    return keys


def engine_messages(instance: dg.DagsterInstance) -> list[str]:
    """What the engine events of every run say."""
    return [
        event.dagster_event.message or ""
        for run in instance.get_runs()
        for event in instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)
        if event.dagster_event is not None
    ]


def texts(manager: Any, key: list[str]) -> tuple[str, str]:
    """Both streams of a log."""
    data = manager.get_log_data(key)
    return (data.stdout or b"").decode(), (data.stderr or b"").decode()


def wait_for(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true answer of ``what``."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.1)


STDOUT, STDERR = ComputeIOType.STDOUT, ComputeIOType.STDERR
