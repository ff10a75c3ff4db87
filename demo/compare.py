"""What the steps printed against what is stored, byte by byte, and the verdict on it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from demo.printed import STREAMS, printed_file
from demo.screen import human_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path


@dataclass
class Verdict:
    """Every check that was made."""

    checks: list[tuple[bool, str]] = field(default_factory=list)

    def check(self, passed: bool, text: str) -> bool:
        """Notes one check and returns whether it passed."""
        self.checks.append((passed, text))
        return passed

    @property
    def passed(self) -> bool:
        """Whether all of them did (and there was one)."""
        return bool(self.checks) and all(passed for passed, _ in self.checks)


@dataclass(frozen=True)
class Expected:
    """One stream as a step printed it, and where the documented layout puts it."""

    step: str
    stream: str
    key: str
    size: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """For ``result.json``."""
        return asdict(self)


def expected_streams(
    printed: Path, keys: Mapping[str, str], folder: str, steps: Iterable[str]
) -> list[Expected]:
    """What must be stored.

    Args:
        printed: The folder with what the steps printed.
        keys: Step to the file key that Dagster chose for it.
        folder: Where the run's logs are, below the destination.
        steps: The steps; one without a file key gets a key that cannot exist.
    """
    found = []
    for step in steps:
        for stream in STREAMS:
            data = read_printed(printed, step, stream)
            key = f"{folder}/{keys.get(step, f'no-log-of-{step}')}.{stream}"
            digest = hashlib.sha256(data).hexdigest()
            found.append(Expected(step, stream, key, len(data), digest))
    return found


def read_printed(printed: Path, step: str, stream: str) -> bytes:
    """The bytes that a step printed; none when it printed none."""
    path = printed_file(printed, step, stream)
    return path.read_bytes() if path.exists() else b""


def difference(printed: bytes, stored: bytes) -> str:
    """How `stored` departs from `printed`, in words; empty when it does not."""
    if printed == stored:
        return ""
    shorter = min(len(printed), len(stored))
    at = next((i for i in range(shorter) if printed[i] != stored[i]), shorter)
    if at == len(stored):
        return f"the last {len(printed) - at} of {len(printed)} bytes are missing"
    if at == len(printed):
        return f"{len(stored) - at} bytes follow that no step printed: {stored[at : at + 60]!r}"
    return (
        f"differs at byte {at}: printed {printed[at : at + 40]!r}, stored {stored[at : at + 40]!r}"
    )


def compare_independently(
    expected: Sequence[Expected],
    printed: Path,
    found: Path,
    keys: Callable[[], list[str]],
    fetch: Callable[[str, Path], None],
) -> list[str]:
    """What a client that is not ours finds wrong; copies every object into the folder `found`."""
    wrong = []
    there = keys()
    wanted = {stream.key: stream for stream in expected}
    wrong += [f"{key} is there and belongs to no step" for key in there if key not in wanted]
    for key, stream in wanted.items():
        if key not in there:
            wrong.append(f"{key} is not there: {human_size(stream.size)} of {stream.step} are lost")
            continue
        target = printed_file(found, stream.step, stream.stream)
        fetch(key, target)
        data = read_printed(printed, stream.step, stream.stream)
        problem = difference(data, target.read_bytes())
        if problem:
            wrong.append(f"{key} ({stream.step}): {problem}")
    return wrong
