"""The filesystem against a plain dict: after any sequence of calls both hold the same bytes.

Hypothesis drives the steps where it is installed, a seeded random walk where it is not.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from ..core import CaseFailed, Contract, case
from ..subject import FilesystemSubject
from .walk import STEPS_OF_ONE_WALK, Machine, step

__all__ = ["Model"]


class Model(Contract):
    """Thousands of steps, the same answers."""

    group = "model"
    point = "The contract as a whole"
    subject: FilesystemSubject

    @case(seconds=600)
    def any_sequence_of_calls_agrees_with_a_dict(self) -> None:
        """pipe, create, open, cat, range, rm, cp, mv, append, find and info against a dict of bytes."""
        walks = max(self.subject.sizes.steps // STEPS_OF_ONE_WALK, 1)
        machines: list[Machine] = []

        def start(name: str) -> Machine:
            machines.append(Machine(self.subject, name))
            self.subject.make_folder(self.subject.path(name))
            return machines[-1]

        try:
            explore = _explorer()
            explore(start, walks)
        except Exception as error:
            told = ", ".join(machines[-1].told[-12:]) if machines else "nothing"
            what = (
                str(error) if isinstance(error, CaseFailed) else f"{type(error).__name__}: {error}"
            )
            message = f"after {told}: {what}"
            raise CaseFailed(message) from error


def _explorer() -> Callable[[Callable[[str], Machine], int], None]:
    try:
        from .model_hypothesis import explore
    except ImportError:
        return _random_walks
    return explore


def _random_walks(start: Callable[[str], Machine], walks: int) -> None:
    for walk in range(walks):
        machine, pick = start(f"walk{walk}"), random.Random(walk)  # noqa: S311 - repeatable
        for _ in range(STEPS_OF_ONE_WALK):
            step(machine, pick)
        machine.find()
        machine.end()
