"""Showing what is captured where it would have gone, by a ``tail`` that always ends.

Dagster's own ends its ``tail`` by SIGTERM. A process that was started with SIGINT ignored, as a
shell without job control starts everything behind ``&``, ignores SIGTERM as well from Dagster's
first run on (``setup_interrupt_handlers`` copies the one's handler to the other), and every process
it starts inherits that. There each capture ended half a minute late with an exception, and
a killed one left a ``tail`` for ever. SIGKILL cannot be ignored, and a ``tail`` has nothing to tidy.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Orphans", "mirrored"]

logger = logging.getLogger("remote_store_fsspec.dagster")

WAIT_VARIABLE: Final = "DAGSTER_COMPUTE_LOG_TAIL_WAIT_AFTER_FINISH"
"""Dagster's: seconds that the end of a capture waits for the last lines to be shown."""

_WATCH: Final = """
import os, select, signal, sys
parent, tails, told, alive = int(sys.argv[1]), [], [0], True
while alive:
    alive = os.getppid() == parent
    while select.select(told, [], [], int(alive))[0]:
        words = os.read(0, 4096).split()
        tails += map(int, words)
        told = told if words else []
for tail in tails:
    try:
        os.kill(tail, signal.SIGKILL)
    except OSError:
        pass
"""


class Orphans(ExitStack):
    """Ends the tails of a process that was killed: one small process for all streams of a capture."""

    _inbox: int | None = None

    def watch(self, tail: int) -> None:
        """End a process when this one has ended.

        Raises:
            OSError: No process could be started for that.
        """
        if self._inbox is None:
            reads, self._inbox = os.pipe()
            self.callback(os.close, self._inbox)
            command = [sys.executable, "-I", "-S", "-c", _WATCH, str(os.getpid())]
            with open(reads, "rb", buffering=0) as told:
                _start(self, command, told, subprocess.DEVNULL, subprocess.DEVNULL)
        os.write(self._inbox, f"{tail} ".encode())


@contextmanager
def mirrored(path: str, descriptor: int, orphans: Orphans) -> Iterator[Callable[[], int | None]]:
    """Copy a growing file to a descriptor until the block ends, or this process does.

    Args:
        path: The file.
        descriptor: Where it is shown, as it is when the block begins.
        orphans: Ends the copying when this process is killed.

    Yields:
        Says how many bytes of the file were read to be shown; ``None`` when it is not shown.
    """
    tail = None
    with ExitStack() as processes:
        try:
            command = ["tail", "-F", "-c", "+0", path]
            tail = _start(processes, command, subprocess.DEVNULL, descriptor, None)
            orphans.watch(tail)
        except OSError as exc:
            logger.warning("what is captured is not shown in the process's own output: %s", exc)
        try:
            yield lambda: None if tail is None else _position(tail, path)
        finally:
            time.sleep(float(os.environ.get(WAIT_VARIABLE) or 0))


def _position(pid: int, path: str) -> int:
    """How far a process has read a file; 0 when that cannot be seen."""
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            if os.readlink(entry.path) == path:
                facts = Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text().split()
                return int(facts[facts.index("pos:") + 1])
    except (OSError, ValueError):
        pass  # it has ended, or the system has no /proc
    return 0


def _start(
    processes: ExitStack,
    command: list[str],
    stdin: int | BinaryIO,
    stdout: int,
    stderr: int | None,
) -> int:
    process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr)
    processes.callback(process.wait)
    processes.callback(process.kill)
    return process.pid
