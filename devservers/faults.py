"""What can go wrong on the way to a server, as values that a `devservers.proxy.Proxy` acts out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

PathMatch = str | Callable[[str, str], bool] | None
"""A glob over the request target as sent (still encoded), or a function of method and target."""


@dataclass(frozen=True)
class Fault:
    """Base of all faults; on its own it changes nothing."""


@dataclass(frozen=True)
class Refuse(Fault):
    """Nobody listens: open connections are cut, new ones get ECONNREFUSED."""


@dataclass(frozen=True)
class Blackhole(Fault):
    """The link goes silent: connections are accepted and stay open, nothing is answered.

    HTTP: a request caught by it is never answered. Raw: bytes wait until the fault is removed.
    """


@dataclass(frozen=True)
class Status(Fault):
    """The proxy answers with this status itself; the server never sees the request."""

    code: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reset(Fault):
    """The connection is reset (RST) once `after` bytes of the response body have passed.

    With 0 the client gets the response's head and then the reset. Raw: bytes of any kind towards
    the client, counted from the moment the fault begins to apply to the connection.
    """

    after: int = 0


@dataclass(frozen=True)
class Truncate(Fault):
    """Like `Reset`, but closed politely: the client sees an end that comes too early."""

    after: int = 0


@dataclass(frozen=True)
class ResetAfterEffect(Fault):
    """The server carries the request out in full, and the client gets a reset instead of the answer."""


@dataclass(frozen=True)
class Slow(Fault):
    """Each response starts `latency` seconds late; bodies pass at `bytes_per_second` at the most.

    Raw: each piece of data is late by `latency`.
    """

    latency: float = 0.0
    bytes_per_second: float | None = None


RAW_FAULTS = (Refuse, Blackhole, Reset, Truncate, Slow)
"""Those that need no knowledge of HTTP."""


class Rule:
    """One fault and the requests (raw: connections) that it applies to.

    Attributes:
        hits: How many requests or connections it has been applied to so far.
    """

    def __init__(
        self,
        fault: Fault,
        *,
        method: str | None,
        path: PathMatch,
        nth: int,
        times: int | None,
        remove: Callable[[Rule], None],
    ) -> None:
        self.fault = fault
        self.hits = 0
        self._seen = 0
        self._method = method
        self._path = path
        self._nth = nth
        self._times = times
        self._remove = remove

    def claims(self, method: str, path: str) -> bool:
        """Whether the fault applies to this request; counts it."""
        if not matches(method, path, self._method, self._path):
            return False
        self._seen += 1
        if self._seen < self._nth or (self._times is not None and self.hits >= self._times):
            return False
        self.hits += 1
        return True

    def remove(self) -> None:
        """Ends the fault. Harmless when it has ended."""
        self._remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()


def matches(method: str, path: str, wanted_method: str | None, wanted_path: PathMatch) -> bool:
    """Whether a request is one of those asked for; None asks for all."""
    if wanted_method is not None and method != wanted_method.upper():
        return False
    if wanted_path is None:
        return True
    if isinstance(wanted_path, str):
        return fnmatchcase(path, wanted_path)
    return wanted_path(method, path)
