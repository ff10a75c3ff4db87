"""Live subscriptions: viewers of one log share its polls, and a log that ends ends them.

Dagster's GraphQL generator asks a subscription whether it is complete only after an update has
arrived, so completion is always followed by an update, an empty one if there is nothing to say.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dagster._core.storage.compute_log_manager import (
    MAX_BYTES_CHUNK_READ,
    CapturedLogData,
    CapturedLogSubscription,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from remote_store_fsspec.logs.layout import Stream
    from remote_store_fsspec.logs.view import LogView, Look, ViewPage

__all__ = ["LogSubscription", "SubscriptionHub"]

logger = logging.getLogger("remote_store_fsspec.dagster")

FAST_SECONDS: Final = 1.0
SLOW_SECONDS: Final = 5.0
_SLOWER: Final = 1.5
_SHARED_PAGES: Final = 4


class LogSubscription(CapturedLogSubscription):
    """One viewer of one log.

    Args:
        manager: Dagster's manager.
        hub: Who polls for it.
        log_key: The log.
        cursor: Where the viewer is.
    """

    def __init__(
        self, manager: Any, hub: SubscriptionHub, log_key: Sequence[str], cursor: str | None
    ) -> None:
        super().__init__(manager, log_key, cursor)
        self._hub = hub
        self._turn = threading.Lock()
        self._said: Mapping[Stream, str] = {}

    def __call__(self, observer: Callable[[CapturedLogData], None] | None) -> LogSubscription:
        """Start to observe: what is there now is delivered on this thread."""
        self._observer = observer
        self._hub.poll_now(self)
        return self

    @property
    def observed(self) -> bool:
        """Whether somebody listens."""
        return self._observer is not None and not self.is_complete

    def fetch(self) -> None:
        """Deliver what is new."""
        self._hub.poll_now(self)

    def advance(self, read: Callable[[str | None], ViewPage]) -> tuple[bool, bool]:
        """Deliver page after page until nothing is new.

        Args:
            read: Reads the page at a cursor.

        Returns:
            Whether anything was new, and whether a read failed.
        """
        moved = failed = False
        with self._turn:
            while self.observed:
                page = read(self._cursor)
                fresh = page.cursor != (self._cursor or "0:0")
                news = dict(page.data)
                if page.notes != self._said:
                    for stream, note in page.notes.items():
                        news[stream] = (news[stream] or b"") + note.encode()
                    self._said = page.notes
                if self._cursor is None or any(news.values()):
                    self._deliver(
                        CapturedLogData(self._log_key, news["out"], news["err"], page.cursor)
                    )
                self._cursor = page.cursor
                moved, failed = moved or fresh, page.failed
                if failed or not fresh:
                    break
        return moved, failed

    def end(self) -> None:
        """Complete, and let the observer notice."""
        if not self.is_complete:
            self.complete()
            self._deliver(CapturedLogData(self._log_key, None, None, self._cursor))

    def _deliver(self, data: CapturedLogData) -> None:
        observer = self._observer
        if observer is None:
            return
        try:
            observer(data)
        except Exception:
            logger.debug("a viewer of %s has left", self._log_key, exc_info=True)
            self._observer = None


@dataclass
class _Watch:
    log_key: Sequence[str]
    viewers: list[LogSubscription] = field(default_factory=list)
    pause: float = FAST_SECONDS
    due: float = 0.0


class SubscriptionHub:
    """Polls the logs that somebody looks at, on at most one daemon thread.

    A log is polled every second while bytes flow, and less and less often, down to every five
    seconds, while none do. The viewers of one log share its listing and their equal reads.

    Args:
        view: Reads the logs.
    """

    def __init__(self, view: LogView) -> None:
        self._view = view
        self._changed = threading.Condition()
        self._watches: dict[tuple[str, ...], _Watch] = {}
        self._thread: threading.Thread | None = None
        self._disposed = False

    def add(self, subscription: LogSubscription) -> None:
        """Poll for a viewer; never waits for the store, the event loop's thread calls this."""
        with self._changed:
            if self._disposed:
                subscription.complete()
                return
            key = tuple(subscription.log_key)
            watch = self._watches.setdefault(key, _Watch(subscription.log_key))
            watch.viewers.append(subscription)
            watch.pause = FAST_SECONDS
            watch.due = time.monotonic() + FAST_SECONDS
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="remote-store-fsspec-subscriptions", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def remove(self, subscription: LogSubscription) -> None:
        """Stop polling for a viewer."""
        with self._changed:
            key = tuple(subscription.log_key)
            watch = self._watches.get(key)
            if watch is not None and subscription in watch.viewers:
                watch.viewers.remove(subscription)
                if not watch.viewers:
                    del self._watches[key]
                self._changed.notify()
        subscription.complete()

    def dispose(self) -> None:
        """End every subscription and the thread."""
        with self._changed:
            self._disposed = True
            viewers = [viewer for watch in self._watches.values() for viewer in watch.viewers]
            self._watches.clear()
            thread = self._thread
            self._changed.notify()
        for viewer in viewers:
            viewer.end()
        if thread is not None and thread is not threading.current_thread():
            thread.join(FAST_SECONDS)

    def poll_now(self, subscription: LogSubscription) -> bool:
        """Deliver to one viewer, on the caller's thread; whether anything was new."""
        return self._poll(subscription.log_key, [subscription])

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._disposed or not self._watches:
                    self._thread = None
                    return
                watch = min(self._watches.values(), key=lambda watch: watch.due)
                wait = watch.due - time.monotonic()
                if wait > 0:
                    self._changed.wait(wait)
                    continue
                viewers = list(watch.viewers)
            try:
                moved = self._poll(watch.log_key, viewers)
            except Exception:
                logger.exception("polling %s failed", list(watch.log_key))
                moved = False
            self._rest(watch, moved=moved)

    def _rest(self, watch: _Watch, *, moved: bool) -> None:
        with self._changed:
            watch.pause = FAST_SECONDS if moved else min(SLOW_SECONDS, watch.pause * _SLOWER)
            watch.due = time.monotonic() + watch.pause
            watch.viewers = [viewer for viewer in watch.viewers if not viewer.is_complete]
            key = tuple(watch.log_key)
            if not watch.viewers and self._watches.get(key) is watch:
                del self._watches[key]

    def _poll(self, log_key: Sequence[str], viewers: Sequence[LogSubscription]) -> bool:
        viewers = [viewer for viewer in viewers if viewer.observed]
        if not viewers:
            return False
        look: Look | None = None
        with contextlib.suppress(Exception):  # the page says why
            look = self._view.look(log_key)
        shared: dict[str, ViewPage] = {}

        def read(cursor: str | None) -> ViewPage:
            at = cursor or "0:0"
            page = shared.get(at)
            if page is None:
                page = self._view.page(log_key, cursor, MAX_BYTES_CHUNK_READ, look)
                if len(viewers) > 1 and len(shared) < _SHARED_PAGES:
                    shared[at] = page
            return page

        moved = False
        for viewer in viewers:
            fresh, failed = viewer.advance(read)
            moved = moved or fresh
            if look is not None and look.complete and not failed:
                viewer.end()
        return moved
