"""Which storages a test runs against, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

WITHOUT_SERVER = ("local", "memory")
BACKEND_TYPES = ("local", "memory", "s3", "azure", "sftp")
ALL = (*BACKEND_TYPES, "gs", "ftp", "webdav")


def area_param(name: str, *more: Any, marks: tuple[pytest.MarkDecorator, ...] = ()) -> ParameterSet:
    """`name` as a parameter of `any_location`, marked when it needs a server.

    Args:
        name: One of `ALL`.
        more: Further values of the same parameter set.
        marks: Further marks.
    """
    needed = () if name in WITHOUT_SERVER else (pytest.mark.server,)
    return pytest.param(name, *more, marks=(*needed, *marks), id=name)
