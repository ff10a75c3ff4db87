"""The compute log manager that a dagster.yaml configures, for terminal commands."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dagster import DagsterInstance

from remote_store_fsspec.dagster.compute_log_manager import RemoteStoreComputeLogManager
from remote_store_fsspec.errors import ConfigError, RemoteStoreError
from remote_store_fsspec.logs.recovery import only_when_told

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["manager_of"]


@contextmanager
def manager_of(home: str) -> Iterator[RemoteStoreComputeLogManager]:
    """The manager of the instance at a DAGSTER_HOME, for as long as the block runs.

    It uploads leftovers when it is told to flush, not by itself.

    Raises:
        ConfigError: There is no dagster.yaml, it cannot be used, or it names another manager.
    """
    if not os.path.isfile(os.path.join(home, "dagster.yaml")):
        msg = (
            f"there is no dagster.yaml in {home!r}; name its folder with --dagster-home or set "
            "DAGSTER_HOME"
        )
        raise ConfigError(msg, field="dagster_home")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dagster's own, about the rest of dagster.yaml
        try:
            instance = DagsterInstance.from_config(home)
        except Exception as exc:
            msg = f"dagster.yaml in {home!r} cannot be used: {exc}"
            raise ConfigError(msg, field="dagster_home") from exc
    with instance:
        try:
            with only_when_told():
                manager = instance.compute_log_manager
        except RemoteStoreError:
            raise
        except Exception as exc:
            msg = f"compute_logs in dagster.yaml of {home!r} cannot be used: {exc}"
            raise ConfigError(msg, field="compute_logs") from exc
        if not isinstance(manager, RemoteStoreComputeLogManager):
            msg = (
                f"compute_logs in dagster.yaml of {home!r} is a {type(manager).__name__}, not a "
                "RemoteStoreComputeLogManager: there is nothing of this package to flush"
            )
            raise ConfigError(msg, field="compute_logs")
        yield manager
