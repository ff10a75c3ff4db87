"""What a contract is made of: a class of cases, each a method whose name is the sentence it proves.

A case passes by returning. It fails by raising: `CaseFailed` carries the finished sentence,
any other exception becomes one. `NotApplicable` says why a rule means nothing on this subject.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar

__all__ = [
    "Case",
    "CaseFailed",
    "Contract",
    "NotApplicable",
    "Outcome",
    "case",
    "cases_of",
    "equal",
    "raises",
    "select",
    "show",
    "true",
]

Status = Literal["pass", "fail", "not applicable"]
Method = TypeVar("Method", bound=Callable[..., None])

_LONGEST_BYTES = 40
_LONGEST_LIST = 6


class CaseFailed(AssertionError):  # noqa: N818 - an answer, as NotApplicable is
    """The subject broke the rule; the message is one sentence: expected against got."""


class NotApplicable(Exception):  # noqa: N818 - it is an answer, not an error
    """The rule means nothing on this subject; the message is the reason."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One runnable rule.

    Attributes:
        group: The contract point (``"ranges"``).
        name: The sentence, as a method name (``"a_range_past_the_end_is_empty"``).
        rule: The rule in prose: the first line of the method's docstring.
        big: Left out by ``--quick``: thousands of objects, tens of megabytes, thousands of steps.
        seconds: After this long without an answer the case has failed.
        contract: The class that holds the method.
    """

    group: str
    name: str
    rule: str
    big: bool
    seconds: float
    contract: type[Contract]

    @property
    def id(self) -> str:
        """Name to type after ``--only``."""
        return f"{self.group}.{self.name}"

    @property
    def sentence(self) -> str:
        """Name as a person reads it."""
        return self.name.replace("_", " ")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one case said about one subject.

    Attributes:
        case: The case.
        status: ``"pass"``, ``"fail"`` or ``"not applicable"``.
        sentence: Expected against got, or why the rule does not apply; ``""`` for a pass.
        seconds: How long it took.
    """

    case: Case
    status: Status
    sentence: str = ""
    seconds: float = 0.0


class Contract:
    """A point of a contract. Subclasses hold cases; one instance serves one case."""

    group: ClassVar[str]
    point: ClassVar[str]

    def __init__(self, subject: Any) -> None:
        self.subject = subject


def case(*, big: bool = False, seconds: float = 60.0) -> Callable[[Method], Method]:
    """Mark a method of a `Contract` as a case.

    Args:
        big: Left out by ``--quick``.
        seconds: Limit for one run.
    """

    def mark(method: Method) -> Method:
        method.__dict__["_case"] = (big, seconds)
        return method

    return mark


def cases_of(contracts: Sequence[type[Contract]]) -> list[Case]:
    """Every case of these contracts, in the order of the source."""
    found = []
    for contract in contracts:
        for name, method in vars(contract).items():
            marks = getattr(method, "_case", None)
            if marks is None:
                continue
            rule = (method.__doc__ or "").strip().splitlines()
            if not rule:
                message = f"{contract.__name__}.{name} states no rule"
                raise TypeError(message)
            big, seconds = marks
            found.append(Case(contract.group, name, rule[0], big, seconds, contract))
    return found


def select(cases: Sequence[Case], patterns: Sequence[str], *, quick: bool) -> Iterator[Case]:
    """The cases whose id matches one of the patterns (all when there is none)."""
    for item in cases:
        if quick and item.big:
            continue
        if not patterns or any(
            fnmatch.fnmatchcase(item.id, pattern) or item.group == pattern for pattern in patterns
        ):
            yield item


def equal(what: str, got: object, wanted: object) -> None:
    """Fail unless both are equal; `what` is the call, as a person would write it."""
    if got != wanted:
        message = f"{what}: expected {show(wanted)}, got {show(got)}"
        raise CaseFailed(message)


def true(what: str, condition: object) -> None:
    """Fail with `what` as the sentence unless the condition holds."""
    if not condition:
        raise CaseFailed(what)


def raises(
    wanted: type[BaseException] | tuple[type[BaseException], ...],
    what: str,
    call: Callable[..., object],
    *arguments: Any,
) -> BaseException:
    """The exception that `call(*arguments)` raised, which must be one of the wanted types."""
    names = " or ".join(
        kind.__name__ for kind in (wanted if isinstance(wanted, tuple) else (wanted,))
    )
    try:
        result = call(*arguments)
    except wanted as error:
        return error
    except Exception as error:
        message = f"{what}: expected {names}, got {show(error)}"
        raise CaseFailed(message) from error
    message = f"{what}: expected {names}, got {show(result)}"
    raise CaseFailed(message)


def show(value: object) -> str:
    """A value short enough for a sentence."""
    if isinstance(value, BaseException):
        kind = type(value)
        name = (
            kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
        )
        text = " ".join(str(value).split())
        return f"{name}: {text[:200]}" if text else name
    if isinstance(value, (bytes, bytearray)) and len(value) > _LONGEST_BYTES:
        return f"{bytes(value[:_LONGEST_BYTES])!r}... ({len(value)} bytes)"
    if isinstance(value, (list, tuple, set, frozenset)) and len(value) > _LONGEST_LIST:
        first = ", ".join(repr(item) for item in list(value)[:_LONGEST_LIST])
        return f"{len(value)} entries ({first}, ...)"
    if isinstance(value, Mapping) and len(value) > _LONGEST_LIST:
        return f"{len(value)} entries ({', '.join(map(repr, list(value)[:_LONGEST_LIST]))}, ...)"
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}..."  # noqa: PLR2004
