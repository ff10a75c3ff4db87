"""The filesystem contract, point by point."""

from __future__ import annotations

from ..core import Contract
from .alive import Alive
from .arguments import Arguments
from .atomic import Atomic
from .bounded import Bounded
from .complete import Complete
from .faults import Faulty
from .fresh import Fresh
from .missing import Missing
from .model import Model
from .names import Names
from .quiet import Quiet
from .ranges import Ranges
from .rooted import Rooted

__all__ = ["FILESYSTEM_CONTRACT"]

FILESYSTEM_CONTRACT: tuple[type[Contract], ...] = (
    Ranges,
    Missing,
    Fresh,
    Atomic,
    Names,
    Rooted,
    Complete,
    Bounded,
    Alive,
    Quiet,
    Arguments,
    Faulty,
    Model,
)
