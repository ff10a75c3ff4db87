"""Reads a run's logs back, in a fresh interpreter: ``python -m demo.readback RUN_ID``.

Knows nothing but ``DAGSTER_HOME``. Prints one JSON object a stream, as soon as it is read.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from dagster import DagsterEventType, DagsterInstance

from demo.job import STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence

_PAGE_BYTES: Final = 1024 * 1024  # what the UI asks for
_TAIL_LINES: Final = 3
_TAIL_BYTES: Final = 2000


@dataclass(frozen=True)
class ReadBack:
    """One stream of one step, as the manager hands it out.

    Attributes:
        step: The step's name.
        stream: ``out`` or ``err``.
        file_key: The last element of the log key.
        where: The display path.
        complete: Whether the manager says that the log will not change any more.
        size: Bytes read.
        sha256: Their digest.
        tail: The last lines.
        link: What the UI's download button uses.
    """

    step: str
    stream: str
    file_key: str
    where: str | None
    complete: bool
    size: int
    sha256: str
    tail: Sequence[str]
    link: str | None


class _Stream:
    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.size = 0
        self.end = b""

    def add(self, data: bytes) -> None:
        self.digest.update(data)
        self.size += len(data)
        self.end = (self.end + data)[-_TAIL_BYTES:]

    def tail(self) -> list[str]:
        lines = self.end.decode(errors="replace").replace("\r", "\n").split("\n")
        return [line for line in lines if line.strip()][-_TAIL_LINES:]


def read_step(instance: DagsterInstance, run_id: str, step: str, file_key: str) -> list[ReadBack]:
    """Both streams of a step, page by page as the UI reads them."""
    manager = instance.compute_log_manager
    log_key = manager.build_log_key_for_run(run_id, file_key)
    out, err, cursor = _Stream(), _Stream(), None
    while True:
        page = manager.get_log_data(log_key, cursor=cursor, max_bytes=_PAGE_BYTES)
        out.add(page.stdout or b"")
        err.add(page.stderr or b"")
        if not page.stdout and not page.stderr:
            break
        cursor = page.cursor
    found = manager.get_log_metadata(log_key)
    complete = manager.is_capture_complete(log_key)
    return [
        ReadBack(
            *(step, stream, file_key, where, complete, bytes_.size),
            *(bytes_.digest.hexdigest(), bytes_.tail(), link),
        )
        for stream, bytes_, where, link in (
            ("out", out, found.stdout_location, found.stdout_download_url),
            ("err", err, found.stderr_location, found.stderr_download_url),
        )
    ]


def main(run_id: str) -> None:
    """Prints what was found of a run."""
    with DagsterInstance.get() as instance:
        records = instance.get_records_for_run(run_id, of_type=DagsterEventType.LOGS_CAPTURED)
        keys = {}
        for record in records.records:
            event = record.event_log_entry.dagster_event
            if event is not None:
                captured = event.logs_captured_data
                keys.update(dict.fromkeys(captured.step_keys, captured.file_key))
        for step in STEPS:
            if step in keys:
                for found in read_step(instance, run_id, step, keys[step]):
                    print(json.dumps(asdict(found)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
