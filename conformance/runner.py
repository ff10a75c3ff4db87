"""Runs cases against a subject, each in a thread with a limit, and always cleans up."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Protocol

from .core import Case, CaseFailed, Contract, NotApplicable, Outcome, show
from .spec import mask

__all__ = ["Run", "Subject", "abandoned", "run"]


class Subject(Protocol):
    """What the runner needs to know of a thing under test."""

    @property
    def label(self) -> str:
        """What is tested, without secrets."""

    def secrets(self) -> list[str]:
        """Values that no report may show."""

    def enter(self) -> object:
        """The subject for one case."""

    def remove_scratch(self) -> str:
        """Delete everything the run wrote; a sentence when something stayed."""


class Run:
    """The outcomes of one run.

    Attributes:
        label: What was tested.
        outcomes: One per case, in order.
        left_behind: Why the scratch folder could not be removed, or ``""``.
        interrupted: Whether it was stopped before the last case.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.outcomes: list[Outcome] = []
        self.left_behind = ""
        self.interrupted = False

    @property
    def failed(self) -> list[Outcome]:
        """The broken rules."""
        return [outcome for outcome in self.outcomes if outcome.status == "fail"]


_abandoned: list[threading.Thread] = []
_SECONDS_TO_STOP = 10.0


def abandoned() -> bool:
    """Whether a case that never answered still hangs in this process."""
    return any(thread.is_alive() for thread in _abandoned)


def run(
    subject: Subject,
    cases: Sequence[Case],
    *,
    timeout: float | None = None,
    started: Callable[[Case], None] = lambda _: None,
    finished: Callable[[Outcome], None] = lambda _: None,
) -> Run:
    """Run the cases one after another.

    Args:
        subject: The thing under test.
        cases: What to run.
        timeout: Seconds per case instead of each case's own limit.
        started: Called before each case.
        finished: Called after each case.
    """
    result = Run(subject.label)
    with _terminate_like_interrupt():
        try:
            for item in cases:
                started(item)
                outcome = run_case(subject, item, timeout=timeout)
                result.outcomes.append(outcome)
                finished(outcome)
        except KeyboardInterrupt:
            result.interrupted = True
        finally:
            result.left_behind = mask(_clean(subject), subject.secrets())
    return result


def run_case(subject: Subject, item: Case, *, timeout: float | None = None) -> Outcome:
    """Run one case in a daemon thread and wait for it."""
    limit = item.seconds if timeout is None else timeout
    box: list[Outcome] = []
    ended = threading.Event()

    def judge() -> None:
        box.append(_judge(subject, item))
        ended.set()

    thread = threading.Thread(target=judge, name=f"case {item.id}", daemon=True)
    begun = time.monotonic()
    try:
        thread.start()
        ended.wait(limit)
    except KeyboardInterrupt:
        # What it writes after the scratch folder is removed would stay behind. (Not `join`: one
        # that was interrupted takes the thread for ended from then on.)
        ended.wait(min(limit, _SECONDS_TO_STOP))
        raise
    took = time.monotonic() - begun
    if not box:
        _abandoned.append(thread)
        return Outcome(item, "fail", f"no answer within {limit:.0f} s", took)
    outcome = box[0]
    sentence = mask(outcome.sentence, subject.secrets())
    return Outcome(item, outcome.status, sentence, took)


def _judge(subject: Subject, item: Case) -> Outcome:
    try:
        contract: Contract = item.contract(subject.enter())
        getattr(contract, item.name)()
    except NotApplicable as reason:
        return Outcome(item, "not applicable", str(reason))
    except CaseFailed as failure:
        return Outcome(item, "fail", _one_line(str(failure)))
    except BaseException as error:
        return Outcome(item, "fail", _one_line(f"`{_where(error, item)}` raised {show(error)}"))
    return Outcome(item, "pass")


def _where(error: BaseException, item: Case) -> str:
    """The line of the case that raised: it says what was called."""
    home = Path(__file__).parent
    line = item.name
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(home) and frame.name not in {"_judge", "raises"}:
            line = frame.line or line
    return line.strip().rstrip(",")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _clean(subject: Subject) -> str:
    box: list[str] = []
    thread = threading.Thread(target=lambda: box.append(subject.remove_scratch()), daemon=True)
    thread.start()
    thread.join(120)
    if not box:
        _abandoned.append(thread)
        return "the scratch folder could not be removed within 120 s"
    return box[0]


@contextlib.contextmanager
def _terminate_like_interrupt() -> Iterator[None]:
    """A terminated run cleans up just as one stopped with Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
