"""What to open, and how often to try: what a configuration comes down to."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Retry", "Target"]


@dataclass(frozen=True)
class Retry:
    """How often a failed request is made again.

    Attributes:
        max_attempts: Attempts in all, the first included; 1 switches retrying off.
        backoff_base: Seconds before the second attempt; doubled for each one after.
        backoff_max: Seconds between two attempts at the most.
        jitter: Seconds of random delay added, at the most.
        timeout: Seconds after which no further attempt starts; None for no such limit.
    """

    max_attempts: int = 3
    backoff_base: float = 1.0
    backoff_max: float = 60.0
    jitter: float = 1.0
    timeout: float | None = None

    def pause(self, attempt: int) -> float:
        """Seconds to wait after the ``attempt``-th failure, counted from 0."""
        wait = min(self.backoff_base * float(2**attempt), self.backoff_max)
        return wait + random.uniform(0.0, self.jitter)  # noqa: S311 - spreads load only


@dataclass(frozen=True)
class Target:
    """What to open: an inner filesystem and the folder in it that is our root.

    Attributes:
        protocol: fsspec's name of the inner filesystem (``"s3"``, ``"sftp"``).
        options: Keywords of the inner library's constructor; may hold secrets.
        base: Path of the root inside the inner filesystem, without protocol
            (``"bucket/a/b"``, ``"/srv/logs"``).
        display_url: The same for people, without secrets (``"s3://bucket/a/b"``).
        url: The whole URL where filesystems are chained (``"dir::s3://..."``), else None.
        retry: How often and how fast to try again, where the user has said so.
    """

    protocol: str
    base: str
    display_url: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    url: str | None = field(default=None, repr=False)
    retry: Retry | None = None
