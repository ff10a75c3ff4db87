"""Dagster's compute logs on any store (RFC-0014, DAG-021 to DAG-033).

Every hook is a few lines over `remote_store_fsspec.logs.LogStore`. What Dagster's base class does in
a way that loses logs, costs whole files or hides the reason of a failure is overridden here.

It is past 500 lines because every hook that Dagster calls stands in this one class, as Dagster's
own managers have it; what a hook does is in the modules below.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import dagster._check as check
from dagster._core.storage.cloud_storage_compute_log_manager import (
    TruncatingCloudStorageComputeLogManager,
)
from dagster._core.storage.compute_log_manager import (
    CapturedLogContext,
    CapturedLogData,
    CapturedLogSubscription,
    ComputeIOType,
)
from dagster._serdes import ConfigurableClass
from dagster._serdes import ConfigurableClassData as DagsterData

from remote_store_fsspec.dagster._config import COMPUTE_LOG_FIELDS, masked
from remote_store_fsspec.dagster._local import StagedLogs
from remote_store_fsspec.dagster._mirror import Orphans
from remote_store_fsspec.dagster._redirect import mirror_to_file, tell
from remote_store_fsspec.dagster._runs import Runs
from remote_store_fsspec.dagster._subscriptions import LogSubscription, SubscriptionHub
from remote_store_fsspec.errors import ConfigError, InvalidPathError, UnsupportedOperationError
from remote_store_fsspec.filesystem import RemoteStoreFileSystem
from remote_store_fsspec.location import resolve_location
from remote_store_fsspec.logs import CaptureUpload, LogStore, Recovery, Staging
from remote_store_fsspec.logs.cutshort import CutShort, finish_cut_short
from remote_store_fsspec.logs.layout import check_log_key
from remote_store_fsspec.logs.view import LogView

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO

    from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
    from typing_extensions import Self

    from remote_store_fsspec.logs.layout import Stream
    from remote_store_fsspec.logs.recovery import Leftover

__all__ = ["RemoteStoreComputeLogManager"]

logger = logging.getLogger("remote_store_fsspec.dagster")

_STREAM: Final[Mapping[ComputeIOType, Stream]] = {
    ComputeIOType.STDOUT: "out",
    ComputeIOType.STDERR: "err",
}
_DOWNLOAD_URLS: Final = ("webserver", "signed", "none")
_TICK_RETRY_SECONDS: Final = 5.0
_SIGNED_SECONDS: Final = 3600
_SAY_AGAIN_SECONDS: Final = 600.0
_SAID_MOST: Final = 1024


class RemoteStoreComputeLogManager(TruncatingCloudStorageComputeLogManager[Any], ConfigurableClass):
    """Stores what steps and ticks print, and reads it back, on any store.

    Configured in ``dagster.yaml``; the module's package shows how. No network access happens
    here: a webserver starts while its bucket is down.

    Args:
        backend_type: ``local``, ``memory``, ``s3``, ``azure`` or ``sftp``; or give ``url``.
        backend_options: That type's options, by remote-store's names.
        root_path: Root below the bucket, container, base path or URL path.
        local_dir: Where captures are staged, in a private folder of the user's.
        prefix: Folder of the logs below the root.
        skip_empty_files: Do not store streams of zero bytes.
        upload_interval: Seconds between partial uploads; ``None`` uploads at the end only.
        inst_data: Dagster's record of this configuration.
        url: Any fsspec URL, instead of a backend type.
        storage_options: Keywords of the library behind the URL.
        download_urls: What the UI's download button uses: ``webserver``, ``signed`` (falls back to
            ``webserver`` where the store cannot sign) or ``none``.
        show_url_only: Let the UI link to the object instead of showing it.
        write_options: Extra keywords for each object written.

    Raises:
        ConfigError: A field or option is wrong, or the store cannot hold logs.
        MissingExtraError: The store's library is not installed.
    """

    def __init__(
        self,
        backend_type: str | None = None,
        backend_options: Mapping[str, Any] | None = None,
        root_path: str = "",
        local_dir: str | None = None,
        prefix: str = "dagster",
        skip_empty_files: bool = False,
        upload_interval: int | None = None,
        inst_data: DagsterData | None = None,
        *,
        url: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        download_urls: str = "webserver",
        show_url_only: bool = False,
        write_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if download_urls not in _DOWNLOAD_URLS:
            msg = f"download_urls is one of {', '.join(_DOWNLOAD_URLS)}, not {download_urls!r}"
            raise ConfigError(msg, field="download_urls")
        if upload_interval is not None and upload_interval < 0:
            msg = f"upload_interval is a number of seconds or null, not {upload_interval!r}"
            raise ConfigError(msg, field="upload_interval")
        where: dict[str, Any] = {
            "backend_type": backend_type,
            "backend_options": backend_options or None,
            "url": url,
            "storage_options": storage_options or None,
            "root_path": root_path,
        }
        location = resolve_location(**where)
        location.require(purpose="compute logs")
        self._location = location
        self._files = RemoteStoreFileSystem(**where)
        self._store = LogStore(
            self._files, prefix, skip_empty=skip_empty_files, write_options=write_options
        )
        identity = [location.describe(), self._store.layout.root]
        self._staging = Staging(local_dir, json.dumps(identity, sort_keys=True, default=str))
        self._local_manager = StagedLogs(self._staging)
        self._recovery = Recovery(self._store.destination, self._staging)
        self._upload_interval = upload_interval
        self._download_urls = download_urls
        self._show_url_only = show_url_only
        self._inst_data = masked(inst_data)
        self._runs = Runs(lambda: self._instance)
        self._view = LogView(self._store, self._staging, self._runs.why_ended)
        self._hub = SubscriptionHub(self._view)
        self._uploads: dict[tuple[str, ...], CaptureUpload] = {}
        self._said = _Said()
        self._recovery.start()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self._files.display_url(self._store.layout.root)!r}, "
            f"upload_interval={self._upload_interval})"
        )

    # Configuration (DAG-021)

    @property
    def inst_data(self) -> DagsterData | None:
        """Dagster's record of the configuration; shows itself without secrets."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """The schema of ``config:`` in ``dagster.yaml``."""
        return dict(COMPUTE_LOG_FIELDS)

    @classmethod
    def from_config_value(
        cls, inst_data: DagsterData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """The manager for a validated configuration."""
        return cls(inst_data=inst_data, **config_value)

    # What the base class and the webserver ask for (DAG-023)

    @property
    def local_manager(self) -> LocalComputeLogManager:
        """Names staged captures and files being served."""
        return self._local_manager

    @property
    def upload_interval(self) -> int | None:
        """Seconds between partial uploads, or ``None``."""
        return self._upload_interval or None

    # Capturing

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Capture this process's stdout and stderr, and store them however the body ends.

        What the body raises is what propagates; a failing upload is reported, never raised.
        """
        key = check_log_key(log_key)
        try:
            staged = self._staging.open(key)
        except OSError as exc:
            with self._uncaptured(key, exc):
                yield self._context(log_key)
            return
        upload = CaptureUpload(
            self._store.destination,
            staged,
            interval=self.upload_interval,
            complain=lambda text, failure: self._complain(log_key, text, failure),
        )
        self._begin(upload)
        not_staged: list[int] = []
        try:
            upload.start()
            with (
                Orphans() as orphans,
                mirror_to_file(
                    sys.stdout,
                    staged.file("out"),
                    orphans,
                    not_staged.append,
                    upload.thinning().look,
                ),
                mirror_to_file(
                    sys.stderr,
                    staged.file("err"),
                    orphans,
                    not_staged.append,
                    upload.thinning().look,
                ),
            ):
                yield self._context(log_key)
        finally:
            try:
                if not_staged:
                    self._say_full(log_key, not_staged)
                upload.finish()
            finally:
                self._end(upload)
        self._recovery.start()

    @contextmanager
    def _uncaptured(self, log_key: tuple[str, ...], failure: OSError) -> Iterator[None]:
        """Let a step run whose output cannot be staged, and store the reason as its log."""
        text = (
            f"The output of this process was not captured: the staging folder "
            f"{str(self._staging.root)!r} cannot be written ({failure.strerror or failure}). "
            "Free space there or set local_dir; the output is where the process's own is."
        )
        self._complain(log_key, text, failure)
        try:
            yield
        finally:
            try:
                self._store.destination.write_reason(log_key, text)
            except Exception as exc:
                logger.warning("the reason why %s is empty is not stored: %s", list(log_key), exc)

    def _say_full(self, log_key: Sequence[str], not_staged: Sequence[int]) -> None:
        known = min(not_staged) >= 0
        text = (
            f"{sum(not_staged) if known else 'Some'} bytes of output were not captured: the disk "
            f"of the staging folder {str(self._staging.root)!r} was full. They were printed to "
            "the process's own output only. Free space there or set local_dir."
        )
        self._complain(log_key, text, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    @contextmanager
    def open_log_stream(
        self, log_key: Sequence[str], io_type: ComputeIOType
    ) -> Iterator[IO[Any] | None]:
        """A text file whose content becomes that stream of the log; the other is left alone."""
        stream = _STREAM[io_type]
        staged = self._staging.open(check_log_key(log_key), [stream])
        upload = CaptureUpload(
            self._store.destination,
            staged,
            complain=lambda text, failure: self._complain(log_key, text, failure),
        )
        self._begin(upload)
        try:
            with open(staged.file(stream), "a", encoding="utf-8") as file:
                yield file
        finally:
            try:
                upload.finish(retry_for=_TICK_RETRY_SECONDS, threads=False)
            finally:
                self._end(upload)

    def on_progress(self, log_key: Sequence[str]) -> None:
        """Upload what a capture of this process has written since the last time."""
        upload = self._uploads.get(tuple(log_key))
        if upload is not None:
            upload.tick(flush=True)

    def upload_to_cloud_storage(
        self,
        log_key: Sequence[str],
        io_type: ComputeIOType,
        partial: bool = False,
    ) -> None:
        """Upload one stream of a capture of this process (DAG-025)."""
        upload = self._uploads.get(tuple(log_key))
        writer = upload.writers.get(_STREAM[io_type]) if upload else None
        if writer is None:
            msg = f"log {list(log_key)} is not being captured in this process"
            raise InvalidPathError(msg)
        if partial:
            writer.tick(flush=True)
        else:
            writer.finish()

    def _upload_file_obj(
        self,
        data: IO[bytes],
        log_key: Sequence[str],
        io_type: ComputeIOType,
        partial: bool = False,
    ) -> None:
        """Store an open file as a stream, whole (DAG-025)."""
        stream = _STREAM[io_type]
        layout = self._store.layout
        path = layout.segment(log_key, stream, 0) if partial else layout.final(log_key, stream)
        with tempfile.NamedTemporaryFile(dir=self._staging.root) as copy:
            shutil.copyfileobj(data, copy)
            copy.flush()
            if copy.tell() or not (partial or self._store.destination.skip_empty):
                self._store.destination.put(copy.name, path)
                self._store.reader.forget(log_key)

    def _begin(self, upload: CaptureUpload) -> None:
        self._store.reader.forget(upload.staged.log_key)
        self._uploads[upload.staged.log_key] = upload
        self._local_manager.begin(upload.staged)

    def _end(self, upload: CaptureUpload) -> None:
        self._local_manager.end(upload.staged)
        if self._uploads.get(upload.staged.log_key) is upload:
            del self._uploads[upload.staged.log_key]
        self._store.reader.forget(upload.staged.log_key)

    def _context(self, log_key: Sequence[str]) -> CapturedLogContext:
        if not self._show_url_only:
            return CapturedLogContext(log_key)
        return CapturedLogContext(
            log_key,
            external_stdout_url=self._link(log_key, "out")
            or self._store.display_url(log_key, "out"),
            external_stderr_url=self._link(log_key, "err")
            or self._store.display_url(log_key, "err"),
        )

    def _complain(self, log_key: Sequence[str], text: str, failure: BaseException) -> None:
        """Say in the run's event log, or else in the process's log, what could not be stored.

        Python writes warnings that no handler takes to stderr, which may be captured right now:
        this one would become part of the log that it speaks of.
        """
        if self._runs.report(log_key, text, failure):
            return
        if logger.hasHandlers():
            logger.warning("%s", text)
        else:
            tell(text)

    # Reading

    def is_capture_complete(self, log_key: Sequence[str]) -> bool:
        """Whether the log will not change any more; a store that cannot be asked means no."""
        if tuple(log_key) in self._uploads:
            return False
        try:
            return self._view.look(log_key).complete
        except Exception as exc:
            logger.debug("completion of %s is not known: %s", list(log_key), exc)
            return False

    def get_log_data(
        self,
        log_key: Sequence[str],
        cursor: str | None = None,
        max_bytes: int | None = None,
    ) -> CapturedLogData:
        """The next bytes of both streams.

        What prevents reading, or why a log ends early, is said in the bytes' place or after
        them: once, and without moving the cursor, so that a later call reads on from there.
        """
        page = self._view.page(log_key, cursor, max_bytes)
        data = dict(page.data)
        if page.notes and self._said.first(log_key, cursor, page.notes):
            for stream, note in page.notes.items():
                data[stream] = (data[stream] or b"") + note.encode()
        return CapturedLogData(log_key, data["out"], data["err"], page.cursor)

    def get_log_data_for_type(
        self,
        log_key: Sequence[str],
        io_type: ComputeIOType,
        offset: int,
        max_bytes: int | None,
    ) -> tuple[bytes | None, int]:
        """The next bytes of one stream and where they end.

        Raises:
            StoreError: The store could not be read.
        """
        return self._view.read(log_key, _STREAM[io_type], offset or 0, max_bytes)

    # The webserver's /logs route (DAG-026, DAG-027)

    def cloud_storage_has_logs(
        self,
        log_key: Sequence[str],
        io_type: ComputeIOType,
        partial: bool = False,
    ) -> bool:
        """Whether the store holds that stream: finished, or with ``partial`` in segments."""
        try:
            check_log_key(log_key)
        except InvalidPathError:
            return False
        stream = _STREAM[io_type]
        snapshot = self._store.snapshot(log_key)
        state = snapshot.streams[stream]
        if partial:
            return bool(state.segments)
        if state.final is not None:
            return True
        if state.segments or snapshot.marked or self._staging.find(log_key) is not None:
            self._local_manager.expect(
                log_key, stream, lambda target: self._view.copy_so_far(log_key, stream, target)
            )
        return False

    def has_local_file(self, log_key: Sequence[str], io_type: ComputeIOType) -> bool:
        """Whether this process is capturing that stream; downloads are always made afresh."""
        staged = self._local_manager.staged(log_key)
        return staged is not None and _STREAM[io_type] in staged.streams

    def download_from_cloud_storage(
        self,
        log_key: Sequence[str],
        io_type: ComputeIOType,
        partial: bool = False,
    ) -> None:
        """Fetch a stream into a file that is served for a minute."""
        stream = _STREAM[io_type]
        path = self._store.layout.final(log_key, stream)
        self._local_manager.serve(
            log_key, stream, lambda target: self._files.get_file(path, target)
        )

    # Where logs are (DAG-028)

    def display_path_for_type(self, log_key: Sequence[str], io_type: ComputeIOType) -> str:
        """Where the finished stream is or will be."""
        return self._store.display_url(log_key, _STREAM[io_type])

    def download_url_for_type(self, log_key: Sequence[str], io_type: ComputeIOType) -> str | None:
        """The link of the UI's download button, as soon as there is something to download."""
        if self._download_urls == "none":
            return None
        try:
            if not self._store.snapshot(log_key).exists:
                return None
        except Exception as exc:
            logger.debug("cannot look for %s: %s", list(log_key), exc)
        return self._link(log_key, _STREAM[io_type])

    def _link(self, log_key: Sequence[str], stream: Stream) -> str | None:
        if self._download_urls == "none":
            return None
        if self._download_urls == "signed":
            try:
                return self._files.sign(
                    self._store.layout.final(log_key, stream), expiration=_SIGNED_SECONDS
                )
            except (UnsupportedOperationError, NotImplementedError):
                pass
        return "/".join(["/logs", *(quote(part, safe="") for part in log_key), stream])

    # Deleting and listing (DAG-029, DAG-031)

    def delete_logs(
        self, log_key: Sequence[str] | None = None, prefix: Sequence[str] | None = None
    ) -> None:
        """Delete one log, or every log below a prefix: stored, staged and partial."""
        if not log_key and not prefix:
            check.failed("Must pass in either `log_key` or `prefix` argument to delete_logs")
        if log_key and prefix:
            check.failed("Pass either `log_key` or `prefix` to delete_logs, not both")
        if log_key:
            key = check_log_key(log_key)
            self._staging.discard(lambda staged: staged == key)
            self._store.delete(key)
        elif prefix:
            start = check_log_key(prefix)
            self._staging.discard(lambda staged: staged[: len(start)] == start)
            self._store.delete_below(start)
        self._local_manager.delete_logs(log_key=log_key, prefix=prefix)

    def get_log_keys_for_log_key_prefix(
        self, log_key_prefix: Sequence[str], io_type: ComputeIOType
    ) -> Sequence[list[str]]:
        """The keys of the finished logs directly below a prefix, sorted."""
        return self._store.keys(log_key_prefix, _STREAM[io_type])

    # Leftovers (`remote-store-fsspec logs flush`)

    @property
    def staging_folder(self) -> str:
        """Where captures of this configuration wait on this host."""
        return str(self._staging.folder)

    @property
    def staging_bytes(self) -> int:
        """Bytes of disk that everything staged there takes, captures under way too."""
        return self._staging.disk_bytes

    def flush(self, *, dry_run: bool = False) -> Iterator[Leftover]:
        """Upload what is left staged on this host, one capture after the other.

        Args:
            dry_run: Only say what there is.

        Yields:
            Each leftover, and why it is still staged if it is.
        """
        self._recovery.settle()
        yield from self._recovery.each(dry_run=dry_run)

    def finish_cut_short(self, *, dry_run: bool = False) -> Iterator[CutShort]:
        """Turn the segments of runs that are over into final objects with a closing line.

        Only of runs that Dagster says ended longer ago than a final upload takes, and never of a
        log that waits on this host in full. Lists the whole log store once.

        Args:
            dry_run: Only say which.

        Yields:
            Each such log, and why it could not be finished if it could not.
        """
        return finish_cut_short(
            self._store,
            self._runs.why_ended,
            is_staged=lambda key: self._staging.find(key) is not None,
            dry_run=dry_run,
        )

    # Subscriptions (DAG-030)

    def subscribe(
        self, log_key: Sequence[str], cursor: str | None = None
    ) -> CapturedLogSubscription:
        """A live subscription; the store is asked when it is called, not here."""
        subscription = LogSubscription(self, self._hub, log_key, cursor)
        self.on_subscribe(subscription)
        return subscription

    def on_subscribe(self, subscription: CapturedLogSubscription) -> None:
        """Poll for a viewer."""
        if isinstance(subscription, LogSubscription):
            self._hub.add(subscription)

    def on_unsubscribe(self, subscription: CapturedLogSubscription) -> None:
        """Stop polling for a viewer."""
        if isinstance(subscription, LogSubscription):
            self._hub.remove(subscription)

    # End of life (DAG-032)

    def dispose(self) -> None:
        """End the subscriptions and remove served files; shared connections stay for others."""
        self._hub.dispose()
        self._recovery.stop()
        self._local_manager.dispose()


class _Said:
    """Which sentences a viewer at some cursor has been given already."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: OrderedDict[tuple[object, ...], float] = OrderedDict()

    def first(
        self, log_key: Sequence[str], cursor: str | None, notes: Mapping[Stream, str]
    ) -> bool:
        """Whether to say it: always to a viewer who begins, else once in a while."""
        if not cursor:
            return True
        what = (tuple(log_key), cursor, *notes.values())
        now = time.monotonic()
        with self._lock:
            said = self._times.pop(what, None)
            self._times[what] = now if said is None or now - said > _SAY_AGAIN_SECONDS else said
            while len(self._times) > _SAID_MOST:
                self._times.popitem(last=False)
            return self._times[what] == now
