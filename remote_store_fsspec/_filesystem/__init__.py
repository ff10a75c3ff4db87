"""The pieces of :class:`~remote_store_fsspec.filesystem.RemoteStoreFileSystem`, by what they do."""

from __future__ import annotations
