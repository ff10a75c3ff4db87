"""The model test as a hypothesis state machine: what fails is shrunk to a few steps."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from .walk import BOUNDS, KEYS, SIZES, STEPS_OF_ONE_WALK, Machine

__all__ = ["explore"]

keys = st.sampled_from(KEYS)
contents = st.builds(
    lambda byte, size: bytes([byte]) * size, st.integers(0, 255), st.sampled_from(SIZES)
)
bounds = st.sampled_from(BOUNDS)


def explore(start: Callable[[str], Machine], walks: int) -> None:
    """Run `walks` walks of rules chosen by hypothesis.

    Args:
        start: Makes a machine on an empty folder of the given name.
        walks: How many.
    """
    numbers = itertools.count()

    class Walk(RuleBasedStateMachine):
        """Each rule does the same to the filesystem and to the dict."""

        def __init__(self) -> None:
            super().__init__()
            self.machine = start(f"walk{next(numbers)}")

        @rule(key=keys, data=contents)
        def pipe(self, key: str, data: bytes) -> None:
            self.machine.pipe(key, data)

        @rule(key=keys, data=contents)
        def create(self, key: str, data: bytes) -> None:
            self.machine.create(key, data)

        @rule(key=keys, data=contents)
        def write_open(self, key: str, data: bytes) -> None:
            self.machine.write_open(key, data)

        @rule(key=keys, start=bounds, end=bounds)
        def cat(self, key: str, start: int | None, end: int | None) -> None:
            self.machine.cat(key, start, end)

        @rule(key=keys, at=st.sampled_from([0, 1, 50, 9000]))
        def read_open(self, key: str, at: int) -> None:
            self.machine.read_open(key, at)

        @rule(key=keys)
        def remove(self, key: str) -> None:
            self.machine.remove(key)

        @rule(source=keys, to=keys)
        def copy(self, source: str, to: str) -> None:
            self.machine.copy(source, to)

        @rule(source=keys, to=keys)
        def move(self, source: str, to: str) -> None:
            self.machine.move(source, to)

        @rule(key=keys, data=contents)
        def append(self, key: str, data: bytes) -> None:
            self.machine.append(key, data)

        @rule(key=keys)
        def ask(self, key: str) -> None:
            self.machine.ask(key)

        @invariant()
        def agrees(self) -> None:
            self.machine.find()

        def teardown(self) -> None:
            self.machine.end()

    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=walks,
            stateful_step_count=STEPS_OF_ONE_WALK,
            deadline=None,
            database=None,
            derandomize=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
            print_blob=False,
            report_multiple_bugs=False,
        ),
    )
