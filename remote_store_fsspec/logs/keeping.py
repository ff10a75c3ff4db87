"""How much of this host's disk kept captures may take.

A capture that could not be uploaded is kept. Two rules keep that from filling the disk, and both
leave the beginning and the end of the text, with a line between that says what is missing:

* More than the size limit of a stored stream is not kept, since it would not be stored.
* When all kept captures of a destination would take more than `BOUND_VARIABLE` says, the one that
  is kept now is shortened to `SHORTENED_BYTES` a stream. Nothing that was kept before is touched.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remote_store_fsspec.logs.cut import CONTINUATION_BYTES, Truncation, incomplete_tail

if TYPE_CHECKING:
    from remote_store_fsspec.logs.staging import StagedCapture

__all__ = ["BOUND_VARIABLE", "SHORTENED_BYTES", "bound_kept", "kept_bytes", "staging_bound"]

logger = logging.getLogger("remote_store_fsspec.logs")

BOUND_VARIABLE: Final = "REMOTE_STORE_FSSPEC_STAGING_BYTES"
"""Environment variable: most bytes of all kept captures of one destination; 0 for no bound."""

SHORTENED_BYTES: Final = 64 * 1024

_DEFAULT_BOUND: Final = 2 * 1024**3


def staging_bound() -> int:
    """Most bytes that kept captures may take in full: 2 GiB unless set, 0 for no bound."""
    text = os.environ.get(BOUND_VARIABLE, "").strip()
    try:
        return max(0, int(text)) if text else _DEFAULT_BOUND
    except ValueError:
        logger.warning("%s=%r is not a number; using %d", BOUND_VARIABLE, text, _DEFAULT_BOUND)
        return _DEFAULT_BOUND


def kept_bytes(folder: Path) -> int:
    """Bytes of the streams of the captures that are marked as kept in a destination's folder."""
    total = 0
    with contextlib.suppress(OSError):
        for mark in folder.glob("*/pending.json"):
            for stream in ("out", "err"):
                with contextlib.suppress(OSError):
                    total += (mark.parent / stream).stat().st_size
    return total


def bound_kept(staged: StagedCapture, limit: Truncation) -> int:
    """Shorten a capture that is about to be kept, if one of the two rules says so.

    Args:
        staged: The capture, with nobody writing to it any more.
        limit: The size limit of a stored stream.

    Returns:
        Bytes of all kept captures of the destination, this one included.
    """
    for stream in staged.streams:
        _shorten(Path(staged.file(stream)), limit, limit.marker)
    others = kept_bytes(staged.folder.parent)
    if (staged.folder / "pending.json").exists():
        others -= staged.size
    bound = staging_bound()
    if bound and others + staged.size > bound:

        def marker(left_out: int) -> bytes:
            return (
                f"\n[remote-store-fsspec: {left_out} bytes left out here, the store was away and "
                f"what is kept on this host passed its bound of {bound} bytes ({BOUND_VARIABLE})]\n"
            ).encode()

        for stream in staged.streams:
            _shorten(Path(staged.file(stream)), Truncation(SHORTENED_BYTES), marker)
    return others + staged.size


def _shorten(path: Path, limit: Truncation, marker: object) -> None:
    """Replace a file by its head, a marker and its tail; on any failure it stays as it is."""
    assert callable(marker)
    short = path.with_name(f".part-{path.name}")
    try:
        size = path.stat().st_size
        if not limit.exceeded(size):
            return
        with path.open("rb") as source, short.open("wb") as target:
            os.fchmod(target.fileno(), 0o600)
            head = source.read(limit.head)
            head = head[: len(head) - incomplete_tail(head)]
            target.write(head)
            start = size - limit.tail
            source.seek(start)
            tail = source.read(limit.tail)
            skipped = 0
            while skipped < min(3, len(tail)) and tail[skipped] in CONTINUATION_BYTES:
                skipped += 1
            if limit.tail:
                target.write(marker(start + skipped - len(head)))
            target.write(tail[skipped:])
        short.replace(path)
    except OSError as exc:
        logger.info("%s could not be shortened: %s", path, exc)
        with contextlib.suppress(OSError):
            short.unlink(missing_ok=True)
