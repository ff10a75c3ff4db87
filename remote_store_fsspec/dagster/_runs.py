"""What Dagster's instance knows about the run behind a log key, and telling it what went wrong."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from dagster._core.errors import DagsterInvariantViolationError
from dagster._core.events import EngineEventData
from dagster._utils.error import SerializableErrorInfo  # type: ignore[attr-defined]  # moved in 1.10

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Runs"]

logger = logging.getLogger("remote_store_fsspec.dagster")

UPLOAD_GRACE_SECONDS: Final = 60.0
"""How long after the end of its run a final upload may still be under way."""

SKEW_SECONDS: Final = 900.0
"""A run that ended longer ago than this is over whatever the difference between the clocks. Of a
younger one the grace is measured here, from when this process first saw that it had ended."""

_ASK_AGAIN_SECONDS: Final = 5.0
_REMEMBER: Final = 1024


class Runs:
    """The runs behind log keys.

    Args:
        instance: The Dagster instance; may raise where there is none (yet).
    """

    def __init__(self, instance: Callable[[], Any]) -> None:
        self._get_instance = instance
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[float, str | None]] = {}
        self._seen_ended: dict[str, float] = {}

    def why_ended(self, log_key: tuple[str, ...]) -> str | None:
        """Why nobody can be writing this log any more; ``None`` while somebody may be."""
        run_id = _run_id(log_key)
        if run_id is None:
            return None
        with self._lock:
            asked, answer = self._answers.get(run_id, (0.0, None))
            if asked and (answer or time.monotonic() - asked < _ASK_AGAIN_SECONDS):
                return answer
        answer = self._ask(run_id)
        with self._lock:
            if len(self._answers) >= _REMEMBER:
                self._answers.clear()
            self._answers[run_id] = (time.monotonic(), answer)
        return answer

    def report(self, log_key: Sequence[str], text: str, failure: BaseException) -> bool:
        """Write an engine event into the run's event log.

        Returns:
            False when the log belongs to no run that this process knows.
        """
        run_id = _run_id(tuple(log_key))
        try:
            instance = self._instance()
            run = instance.get_run_by_id(run_id) if instance is not None and run_id else None
            if run is None:
                return False
            instance.report_engine_event(
                text,
                dagster_run=run,
                engine_event_data=EngineEventData(
                    error=SerializableErrorInfo(str(failure), [], type(failure).__name__)
                ),
            )
        except Exception:
            logger.debug("no engine event could be written", exc_info=True)
            return False
        return True

    def _ask(self, run_id: str) -> str | None:
        try:
            instance = self._instance()
            record = instance.get_run_record_by_id(run_id) if instance is not None else None
        except Exception:
            logger.debug("the run of a log could not be looked up", exc_info=True)
            return None
        if record is None or not record.dagster_run.is_finished:
            return None
        ended = record.end_time or record.update_timestamp.timestamp()
        with self._lock:
            if len(self._seen_ended) >= _REMEMBER:
                self._seen_ended.clear()
            watched = time.monotonic() - self._seen_ended.setdefault(run_id, time.monotonic())
        if time.time() - ended < SKEW_SECONDS and watched < UPLOAD_GRACE_SECONDS:
            return None
        status = record.dagster_run.status.value
        return (
            f"its run ended ({status}) but the process that captured it never finished uploading, "
            "it was killed or could not reach the store"
        )

    def _instance(self) -> Any:
        try:
            return self._get_instance()
        except DagsterInvariantViolationError:
            return None


def _run_id(log_key: tuple[str, ...]) -> str | None:
    """The run of a log key that `build_log_key_for_run` made."""
    return log_key[0] if len(log_key) == 3 and log_key[1] == "compute_logs" else None  # noqa: PLR2004
