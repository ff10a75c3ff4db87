"""What passed through a proxy while somebody was counting."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devservers.faults import matches

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from devservers.faults import PathMatch


@dataclass
class Request:
    """One HTTP request and its answer.

    Attributes:
        method: As sent, ``PUT``.
        path: The request target as sent: still encoded, with the query.
        status: The answer's status; None until it came, and when it never does.
        sent: Body bytes towards the server, without chunk framing.
        received: Body bytes towards the client, without chunk framing.
    """

    method: str
    path: str
    status: int | None = None
    sent: int = 0
    received: int = 0


@dataclass
class Record:
    """Requests, connections and bytes since the recording began.

    A byte is counted before it is passed on: a client that has its answer finds it counted here.

    Attributes:
        requests: HTTP requests that began during the recording, in order.
        connections: Connections that were accepted during it.
        wire_sent: All bytes from clients, heads and framing included, of any protocol.
        wire_received: All bytes to clients.
    """

    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    wire_sent: int = 0
    wire_received: int = 0
    _stop: Callable[[Record], None] | None = field(default=None, repr=False)

    @property
    def sent(self) -> int:
        """Body bytes of all requests."""
        return sum(request.sent for request in self.requests)

    @property
    def received(self) -> int:
        """Body bytes of all answers."""
        return sum(request.received for request in self.requests)

    @property
    def methods(self) -> dict[str, int]:
        """How many requests of each method."""
        return dict(Counter(request.method for request in self.requests))

    def count(self, method: str | None = None, path: PathMatch = None) -> int:
        """How many requests of this method whose target matches."""
        return sum(matches(r.method, r.path, method, path) for r in self.requests)

    def stop(self) -> None:
        """Ends the recording; what was counted stays."""
        if self._stop is not None:
            self._stop(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
