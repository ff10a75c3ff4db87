"""Ours over every storage that a server here can stand for, as subjects of the harness."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from conformance import FilesystemSpec, FilesystemSubject, Sizes
from conformance.faults import ProxyFaults

if TYPE_CHECKING:
    from devservers import Area
    from devservers.proxy import Proxy

FULL = os.environ.get("CONFORMANCE", "") == "full"
TIMEOUT = 2.0
"""Seconds ours waits for one request in the fault cases."""

NAMES = ("local", "memory", "s3", "azure", "sftp", "gs", "ftp", "webdav", "dir")

# What a slow emulator can do in a minute. `make conformance` runs all of them at full size.
SIZES = {
    "local": Sizes(steps=1200, seconds=1.0),
    "memory": Sizes(steps=1200, seconds=0.5),
    "s3": Sizes(objects=1100, megabytes=32, steps=160, names=30, seconds=1.0),
    "azure": Sizes(objects=300, megabytes=32, steps=160, names=30, seconds=1.0),
    "sftp": Sizes(objects=1100, megabytes=48, steps=400, names=40, seconds=1.0),
    "gs": Sizes(objects=60, megabytes=16, steps=120, names=20, seconds=0.5),
    "ftp": Sizes(objects=60, megabytes=32, steps=120, names=20, seconds=0.5),
    "webdav": Sizes(objects=60, megabytes=32, steps=120, names=20, seconds=0.5),
    "dir": Sizes(objects=60, megabytes=16, steps=120, names=20, seconds=0.5),
}

# Google's emulator answers ever later the more objects it holds, until nobody waits any longer:
# tests/backends/test_gcs.py turns its pages with few.
FULL_SIZES = {"gs": Sizes(objects=250)}


def subject_for(name: str, area: Area, proxy: Proxy | None = None) -> FilesystemSubject:
    """The harness's subject for ours over an area; fault cases go through the proxy."""
    spec = spec_for(name, area)
    faults = None
    if proxy is not None:
        patient = FilesystemSpec(**area.config(via=proxy))
        hasty = dataclasses.replace(patient, timeout=TIMEOUT)
        faults = ProxyFaults(patient, proxy, hasty=hasty, timeout=TIMEOUT)
    return FilesystemSubject(
        spec, sizes=FULL_SIZES.get(name, Sizes()) if FULL else SIZES[name], faults=faults
    )


def spec_for(name: str, area: Area) -> FilesystemSpec:
    """How ours is opened over an area."""
    spec = FilesystemSpec(**area.config())
    if name == "dir":
        return dataclasses.replace(spec, **_through_dir(area))
    return spec


def _through_dir(area: Area) -> dict[str, Any]:
    config = area.url_config()
    return {
        "url": f"dir::{config['url']}",
        "storage_options": {},
        "backend_type": None,
        "backend_options": {},
    }
