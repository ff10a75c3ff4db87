"""The log store: everything about logs that is not Dagster's, over one file system."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from remote_store_fsspec.errors import InvalidPathError, StoreError
from remote_store_fsspec.logs.layout import (
    STREAMS,
    Layout,
    Stream,
    check_log_key,
    decode_components,
    parse_name,
)
from remote_store_fsspec.logs.reader import LogReader, Page, Snapshot
from remote_store_fsspec.logs.writer import Destination

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from remote_store_fsspec.logs.files import LogFiles

__all__ = ["LogPages", "LogStore", "format_cursor", "parse_cursor"]

_CURSOR = re.compile(r"\s*(\d{1,18}):(\d{1,18})\s*")
_DELETE_AT_ONCE: Final = 1000

CONTENT_TYPE: Final = "text/plain; charset=utf-8"
"""So that a browser shows an object that it is linked to instead of saving it."""


class LogPages(NamedTuple):
    """The next bytes of both streams, and where to go on.

    Attributes:
        out: Bytes of stdout; ``None`` when nothing is stored.
        err: Bytes of stderr; ``None`` when nothing is stored.
        cursor: Where the following page starts.
        failures: Streams that could not be read, and why; their cursor has not moved.
        snapshot: What the listing showed; ``None`` when listing failed.
    """

    out: bytes | None
    err: bytes | None
    cursor: str
    failures: Mapping[Stream, Exception]
    snapshot: Snapshot | None


def parse_cursor(cursor: str | None) -> dict[Stream, int]:
    """The offsets in a cursor; a missing or malformed one starts from the beginning."""
    match = _CURSOR.fullmatch(cursor) if isinstance(cursor, str) else None
    return {"out": int(match[1]), "err": int(match[2])} if match else {"out": 0, "err": 0}


def format_cursor(out: int, err: int) -> str:
    """The cursor for two offsets, in Dagster's form."""
    return f"{out}:{err}"


class LogStore:
    """Logs under one prefix of one file system.

    Args:
        files: The file system.
        prefix: The folder in it.
        skip_empty: Leave out zero-byte final objects.
        write_options: Extra keywords for each object written; text/plain unless they say else.
    """

    def __init__(
        self,
        files: LogFiles,
        prefix: str = "dagster",
        *,
        skip_empty: bool = False,
        write_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.files = files
        self.layout = Layout(prefix)
        self.reader = LogReader(files, self.layout)
        options = dict(write_options or {})
        if not any(name.replace("_", "").lower() == "contenttype" for name in options):
            options["content_type"] = CONTENT_TYPE
        self.destination = Destination(files, self.layout, skip_empty, options)

    def snapshot(self, log_key: Sequence[str]) -> Snapshot:
        """What is stored of a log; free once it is known to be complete."""
        return self.reader.snapshot(log_key)

    def pages(
        self,
        log_key: Sequence[str],
        cursor: str | None = None,
        max_bytes: int | None = None,
        snapshot: Snapshot | None = None,
    ) -> LogPages:
        """The next page of both streams; a failure is part of the answer, never raised."""
        offsets = parse_cursor(cursor)
        try:
            snapshot = snapshot or self.reader.snapshot(log_key)
            answers = self.reader.read(log_key, offsets, max_bytes, snapshot)
        except Exception as exc:
            answers = dict.fromkeys(STREAMS, exc)
            snapshot = None
        pages = {
            stream: answer if isinstance(answer, Page) else Page(None, offsets[stream])
            for stream, answer in answers.items()
        }
        failures = {
            stream: answer for stream, answer in answers.items() if isinstance(answer, Exception)
        }
        out, err = pages["out"], pages["err"]
        return LogPages(
            out.data, err.data, format_cursor(out.offset, err.offset), failures, snapshot
        )

    def read(
        self, log_key: Sequence[str], stream: Stream, offset: int = 0, max_bytes: int | None = None
    ) -> Page:
        """A page of one stream.

        Raises:
            StoreError: It could not be read.
        """
        answer = self.reader.read(log_key, {stream: offset}, max_bytes)[stream]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def display_url(self, log_key: Sequence[str], stream: Stream) -> str:
        """Where the finished stream is or will be, for a person."""
        return self.files.display_url(self.layout.final(log_key, stream))

    def keys(self, prefix: Sequence[str], stream: Stream) -> list[list[str]]:
        """The log keys directly below a prefix that have a finished stream, sorted (DAG-031)."""
        found: list[list[str]] = []
        folders = [(self.layout.folder(list(prefix)), [])]  # type: list[tuple[str, list[str]]]
        while folders:
            folder, names = folders.pop()
            entries = self.files.find(folder, maxdepth=1, withdirs=True, detail=True)
            for path, entry in entries.items():
                name = str(path).rpartition("/")[2]
                if str(path) == folder:
                    continue
                if entry.get("type") == "directory":
                    if name.endswith("~+"):  # a long name goes on in there
                        folders.append((f"{folder}/{name}", [*names, name]))
                    continue
                what = parse_name(name)
                if what and what.stream == stream and what.offset is None:
                    found.append([*prefix, *decode_components([*names, what.stem])])
        return sorted(found)

    def delete(self, log_key: Sequence[str]) -> None:
        """Delete everything of one log; a missing one is no error."""
        folder, stem = self.layout.place(log_key)
        found = self.files.find(folder, maxdepth=1, prefix=f"{stem}.")
        self._delete(
            [
                path
                for path in found
                if (what := parse_name(str(path).rpartition("/")[2])) and what.stem == stem
            ]
        )
        self.reader.forget(log_key)

    def delete_below(self, prefix: Sequence[str]) -> None:
        """Delete every log whose key starts with these elements and goes on; never a sibling.

        Raises:
            InvalidPathError: The prefix is empty, which would delete every log.
        """
        if not prefix:
            msg = "an empty prefix would delete every log"
            raise InvalidPathError(msg)
        folder = self.layout.folder(check_log_key(prefix))
        self._delete(list(self.files.find(folder)))
        self.reader.forget_below(prefix)

    def explain(self, failure: BaseException) -> str:
        """One sentence for the log pane: what could not be read, why, and what to do."""
        reason = str(failure) or type(failure).__name__
        if not isinstance(failure, StoreError):
            reason = (
                f"{self.files.display_url(self.layout.root)}: {type(failure).__name__}: {reason}"
            )
        return (
            f"[remote-store-fsspec: this log cannot be read right now: {reason}. "
            "What is stored is not lost; it is shown once the store can be read again.]\n"
        )

    def _delete(self, paths: Sequence[str]) -> None:
        for start in range(0, len(paths), _DELETE_AT_ONCE):
            self.files.rm_files(paths[start : start + _DELETE_AT_ONCE], missing_ok=True)
