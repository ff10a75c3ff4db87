"""Reading files: ranges, many at once, to a local file, or through a file object."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.utils import isfilelike

from remote_store_fsspec._filesystem.looking import Looking
from remote_store_fsspec._filesystem.rooted import listed, refuse
from remote_store_fsspec.backends.base import gather
from remote_store_fsspec.errors import ObjectNotFoundError

if TYPE_CHECKING:
    from fsspec.callbacks import Callback

__all__ = ["Reading"]


class Reading(Looking):
    """The part of the filesystem that moves bytes here."""

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        refuse(kwargs, "cat_file")
        key = self._file_key(path)
        return await self._do(lambda: self._backend.read(key, start, end), key, None)

    async def _cat(
        self,
        path: Any,
        recursive: bool = False,
        on_error: str = "raise",
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Contents of one path as bytes, of a list or a folder as a dict by path."""
        if on_error not in ("raise", "omit", "return"):
            raise ValueError(f"on_error is 'raise', 'omit' or 'return', not {on_error!r}")
        single = not isinstance(path, (list, tuple)) and not recursive
        keys = [self._strip_protocol(one) for one in listed(path)]
        if recursive:
            trees = [await self._find(key) for key in keys]
            keys = list(dict.fromkeys(name for tree in trees for name in tree))
            if not keys:
                raise ObjectNotFoundError("no such file or directory", url=self.display_url(path))

        async def read(key: str) -> bytes | Exception:
            try:
                return await self._cat_file(key, **kwargs)
            except Exception as exc:
                if on_error == "raise":
                    raise
                return exc

        contents = await gather([read(key) for key in keys], self._batch(batch_size))
        if single:
            return contents[0] if on_error != "omit" or isinstance(contents[0], bytes) else {}
        return {
            key: content
            for key, content in zip(keys, contents, strict=True)
            if on_error != "omit" or isinstance(content, bytes)
        }

    async def _get_file(
        self,
        rpath: str,
        lpath: Any,
        callback: Callback = DEFAULT_CALLBACK,
        outfile: Any = None,
        **kwargs: Any,
    ) -> None:
        """Copy a file here; the local name appears when the copy is whole."""
        refuse(kwargs, "get_file")
        key = self._strip_protocol(rpath)
        stream = outfile if outfile is not None else (lpath if isfilelike(lpath) else None)
        if stream is not None:
            await self._read_into(key, stream, callback)
            return
        lpath = os.fspath(lpath)
        if not key or await self._isdir(key):
            os.makedirs(lpath, exist_ok=True)
            return
        folder = os.path.dirname(lpath) or "."
        os.makedirs(folder, exist_ok=True)
        handle, partial = tempfile.mkstemp(prefix=".rsfs-", suffix=".tmp", dir=folder)
        os.close(handle)
        try:
            await self._do(lambda: self._backend.download(key, partial, callback), key, None)
            os.chmod(partial, 0o666 & ~_umask())
            os.replace(partial, lpath)
        except BaseException:
            os.unlink(partial)
            raise

    async def _read_into(self, key: str, stream: Any, callback: Callback) -> None:
        with tempfile.TemporaryDirectory(prefix="remote-store-fsspec-") as folder:
            partial = os.path.join(folder, "copy")
            await self._do(lambda: self._backend.download(key, partial, callback), key, None)
            with open(partial, "rb") as copy:
                while chunk := copy.read(2**20):
                    stream.write(chunk)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
