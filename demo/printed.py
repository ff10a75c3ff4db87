"""What a step prints, kept twice: on its real stdout or stderr, and in a file to compare with.

Standard library only: the child processes of steps use it too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

STREAMS: Final = ("out", "err")
FOLDER_VARIABLE: Final = "DEMO_PRINTED"
RUN_LOG_VARIABLE: Final = "DEMO_RUN_LOG"


def printed_file(folder: Path, step: str, stream: str) -> Path:
    """Where the bytes are that `step` printed to ``out`` or ``err``; no file when none."""
    return folder / f"{step}.{stream}"


class Printed:
    """The two streams of one step.

    Args:
        step: The step's name.
        again: A step that starts over forgets what an earlier run of it printed; a child process
            of the step, or a logger inside it, adds to that.
    """

    def __init__(self, step: str, *, again: bool = False) -> None:
        # Without the folder (a run launched by hand) there is nothing to compare with later.
        folder = os.environ.get(FOLDER_VARIABLE)
        self._folder = Path(folder) if folder else None
        self._step = step
        if self._folder and again:
            for stream in STREAMS:
                printed_file(self._folder, step, stream).unlink(missing_ok=True)

    def out(self, text: str, end: str = "\n") -> None:
        """Prints to stdout."""
        self._print("out", text + end)

    def err(self, text: str, end: str = "\n") -> None:
        """Prints to stderr."""
        self._print("err", text + end)

    def _print(self, stream: str, text: str) -> None:
        print(text, end="", file=sys.stdout if stream == "out" else sys.stderr, flush=True)
        if self._folder:
            with printed_file(self._folder, self._step, stream).open("ab") as copy:
                copy.write(text.encode())
