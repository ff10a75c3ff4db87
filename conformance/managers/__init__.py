"""The contract of a Dagster compute log manager. The only part of the harness that imports dagster."""

from __future__ import annotations

from ..core import Contract
from .capture import Capture
from .listing import Listing
from .live import Live
from .quiet import QuietManager
from .reading import Reading
from .subject import LogFaults, ManagerSpec, ManagerSubject

__all__ = ["MANAGER_CONTRACT", "LogFaults", "ManagerSpec", "ManagerSubject"]

MANAGER_CONTRACT: tuple[type[Contract], ...] = (Capture, Reading, Live, Listing, QuietManager)
