"""A panel open in the UI gets the lines, learns of the end, and leaves nothing running."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

from ..core import CaseFailed, Contract, case, equal, true
from .subject import ManagerSubject, emit

__all__ = ["Live"]

PATIENCE = 20.0


class _Observer:
    """Collects what a subscription delivers."""

    def __init__(self) -> None:
        self.out = b""
        self.err = b""

    def __call__(self, data: Any) -> None:
        self.out += data.stdout or b""
        self.err += data.stderr or b""


class Live(Contract):
    """Subscriptions, as the GraphQL server uses them."""

    group = "live"
    point = "Live subscriptions"
    subject: ManagerSubject

    @case(seconds=90)
    def a_subscription_gets_every_line_and_ends(self) -> None:
        """Subscribed during the step: all lines once, in order, and `is_complete` after it (g1)."""
        writer, reader = self.subject.manager(upload_interval=1), self.subject.manager()
        key, seen = self.subject.key, _Observer()
        subscription = reader.subscribe(key, None)
        with writer.capture_logs(key):
            subscription(seen)
            for number in range(3):
                emit(1, f"line {number}\n".encode())
                time.sleep(0.7)
        wanted = b"line 0\nline 1\nline 2\n"
        self.subject.eventually(
            f"the lines seen were {seen.out!r}", lambda: seen.out == wanted, seconds=PATIENCE
        )
        self.subject.eventually(
            "the subscription did not end after the step",
            lambda: subscription.is_complete,
            seconds=PATIENCE,
        )
        subscription.dispose()

    @case()
    def a_subscription_to_a_finished_log_ends_at_once(self) -> None:
        """A finished log is delivered whole and the subscription is complete."""
        self.subject.write(self.subject.manager(), self.subject.key, b"out\n", b"err\n")
        reader, seen = self.subject.manager(), _Observer()
        subscription = reader.subscribe(self.subject.key, None)(seen)
        equal("what was delivered", (seen.out, seen.err), (b"out\n", b"err\n"))
        equal("is_complete", subscription.is_complete, True)
        subscription.dispose()

    @case()
    def closing_a_panel_leaves_no_thread(self) -> None:
        """After three finished logs were opened and closed no polling thread is left (g2)."""
        writer = self.subject.manager()
        keys = [[*self.subject.key[:-1], f"step{n}"] for n in range(3)]
        for key in keys:
            self.subject.write(writer, key, b"out\n", b"")
        before = _alive()
        reader = self.subject.manager()
        for key in keys:
            reader.subscribe(key, None)(_Observer()).dispose()
        self._ends(before, "closing every panel")

    @case(seconds=90)
    def disposing_leaves_no_thread(self) -> None:
        """`dispose()` with a panel still open ends the polling (i2)."""
        before = _alive()
        reader = self.subject.manager()
        reader.subscribe(self.subject.key, None)(_Observer())
        time.sleep(0.2)
        reader.dispose()
        self._ends(before, "dispose()")

    @case(seconds=90)
    def panels_opened_and_closed_do_not_stop_the_others(self) -> None:
        """While one panel follows a step, others come and go; the first still gets its lines (g3)."""
        writer, reader = self.subject.manager(upload_interval=1), self.subject.manager()
        done = [*self.subject.key[:-1], "done"]
        self.subject.write(writer, done, b"finished\n", b"")
        key, seen = self.subject.key, _Observer()
        with writer.capture_logs(key):
            follower = reader.subscribe(key, None)(seen)
            emit(1, b"first\n")
            until = time.monotonic() + 7
            number = 0
            while time.monotonic() < until:
                number += 1
                reader.subscribe([*done[:-1], f"other{number}"], None)(_Observer()).dispose()
                reader.subscribe(done, None)(_Observer()).dispose()
                time.sleep(0.05)
            emit(1, b"second\n")
        self.subject.eventually(
            f"the lines seen were {seen.out!r}",
            lambda: seen.out == b"first\nsecond\n",
            seconds=PATIENCE,
        )
        follower.dispose()

    @case(seconds=120)
    def one_failing_look_does_not_end_the_tail(self) -> None:
        """After a poll that the store refused, later lines still arrive (g4)."""
        faults = self.subject.faulty("503")
        writer = self.subject.manager(upload_interval=1)
        reader = self.subject.manager(spec=faults.spec)
        key, seen = self.subject.key, _Observer()
        with writer.capture_logs(key):
            emit(1, b"first\n")
            subscription = reader.subscribe(key, None)(seen)
            with faults.fault("503"):
                time.sleep(8)
            emit(1, b"second\n")
            with contextlib.suppress(CaseFailed):
                self.subject.eventually(
                    "", lambda: seen.out.endswith(b"second\n"), seconds=PATIENCE
                )
            got = seen.out
        subscription.dispose()
        # In between a manager may tell the reader why nothing came.
        true(
            f"after the store recovered the lines seen were {got!r}",
            got.count(b"first\n") == 1 and got.endswith(b"second\n"),
        )

    @case(seconds=60)
    def long_logs_are_delivered_whole(self) -> None:
        """A finished log of 3 MB, more than one chunk, arrives complete."""
        data = b"0123456789abcdef" * 200_000
        self.subject.write(self.subject.manager(), self.subject.key, data, b"")
        seen = _Observer()
        self.subject.manager().subscribe(self.subject.key, None)(seen).dispose()
        true(f"{len(seen.out)} of {len(data)} bytes arrived", seen.out == data)

    def _ends(self, before: set[threading.Thread], after: str) -> None:
        def left() -> list[str]:
            return [thread.name for thread in _alive() - before if "poll" in thread.name.lower()]

        self.subject.eventually(
            f"after {after} threads are left: {left()}", lambda: not left(), seconds=7
        )


def _alive() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.is_alive()}
