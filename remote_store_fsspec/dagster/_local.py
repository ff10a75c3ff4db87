"""The ``local_manager`` that Dagster asks for paths: staged captures and files being served.

The webserver's unauthenticated ``/logs/<key>/<ext>`` route serves whatever path this manager names,
so it names staged captures of this process, files downloaded for that route, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from typing import TYPE_CHECKING, Final

from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

from remote_store_fsspec.errors import InvalidPathError
from remote_store_fsspec.logs.layout import STREAMS, Layout, check_log_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from remote_store_fsspec.logs import StagedCapture, Staging
    from remote_store_fsspec.logs.layout import Stream

__all__ = ["StagedLogs"]

SERVED_SECONDS: Final = 60.0
"""How long a file downloaded for the webserver's route stays. The response opens it at once; an
open file outlives its name."""

_EXPECTED_SECONDS: Final = 10.0


class StagedLogs(LocalComputeLogManager):
    """Paths of staged and served logs.

    Args:
        staging: Where captures are staged.
    """

    def __init__(self, staging: Staging) -> None:
        super().__init__(str(staging.root / "local"))
        self._layout = Layout("")
        self._downloads = staging.downloads
        self._lock = threading.RLock()
        self._captures: dict[tuple[str, ...], list[StagedCapture]] = {}
        self._served: dict[tuple[tuple[str, ...], Stream], str] = {}
        self._expiry: dict[str, float] = {}
        self._sweeper: threading.Timer | None = None
        self._expected = threading.local()

    def begin(self, staged: StagedCapture) -> None:
        """Name this capture's files from now on."""
        with self._lock:
            self._captures.setdefault(staged.log_key, []).append(staged)

    def end(self, staged: StagedCapture) -> None:
        """Stop naming them."""
        with self._lock:
            captures = self._captures.get(staged.log_key, [])
            if staged in captures:
                captures.remove(staged)
            if not captures:
                self._captures.pop(staged.log_key, None)

    def staged(self, log_key: Sequence[str]) -> StagedCapture | None:
        """The capture of that log in this process, if one is under way."""
        with self._lock:
            captures = self._captures.get(tuple(log_key))
            return captures[-1] if captures else None

    def get_captured_local_path(
        self,
        log_key: Sequence[str],
        extension: str,
        partial: bool = False,
    ) -> str:
        """Path of a staged or served file, of a file that does not exist, or ``""``.

        ``""`` for what can be no log file (another extension, an impossible key): the webserver
        answers 404 to it.
        """
        if extension not in {*STREAMS, "complete"}:
            return ""
        try:
            key = check_log_key(log_key)
        except InvalidPathError:
            return ""
        self._serve_expected(key, extension)
        with self._lock:
            for staged in reversed(self._captures.get(key, [])):
                if extension in staged.streams and not partial:
                    return staged.file(extension)
            for stream in STREAMS:
                if stream == extension and (key, stream) in self._served:
                    return self._served[key, stream]
        folder, stem = self._layout.place(key)
        suffix = ".partial" if partial else ""
        return os.path.join(self._base_dir, folder, f"{stem}.{extension}{suffix}")

    def delete_logs(
        self, log_key: Sequence[str] | None = None, prefix: Sequence[str] | None = None
    ) -> None:
        """Stop serving these logs; staged captures belong to their capture."""
        start = tuple(log_key or prefix or ())
        with self._lock:
            for key, stream in list(self._served):
                if key == start if log_key else key[: len(start)] == start:
                    del self._served[key, stream]  # the file goes when its minute is over

    def serve(self, log_key: Sequence[str], stream: Stream, fetch: Callable[[str], object]) -> None:
        """Fetch a file and name it as this log's for a minute.

        A fetch that fails leaves nothing that could be served later.

        Args:
            log_key: The log.
            stream: Its stream.
            fetch: Writes the file at the path that it is given.
        """
        self._downloads.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = str(self._downloads / f"{uuid.uuid4().hex}.{stream}")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            fetch(path)
        except BaseException:
            _unlink(path)
            raise
        key = tuple(log_key)
        with self._lock:
            # An earlier file stays for its minute: a response may be about to open it.
            self._served[key, stream] = path
            self._expiry[path] = time.monotonic() + SERVED_SECONDS
            self._schedule()

    def expect(
        self, log_key: Sequence[str], stream: Stream, fetch: Callable[[str], object]
    ) -> None:
        """Fetch the file if this thread asks for its path next.

        The webserver asks whether a stream is finished and then for its path, and downloads only a
        finished one in between. This serves what there is so far of one that is not.
        """
        until = time.monotonic() + _EXPECTED_SECONDS
        self._expected.request = (tuple(log_key), stream, fetch, until)

    def _serve_expected(self, key: tuple[str, ...], extension: str) -> None:
        request = getattr(self._expected, "request", None)
        self._expected.request = None
        if request is not None:
            wanted, stream, fetch, until = request
            if wanted == key and stream == extension and time.monotonic() < until:
                self.serve(key, stream, fetch)

    def dispose(self) -> None:
        """Remove the served files."""
        with self._lock:
            self._remove(list(self._expiry))
            if self._sweeper is not None:
                self._sweeper.cancel()
                self._sweeper = None
        super().dispose()

    def _remove(self, paths: list[str]) -> None:
        for path in paths:
            _unlink(path)
            del self._expiry[path]
        for at in [at for at, path in self._served.items() if path not in self._expiry]:
            del self._served[at]

    def _schedule(self) -> None:
        if self._sweeper is None and self._expiry:
            wait = min(self._expiry.values()) - time.monotonic()
            self._sweeper = threading.Timer(max(1.0, wait), self._sweep)
            self._sweeper.name = "remote-store-fsspec-downloads"
            self._sweeper.daemon = True
            self._sweeper.start()

    def _sweep(self) -> None:
        with self._lock:
            self._sweeper = None
            now = time.monotonic()
            self._remove([path for path, until in self._expiry.items() if until <= now])
            _remove_old(self._downloads)
            self._schedule()


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _remove_old(folder: Path) -> None:
    """Remove what a killed webserver left."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if time.time() - entry.stat().st_mtime > 60 * SERVED_SECONDS:
                _unlink(entry.path)
