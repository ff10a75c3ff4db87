"""One capture's way to the store: ticks while it runs, the final upload, and what is kept if not."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from remote_store_fsspec.logs.cut import Truncation
from remote_store_fsspec.logs.keeping import bound_kept, kept_bytes
from remote_store_fsspec.logs.thinning import Thinning, limit_of
from remote_store_fsspec.logs.writer import Destination, StreamWriter, SupersededError, retrying

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from remote_store_fsspec.logs.layout import Stream
    from remote_store_fsspec.logs.staging import StagedCapture

__all__ = ["LIMIT_VARIABLE", "CaptureUpload", "size_limit"]

logger = logging.getLogger("remote_store_fsspec.logs")

LIMIT_VARIABLE: Final = "DAGSTER_TRUNCATE_COMPUTE_LOGS_UPLOAD_BYTES"
_DEFAULT_LIMIT: Final = 50 * 1024 * 1024

RETRY_SECONDS: Final = 20.0
"""How long a final upload is tried again. Kubernetes kills 30 s after it asked to terminate."""

ANSWER_SECONDS: Final = 5.0
"""How long the last try may go on after that."""

_SLOWEST_BYTES_PER_SECOND: Final = 256 * 1024


def size_limit() -> Truncation:
    """Dagster's limit for a stored stream, read when it is needed: 50 MB unless set, 0 for none."""
    text = os.environ.get(LIMIT_VARIABLE, "").strip()
    try:
        limit = int(text) if text else _DEFAULT_LIMIT
    except ValueError:
        logger.warning("%s=%r is not a number; using %d", LIMIT_VARIABLE, text, _DEFAULT_LIMIT)
        limit = _DEFAULT_LIMIT
    return Truncation(max(0, limit))


class CaptureUpload:
    """Uploads one staged capture.

    Args:
        destination: Where to.
        staged: The staged capture; removed once the store has it.
        interval: Seconds between partial uploads; ``None`` for none.
        complain: Told once per cause when an upload fails, as one sentence.
    """

    def __init__(
        self,
        destination: Destination,
        staged: StagedCapture,
        *,
        interval: float | None = None,
        complain: Callable[[str, BaseException], None],
    ) -> None:
        self.staged = staged
        self._destination = destination
        self._interval = interval
        self._complain = complain
        self._complained: set[type[BaseException]] = set()
        truncation = self._truncation = limit_of(staged.folder, size_limit())
        self._writers: dict[Stream, StreamWriter] = {
            stream: StreamWriter(
                destination, staged.log_key, stream, staged.file(stream), truncation
            )
            for stream in staged.streams
        }
        self._final: dict[Stream, bool] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None

    @property
    def writers(self) -> Mapping[Stream, StreamWriter]:
        """The writer of each stream."""
        return self._writers

    def thinning(self) -> Thinning:
        """What bounds the disk that one stream takes while it is captured."""
        return Thinning(self.staged, self._truncation)

    def start(self) -> None:
        """Begin the partial uploads, on one daemon thread."""
        if self._interval:
            self._ticker = threading.Thread(
                target=self._run, name="remote-store-fsspec-upload", daemon=True
            )
            self._ticker.start()

    def tick(self, *, flush: bool = False) -> None:
        """Upload what was added since the last tick, streams in parallel; never raises."""
        with self._lock:
            grown = [writer for writer in self._writers.values() if writer.grown()]
            self._together([partial(writer.tick, flush=flush) for writer in grown])

    def finish(self, *, retry_for: float | None = None, threads: bool = True) -> bool:
        """The final upload; afterwards nothing of the capture is staged, or it is kept for later.

        Args:
            retry_for: Seconds within which failed requests are tried again; `RETRY_SECONDS` unless
                given.
            threads: Whether the streams may be sent in parallel.

        Returns:
            Whether the store has the whole log.
        """
        retry_for = RETRY_SECONDS if retry_for is None else retry_for
        transfer = self.staged.size / _SLOWEST_BYTES_PER_SECOND
        bound = time.monotonic() + retry_for + ANSWER_SECONDS + transfer
        self._stop.set()
        if self._ticker is not None:
            self._ticker.join(max(0.0, bound - time.monotonic()))
        if not threads:
            return self._finish(retry_for)
        # Not on this thread: a second interrupt must not cut the upload off, and a store that
        # never answers must not keep the run.
        outcome: list[bool] = []
        worker = threading.Thread(
            target=lambda: outcome.append(self._finish(retry_for)),
            name="remote-store-fsspec-final",
            daemon=True,
        )
        worker.start()
        interrupted: BaseException | None = None
        while worker.is_alive() and (left := bound - time.monotonic()) > 0:
            try:
                worker.join(left)
            except BaseException as exc:
                interrupted = exc
        if worker.is_alive():
            reason = "the store has not answered"
            self.staged.keep(reason)
            total = kept_bytes(self.staged.folder.parent)
            self._complain(self._kept(reason, total), TimeoutError(reason))
        if interrupted is not None:
            raise interrupted
        return bool(outcome and outcome[0])

    def _finish(self, retry_for: float) -> bool:
        earlier = self.staged.claim_earlier(within=retry_for)
        try:
            failures = self._together(
                [
                    partial(self._finish_stream, stream, writer, retry_for)
                    for stream, writer in self._writers.items()
                ],
                quiet=True,
            )
            if failures:
                raise next(
                    (one for one in failures if isinstance(one, SupersededError)), failures[0]
                )
            if len(self._writers) == 1 or not all(self._final.values()):
                self._seal(retry_for)
        except SupersededError:
            logger.info("%s was captured again; the later text is kept", list(self.staged.log_key))
        except Exception as exc:
            total = bound_kept(self.staged, self._truncation)
            said = self._kept(str(exc), total)
            self.staged.keep(str(exc))
            for one in (*earlier, self.staged):
                one.release()
            self._complain(said, exc)
            return False
        else:
            self._clear()
        for one in (*earlier, self.staged):
            one.remove()
        return True

    def _finish_stream(self, stream: Stream, writer: StreamWriter, retry_for: float) -> None:
        def attempt() -> bool:
            if self.staged.superseded:
                raise SupersededError
            return writer.finish()

        self._final[stream] = retrying(attempt, within=retry_for)

    def _seal(self, retry_for: float) -> None:
        missing: list[Stream] = [s for s in ("out", "err") if not self._final.get(s)]
        retrying(lambda: self._destination.seal(self.staged.log_key, missing), within=retry_for)

    def _clear(self) -> None:
        """Delete the segments; a final object makes them invisible, so failing is no loss."""
        segments = [path for writer in self._writers.values() for path in writer.segments]
        if segments:
            try:
                self._destination.files.rm_files(segments, missing_ok=True)
            except Exception as exc:
                logger.info("segments of %s stay behind: %s", list(self.staged.log_key), exc)

    def _run(self) -> None:
        interval = self._interval or 0.0
        while not self._stop.wait(interval):
            with contextlib.suppress(Exception):
                self.tick()

    def _together(
        self, calls: list[Callable[[], object]], *, quiet: bool = False
    ) -> list[Exception]:
        """Run the calls, all but the first on threads of their own."""
        failures: list[Exception] = []

        def run(call: Callable[[], object]) -> None:
            try:
                call()
            except Exception as exc:
                failures.append(exc)

        others = [
            threading.Thread(
                target=run, args=(call,), name="remote-store-fsspec-stream", daemon=True
            )
            for call in calls[1:]
        ]
        for other in others:
            other.start()
        for call in calls[:1]:
            run(call)
        for other in others:
            other.join()
        if not quiet:
            self._report(failures)
        return failures

    def _report(self, failures: list[Exception]) -> None:
        for failure in failures:
            if type(failure) not in self._complained:
                self._complained.add(type(failure))
                self._complain(
                    f"A partial upload of the log failed and is tried again: {failure}", failure
                )

    def _kept(self, reason: str, total: int) -> str:
        return (
            f"The log could not be stored: {reason}. Its files ({self.staged.size} bytes) are kept "
            f"in {self.staged.folder} and are uploaded by the next process on this host that uses "
            "the same configuration, or by `remote-store-fsspec logs flush`. All that is kept "
            f"there for this store takes {total} bytes."
        )
