"""The contract of a filesystem and of a compute log manager, as cases that anybody can run.

From a terminal::

    python -m conformance --url s3://my-bucket/scratch --storage-options '{"profile": "dev"}'
    python -m remote_store_fsspec.conformance --manager my.module:MyManager --config logs.yaml

From Python::

    from remote_store_fsspec.conformance import FILESYSTEM_CONTRACT, FilesystemSpec, ...
"""

from __future__ import annotations

from .core import Case, CaseFailed, Contract, NotApplicable, Outcome, cases_of, select
from .filesystem import FILESYSTEM_CONTRACT
from .runner import Run, run
from .spec import FilesystemSpec
from .subject import Faults, FilesystemSubject, Sizes

__all__ = [
    "FILESYSTEM_CONTRACT",
    "Case",
    "CaseFailed",
    "Contract",
    "Faults",
    "FilesystemSpec",
    "FilesystemSubject",
    "NotApplicable",
    "Outcome",
    "Run",
    "Sizes",
    "cases_of",
    "run",
    "select",
]
