"""The terminal: short lines, colours where somebody looks, and never silence.

On a terminal a status line at the bottom says what is going on. Without one (a pipe, CI) the same
words become a line every few seconds, so that nothing seems stuck.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_TICK_SECONDS: Final = 0.5
_BEAT_SECONDS: Final = 2.0
_UNITS: Final = ("B", "kB", "MB", "GB")
_THOUSAND: Final = 1000
_COLUMNS: Final = 92
_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x1f\x7f-\x9f]")


def human_size(size: int) -> str:
    """A byte count for people: ``814 B``, ``4.3 MB``."""
    amount = float(size)
    for unit in _UNITS:
        if amount < _THOUSAND or unit == _UNITS[-1]:
            break
        amount /= _THOUSAND
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"


def plain(text: str) -> str:
    """`text` without control characters and ANSI sequences: a quoted log commands no terminal."""
    return _CONTROL.sub("", text)


def fit(text: str, columns: int) -> str:
    """The beginning of `text` that fits, with an ellipsis when that is not all."""
    used = 0
    for index, character in enumerate(text):
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > columns:
            return text[:index] + "…"
    return text


class Screen:
    """Where the demo tells what it does.

    Args:
        output: Where to; standard output when not given.
    """

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output or sys.stdout
        self._live = self._output.isatty() and os.environ.get("TERM") != "dumb"
        self._colours = self._live and "NO_COLOR" not in os.environ
        self._lock = threading.RLock()
        self._started = self._spoken = time.monotonic()
        self._pending = False

    def style(self, text: str, name: str) -> str:
        """`text` in that style, or plain where nobody sees it."""
        return f"\x1b[{_STYLES[name]}m{text}\x1b[0m" if self._colours else text

    def say(self, text: str = "") -> None:
        """One line."""
        with self._lock:
            self._clear()
            print(text, file=self._output, flush=True)
            self._spoken = time.monotonic()

    def quote(self, line: str) -> str:
        """A line of a log: without what commands a terminal, and cut to a readable width."""
        return f"{self.style('│', 'cyan')} {fit(plain(line), _COLUMNS)}"

    def heading(self, text: str) -> None:
        """One line that starts a part of the story."""
        self.say()
        self.say(self.style(text, "bold"))

    def moment(self, text: str) -> None:
        """One line with the time since the demo started."""
        seconds = f"{time.monotonic() - self._started:6.1f} s"
        self.say(f"{self.style(seconds, 'dim')}  {text}")

    def good(self, text: str) -> None:
        """One line that says: as it should be."""
        self.say(f"  {self.style('✔', 'green')} {text}")

    def bad(self, text: str) -> None:
        """One line that says: not as it should be."""
        self.say(f"  {self.style('✘', 'red')} {text}")

    def status(self, text: str) -> None:
        """What is being waited for, to be called often; shown as described above."""
        with self._lock:
            silent = time.monotonic() - self._spoken
            if self._live:
                self._clear()
                seconds = f"{time.monotonic() - self._started:6.1f} s"
                print(self.style(f"{seconds}  … {text}", "dim"), end="", file=self._output)
                self._output.flush()
                self._pending = True
            elif silent >= _BEAT_SECONDS:
                self.moment(f"… {text}")

    @contextlib.contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Shows `text` as the status while the block runs."""
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(_TICK_SECONDS):
                self.status(text)

        ticker = threading.Thread(target=tick, name="demo-status", daemon=True)
        ticker.start()
        try:
            yield
        finally:
            ended.set()
            ticker.join()
            with self._lock:
                self._clear()

    def _clear(self) -> None:
        if self._pending:
            print("\r\x1b[2K", end="", file=self._output, flush=True)
            self._pending = False
