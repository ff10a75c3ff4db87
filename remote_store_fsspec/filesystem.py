"""The one filesystem: every storage behind the same contract, confined to a root.

:class:`RemoteStoreFileSystem` turns a path into a key, asks the backend, and returns what
fsspec defines. What one storage's library gets wrong is mended in its module of
:mod:`remote_store_fsspec.backends`, never here.
"""

from __future__ import annotations

from remote_store_fsspec._filesystem.copying import Copying
from remote_store_fsspec._filesystem.deleting import Deleting
from remote_store_fsspec._filesystem.opening import Opening

__all__ = ["RemoteStoreFileSystem"]


class RemoteStoreFileSystem(Opening, Copying, Deleting):
    """Any storage as an fsspec filesystem that keeps one contract.

    Paths are relative to the root: ``"run/step.out"``. A leading slash is tolerated, names
    come back without one, and ``*``, ``?``, ``[`` or ``%`` in a path are data (``glob`` and
    ``expand_path`` excepted). Instances are shared per configuration and process, work from
    any number of threads, after a fork and under a running event loop.

    Args:
        store: Name of a store in the stores file, as ``remote-store://name/...`` has it.
        backend_type: ``local``, ``memory``, ``s3``, ``azure`` or ``sftp``.
        backend_options: That backend's options by remote-store's names.
        url: Instead of a backend type: any URL that fsspec opens, chained ones too.
        storage_options: The inner library's keywords for ``url``.
        root_path: Where the root lies, below the bucket, the base path or the URL's path.
        config: Path of the stores file, where ``store`` is given.
        timeout: Seconds that one request may take; a transfer gets more with its size.
        asynchronous: Whether the caller awaits the ``_``-methods on its own event loop.
        loop: Accepted as fsspec passes it; requests always run on fsspec's IO loop.
        batch_size: Requests of one bulk call under way at once; 16 unless given.
        use_listings_cache: Must stay false: a cache would hide what others wrote.

    Raises:
        ConfigError: A field, option or value is wrong, or not exactly one of ``store``,
            ``backend_type`` and ``url`` is given.
        MissingExtraError: The storage's library is not installed.
    """
