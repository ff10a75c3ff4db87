"""Uploading what earlier processes of this host left staged, in the background."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NamedTuple

from remote_store_fsspec.logs.capture import CaptureUpload
from remote_store_fsspec.logs.layout import parse_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remote_store_fsspec.logs.staging import StagedCapture, Staging
    from remote_store_fsspec.logs.writer import Destination

__all__ = ["Leftover", "Recovery", "only_when_told", "recover"]

logger = logging.getLogger("remote_store_fsspec.logs")

_PAUSES: Final = (5.0, 15.0, 60.0, 300.0)
_GIVE_UP_AFTER: Final = 3
"""Failures after which the store counts as away and the rest waits for the next round."""

_only_when_told: Final = ContextVar("only_when_told", default=False)


@contextmanager
def only_when_told() -> Iterator[None]:
    """What is made within the block recovers nothing by itself.

    For whoever counts leftovers: a thread that uploads them meanwhile would make the count wrong,
    and would change something although nothing was to be changed.
    """
    token = _only_when_told.set(True)
    try:
        yield
    finally:
        _only_when_told.reset(token)


def recover(destination: Destination, staged: StagedCapture) -> bool:
    """Upload a leftover as its capture would have done, and delete its segments.

    Args:
        destination: Where to.
        staged: A leftover, locked by the caller; removed, or kept and released.

    Returns:
        Whether the store has it now.
    """

    def complain(message: str, _failure: BaseException) -> None:
        # Its capture has said it where people look; a store that stays away is no news.
        logger.info(message)

    staged.keep(staged.reason)  # for a capture that was killed: whoever looks sees that it ended
    upload = CaptureUpload(destination, staged, complain=complain)
    if not upload.finish(retry_for=0.0, threads=False):
        return False
    _delete_segments(destination, staged)
    return True


def _delete_segments(destination: Destination, staged: StagedCapture) -> None:
    """The process that wrote the segments took their names along: list them."""
    folder, stem = destination.layout.place(staged.log_key)
    try:
        found = destination.files.find(folder, maxdepth=1, prefix=f"{stem}.")
        names = {path: parse_name(str(path).rpartition("/")[2]) for path in found}
        segments = [
            path
            for path, what in names.items()
            if what and what.stem == stem and what.offset is not None
        ]
        if segments:
            destination.files.rm_files(segments, missing_ok=True)
    except Exception as exc:
        logger.info("segments of %s stay behind: %s", list(staged.log_key), exc)


class Leftover(NamedTuple):
    """A capture that was left staged.

    Attributes:
        log_key: The log.
        folder: Where it is, or was.
        size: Its bytes.
        reason: Why it is still staged; ``None`` once the store has it.
    """

    log_key: tuple[str, ...]
    folder: str
    size: int
    reason: str | None


class Recovery:
    """Uploads leftovers on one daemon thread, as long as there are some.

    Args:
        destination: Where to.
        staging: Where leftovers lie.
    """

    def __init__(self, destination: Destination, staging: Staging) -> None:
        self._destination = destination
        self._staging = staging
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._only_when_told = _only_when_told.get()

    def start(self) -> None:
        """Begin if something is left over; costs one look at the staging folder otherwise."""
        if self._only_when_told:
            return
        with self._lock:
            if self._stop.is_set() or (self._thread is not None and self._thread.is_alive()):
                return
            if not self._staging.has_leftovers():
                return
            self._thread = threading.Thread(
                target=self._run, name="remote-store-fsspec-recovery", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Let the thread end after the upload under way."""
        self._stop.set()

    def settle(self) -> None:
        """Wait until the thread has ended: what it works on is not to be taken for a live capture."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._stop.clear()

    def each(self, *, dry_run: bool = False) -> Iterator[Leftover]:
        """Upload what is left over, one by one, now.

        Args:
            dry_run: Only say what there is.

        Yields:
            What was left over, and why it still is.
        """
        for staged in self._staging.leftovers():
            size, reason = staged.size, staged.reason
            if dry_run:
                staged.release()
                yield Leftover(staged.log_key, str(staged.folder), size, reason)
            elif recover(self._destination, staged):
                yield Leftover(staged.log_key, str(staged.folder), size, None)
            else:
                yield Leftover(staged.log_key, str(staged.folder), staged.size, staged.reason)
        if not dry_run:
            self._staging.sweep()

    def flush(self) -> tuple[int, int]:
        """Upload what is left over, now.

        Returns:
            How many captures the store has now, and how many are still staged.
        """
        stored = kept = 0
        for staged in self._staging.leftovers():
            if self._stop.is_set():
                staged.release()
                break
            if kept >= _GIVE_UP_AFTER or not recover(self._destination, staged):
                staged.release()
                kept += 1
            else:
                stored += 1
        self._staging.sweep()
        return stored, kept

    def _run(self) -> None:
        for attempt in range(1000):
            try:
                _, kept = self.flush()
            except Exception:
                logger.exception("uploading staged logs failed")
                return
            if not kept or self._stop.wait(_PAUSES[min(attempt, len(_PAUSES) - 1)]):
                return
