"""One process of the soak: captures one log after the other, and notes what it has written."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from remote_store_fsspec.dagster import RemoteStoreComputeLogManager
from tests.soak.captures import STREAMS, Capture, read_ledgers

DESCRIPTORS = {"out": 1, "err": 2}


def main(plan_file: str) -> None:
    """Work through a plan that `tests.soak.run` wrote."""
    plan: dict[str, Any] = json.loads(Path(plan_file).read_text())
    done = read_ledgers(Path(plan["folder"]))
    managers = {
        store: RemoteStoreComputeLogManager(**config) for store, config in plan["managers"].items()
    }
    with Path(plan["ledger"]).open("a") as ledger:
        for number, store, at in plan["captures"]:
            if number in done:
                continue  # an earlier process of this plan was killed during it, or ended it
            time.sleep(max(0.0, plan["begun"] + at - time.time()))
            _capture(managers[store], Capture(number, store), ledger)
    for manager in managers.values():
        manager.dispose()


def _capture(manager: RemoteStoreComputeLogManager, capture: Capture, ledger: Any) -> None:
    def note(event: str, value: int = 0) -> None:
        ledger.write(json.dumps([capture.number, event, value]) + "\n")
        ledger.flush()

    chance = random.Random(f"{capture.number} pace")  # noqa: S311 - to be repeated
    contents = {stream: capture.content(stream) for stream in STREAMS}
    steps = chance.randrange(1, 10)
    pause = chance.choice((0.0, 0.0, 0.05, 0.3))
    note("begun")
    with manager.capture_logs(capture.key):
        for step in range(1, steps + 1):
            for stream, content in contents.items():
                start, end = (len(content) * at // steps for at in (step - 1, step))
                while start < end:
                    start += os.write(DESCRIPTORS[stream], content[start:end])
                    note(stream, start)
            time.sleep(pause)
    note("ended")


if __name__ == "__main__":
    main(sys.argv[1])
