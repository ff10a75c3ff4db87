"""Dagster's storage on any store: compute logs.

Name this module in ``dagster.yaml``::

    compute_logs:
      module: remote_store_fsspec.dagster
      class: RemoteStoreComputeLogManager
      config:
        backend_type: s3
        backend_options:
          bucket: my-logs-bucket
        root_path: dagster/compute-logs
        upload_interval: 30
"""

from __future__ import annotations

from remote_store_fsspec.errors import MissingExtraError

try:
    import dagster  # noqa: F401
except ModuleNotFoundError as exc:
    if exc.name != "dagster":
        raise
    raise MissingExtraError.for_extra("dagster", needed_for="remote_store_fsspec.dagster") from exc

from remote_store_fsspec.dagster.compute_log_manager import RemoteStoreComputeLogManager

__all__ = ["RemoteStoreComputeLogManager"]
