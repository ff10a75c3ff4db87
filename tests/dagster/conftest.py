"""Managers over fresh places."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from remote_store_fsspec.dagster import RemoteStoreComputeLogManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from devservers import Area

MakeManager = Any


@pytest.fixture
def make_manager(tmp_path: Path) -> Iterator[Callable[..., RemoteStoreComputeLogManager]]:
    """Managers by area, each with a staging folder of its own, disposed at the end."""
    made: list[RemoteStoreComputeLogManager] = []
    numbers = itertools.count()

    def make(area: Area, via: Any = None, **config: Any) -> RemoteStoreComputeLogManager:
        where = area.config(via=via) if via else area.config()
        config.setdefault("local_dir", str(tmp_path / f"staging-{next(numbers)}"))
        manager = RemoteStoreComputeLogManager(**where, **config)
        made.append(manager)
        return manager

    yield make
    for manager in made:
        manager.dispose()
