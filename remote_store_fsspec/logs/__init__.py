"""The log store: where captured logs live and how their bytes get there and back.

Knows nothing of Dagster; `remote_store_fsspec.dagster` puts Dagster's interface on top.
"""

from __future__ import annotations

from remote_store_fsspec.logs.capture import CaptureUpload
from remote_store_fsspec.logs.layout import Layout
from remote_store_fsspec.logs.recovery import Recovery
from remote_store_fsspec.logs.staging import StagedCapture, Staging
from remote_store_fsspec.logs.store import LogPages, LogStore

__all__ = [
    "CaptureUpload",
    "Layout",
    "LogPages",
    "LogStore",
    "Recovery",
    "StagedCapture",
    "Staging",
]
