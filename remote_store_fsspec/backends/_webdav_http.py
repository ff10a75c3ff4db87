"""WebDAV's requests and answers for :mod:`~remote_store_fsspec.backends.webdav`."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Mapping

    import httpx

__all__ = ["PROPERTIES", "Answer", "Member", "Range", "members", "quoted", "request"]

PROPERTIES = (
    b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/>'
    b"<getcontentlength/><getlastmodified/><getetag/><getcontenttype/></prop></propfind>"
)
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.2
_LATELY = 10.0
_PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses that a second attempt may not meet; a 500 is how wsgidav answers a lost race."""


def quoted(path: str) -> str:
    """A path for a URL: every character of a name is data."""
    return quote(path, safe="/", errors="surrogateescape")


@dataclass
class Answer:
    """What a server said, and whether it had to be asked again.

    After a second attempt "not there" may mean that the first one took effect.
    """

    response: httpx.Response
    again: bool


def request(
    http: httpx.Client,
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    content: Callable[[], Any] | None = None,
) -> Answer:
    """Make one request, twice more when the connection breaks or the server is busy.

    Args:
        http: The client.
        method: The HTTP method, one that may be repeated.
        url: Where.
        headers: Request headers.
        content: Makes the body, from its start.
    """
    import httpx

    for attempt in range(_ATTEMPTS):
        last = attempt == _ATTEMPTS - 1
        try:
            response = http.request(
                method,
                url,
                headers=dict(headers or {}),
                content=content() if content is not None else None,
                follow_redirects=method == "PROPFIND",
            )
        except httpx.TimeoutException:
            raise
        except httpx.TransportError:
            if last:
                raise
        else:
            if last or response.status_code not in _PASSING:
                return Answer(response, again=attempt > 0)
        time.sleep(_PAUSE_SECONDS * 4**attempt)
    raise AssertionError  # pragma: no cover - the loop returns or raises


@dataclass(frozen=True)
class Member:
    """One resource of a listing.

    Attributes:
        name: Its last path element, decoded once; empty for the collection asked about.
        is_folder: Whether it is a collection.
        status: HTTP status of this member alone, where the server gives one.
        size: Bytes.
        mtime: POSIX seconds of the last change.
        etag: The entity tag as the server spells it.
        content_type: Its media type.
        changed_lately: Whether it may have changed in the seconds before the answer, by the
            server's own clock; true where the server does not say.
    """

    name: str
    is_folder: bool
    status: int
    size: int = 0
    mtime: float | None = None
    etag: str | None = None
    content_type: str | None = None
    changed_lately: bool = True


def members(text: bytes, date: str | None = None) -> list[Member]:
    """The resources of a 207 answer, the one asked about first.

    Args:
        text: The answer's body.
        date: Its ``Date``, as the server spells it.

    Raises:
        xml.etree.ElementTree.ParseError: It is not XML, so not WebDAV's.
    """
    found: list[tuple[list[str], ET.Element]] = []
    for response in ET.fromstring(text).iter("{DAV:}response"):  # noqa: S314 - expat stops bombs
        href = (response.findtext("{DAV:}href") or "").strip()
        path = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/]*", "", href).strip("/")
        found.append((path.split("/") if path else [], response))
    found.sort(key=lambda one: len(one[0]))
    depth = len(found[0][0]) if found else 0
    now = parsedate_to_datetime(date).timestamp() if date else None
    return [
        _member("" if len(path) == depth else path[-1], response, now)
        for path, response in found
        if len(path) <= depth + 1
    ]


def _member(name: str, response: ET.Element, now: float | None) -> Member:
    properties: dict[str, ET.Element] = {}
    for propstat in response.iter("{DAV:}propstat"):
        if _status(propstat) in (0, 200):
            properties.update((p.tag, p) for prop in propstat.iter("{DAV:}prop") for p in prop)

    def text(tag: str) -> str | None:
        element = properties.get("{DAV:}" + tag)
        return (element.text or None) if element is not None else None

    kind = properties.get("{DAV:}resourcetype")
    changed = text("getlastmodified")
    mtime = parsedate_to_datetime(changed).timestamp() if changed else None
    return Member(
        name=unquote(name, errors="surrogateescape"),
        is_folder=kind is not None and kind.find("{DAV:}collection") is not None,
        status=_status(response),
        size=int(text("getcontentlength") or 0),
        mtime=mtime,
        etag=text("getetag"),
        content_type=text("getcontenttype"),
        changed_lately=mtime is None or now is None or now - mtime < _LATELY,
    )


def _status(element: ET.Element) -> int:
    line = element.findtext("{DAV:}status") or ""
    code = line.split()[1:2]
    return int(code[0]) if code else 0


@dataclass(frozen=True)
class Range:
    """A part of a file as HTTP can ask for it without its size.

    Attributes:
        start: First byte; negative counts from the end.
        end: The byte after the last, or None for all that follow.
        size: Size of the file that it was worked out for, where it was.
    """

    start: int
    end: int | None
    size: int | None = None

    @classmethod
    def of(cls, start: int | None, end: int | None) -> Range | None:
        """The range ``[start:end]``; None when only the size can tell what it is."""
        start = start or 0
        if end is not None and (start < 0 or end <= start):
            return None
        return cls(start, end)

    @property
    def header(self) -> dict[str, str]:
        """The request header; empty for the whole file."""
        if not self.start and self.end is None:
            return {}
        if self.start < 0:
            return {"Range": f"bytes={self.start}"}
        return {"Range": f"bytes={self.start}-{'' if self.end is None else self.end - 1}"}

    def fetch(self, response: httpx.Response, content: io.BytesIO) -> bytes:
        """The range's bytes from a streamed answer, which may be the whole file.

        Args:
            response: The answer.
            content: A buffer to use. Made by one thread for all, it keeps the memory of
                many worker threads from growing by a read's size each.
        """
        whole = response.status_code == 200 and bool(self.header)  # noqa: PLR2004 - HTTP's own
        skip = max(self.start, 0) if whole else 0
        end = self.end if whole else None
        at = 0
        content.seek(0)
        for piece in response.iter_bytes():
            content.write(piece[max(skip - at, 0) : None if end is None else max(end - at, 0)])
            at += len(piece)
            if end is not None and at >= end:
                break  # the server does not do ranges: leave the rest
        content.truncate()
        data = content.getvalue()
        return data[self.start :] if whole and self.start < 0 else data

    def size_differs(self, response: httpx.Response) -> bool:
        """Whether the file has another size than the range was worked out for."""
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        return self.size is not None and total.isdigit() and int(total) != self.size
