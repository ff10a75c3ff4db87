"""A retry policy of the user's for botocore, which paces its attempts by rules of its own.

botocore asks the handlers of its event ``needs-retry`` how many seconds to wait before it
makes a request again. Its own handler is told to allow one attempt, and so never answers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from remote_store_fsspec.backends.target import Retry

__all__ = ["OFF", "pace"]

OFF = {"mode": "standard", "total_max_attempts": 1}
"""botocore's ``retries`` where :func:`pace` decides."""

_STARTED = "remote_store_fsspec_started"
# What botocore's standard mode tries again.
_STATUSES = frozenset({429, 500, 502, 503, 504})
_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


def pace(client: Any, retry: Retry) -> None:
    """Let a policy decide when the requests of an S3 client are made again.

    Args:
        client: A botocore or aiobotocore client that was made with :data:`OFF`.
        retry: The policy.
    """

    def begin(params: dict[str, Any], **_: Any) -> None:
        params.setdefault("context", {})[_STARTED] = time.monotonic()

    def pause(
        attempts: int,
        request_dict: dict[str, Any],
        response: Any = None,
        caught_exception: BaseException | None = None,
        **_: Any,
    ) -> float | None:
        if attempts >= retry.max_attempts or not _passes(response, caught_exception):
            return None
        wait = retry.pause(attempts - 1)
        started = request_dict.get("context", {}).get(_STARTED)
        late = retry.timeout is not None and started is not None
        if late and time.monotonic() + wait - started >= float(retry.timeout or 0):
            return None
        return wait

    client.meta.events.register("before-call.s3", begin)
    client.meta.events.register("needs-retry.s3", pause)


def _passes(response: Any, exc: BaseException | None) -> bool:
    """Whether a failure is one that may pass."""
    from botocore.exceptions import ConnectionError as NoConnection
    from botocore.exceptions import HTTPClientError

    if exc is not None:
        return isinstance(exc, (NoConnection, HTTPClientError))
    if response is None:
        return False
    http, parsed = response
    code = parsed.get("Error", {}).get("Code") if isinstance(parsed, dict) else None
    return http.status_code in _STATUSES or code in _CODES
