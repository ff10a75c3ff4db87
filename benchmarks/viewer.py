"""A viewer of a live log, subscribed as Dagster's webserver subscribes one per open page."""

from __future__ import annotations

import time
from typing import Any

from benchmarks import payload


class Viewer:
    """Counts and checks what arrives, and notes when.

    Args:
        manager: The manager that serves it.
        key: The log it watches.
    """

    def __init__(self, manager: Any, key: list[str]) -> None:
        self._got = {"out": 0, "err": 0}
        self._intact = True
        self._arrivals: list[tuple[float, int]] = []
        self._subscription = manager.subscribe(key)
        self._subscription(self._observe)

    def leave(self) -> None:
        """Closes the page."""
        self._subscription.dispose()

    def report(self) -> dict[str, Any]:
        """What arrived so far; `arrivals` pairs a time with the bytes of stdout then seen."""
        return {
            **self._got,
            "intact": self._intact,
            "complete": bool(self._subscription.is_complete),
            "arrivals": self._arrivals,
        }

    def _observe(self, data: Any) -> None:
        now = time.monotonic()
        for stream, part in (("out", data.stdout), ("err", data.stderr)):
            if part:
                self._intact = self._intact and payload.matches(part, self._got[stream])
                self._got[stream] += len(part)
        self._arrivals.append((now, self._got["out"]))
