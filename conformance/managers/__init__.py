"""The contract of a Dagster compute log manager. The only part of the harness that imports dagster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core import Contract
from ..subject import Sizes
from .capture import Capture
from .listing import Listing
from .live import Live
from .quiet import QuietManager
from .reading import Reading
from .subject import LogFaults, ManagerSpec, ManagerSubject

__all__ = ["MANAGER_CONTRACT", "LogFaults", "ManagerSpec", "ManagerSubject", "open_manager"]

MANAGER_CONTRACT: tuple[type[Contract], ...] = (Capture, Reading, Live, Listing, QuietManager)


def open_manager(target: str, config: Mapping[str, Any], *, sizes: Sizes) -> ManagerSubject:
    """The subject for ``module:Class`` and its configuration."""
    return ManagerSubject(ManagerSpec(target, config), sizes=sizes)
