"""What the soak captures: known bytes under known keys, and a ledger of what was written."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

STREAMS = ("out", "err")
_LINE = 100


@dataclass(frozen=True)
class Capture:
    """One capture; everything about it follows from its number.

    Attributes:
        number: Which one.
        store: ``s3`` or ``sftp``.
    """

    number: int
    store: str

    @property
    def key(self) -> list[str]:
        """Its log key, shaped like a step's."""
        return [f"run-{self.number // 10}", "compute_logs", f"c{self.number}"]

    def path(self, stream: str) -> str:
        """Where the stream has to be found in the end."""
        return f"dagster/storage/{'/'.join(self.key)}.{stream}"

    def content(self, stream: str) -> bytes:
        """What the stream says: 0 bytes to some megabytes."""
        chance = random.Random(f"{self.number}.{stream}")  # noqa: S311 - to be repeated
        size = 0 if chance.random() < 0.1 else int(2 ** chance.uniform(4, 22))
        text = hashlib.shake_256(f"{self.number}.{stream}".encode()).hexdigest(size // 2 + 1)[:size]
        lines = [text[at : at + _LINE - 1] + "\n" for at in range(0, size, _LINE)]
        return "".join(lines).encode()


@dataclass
class Written:
    """What a worker is known to have written of one capture.

    Attributes:
        ended: The capture came to its end; else its process was killed meanwhile.
        sizes: Bytes of each stream whose write had returned.
    """

    ended: bool
    sizes: dict[str, int]


def read_ledgers(folder: Path) -> dict[int, Written]:
    """What all workers wrote, by the number of the capture."""
    found: dict[int, Written] = {}
    for path in sorted(folder.glob("ledger-*")):
        for line in path.read_text().splitlines():
            try:
                number, event, value = json.loads(line)
            except ValueError:
                continue  # the last line of a worker that was killed
            if number is None:
                continue
            written = found.setdefault(number, Written(False, dict.fromkeys(STREAMS, 0)))
            if event == "ended":
                written.ended = True
            elif event in STREAMS:
                written.sizes[event] = value
    return found


def under_way(ledger: Path) -> int | None:
    """The capture that the worker of this ledger is in the middle of."""
    try:
        with ledger.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 200))
            number, event, _value = json.loads(file.read().splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return None  # not begun, or in the middle of a line
    return None if number is None or event == "ended" else int(number)


def note_restart(ledger: Path) -> None:
    """Note that what the ledger speaks of last has ended with its process."""
    with ledger.open("a") as file:
        file.write("\n" + json.dumps([None, "restarted", 0]) + "\n")
