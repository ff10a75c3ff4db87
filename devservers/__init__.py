"""Real storage servers on loopback, for the tests, the demo and the benchmarks.

Each server is a context manager with a health check, an independent client and the configuration
that reaches it::

    with S3Server() as server:
        area = server.new_area("logs")
        manager_config = area.config(folder="dagster")
        area.raw.keys()                 # what is really there, read with boto3

`devservers.proxy` stands between a client and any of them, counts what passes and breaks it on
request.
"""

from __future__ import annotations

from devservers.areas import Area, LocalArea, MemoryArea, RawStore, local_area, memory_area
from devservers.azurite import AzureServer
from devservers.base import MissingProgram, Server, ServerFailed
from devservers.folders import FTPServer, ReadOnlyHTTPServer, WebDAVServer
from devservers.gcs import GCSServer
from devservers.moto import S3Server
from devservers.openssh import SFTPBatch, SFTPServer

__all__ = [
    "Area",
    "AzureServer",
    "FTPServer",
    "GCSServer",
    "LocalArea",
    "MemoryArea",
    "MissingProgram",
    "RawStore",
    "ReadOnlyHTTPServer",
    "S3Server",
    "SFTPBatch",
    "SFTPServer",
    "Server",
    "ServerFailed",
    "WebDAVServer",
    "local_area",
    "memory_area",
]
