"""FTP's commands for :mod:`~remote_store_fsspec.backends.ftp`, on a connection of ``ftplib``."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from ftplib import error_perm, error_temp
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from ftplib import FTP

    from remote_store_fsspec.backends.base import Info

__all__ = ["Facts", "info_of", "list_folder", "look_at", "reply_code", "retrieve", "speaks_mlst"]

Facts = dict[str, str]
"""RFC 3659's facts of a file: ``type`` (``file``, ``dir``), ``size``, ``modify``."""
_BLOCK = 2**16


class _Enough(Exception):  # noqa: N818 - the end of a range, not an error
    """Ends a transfer that has brought what was asked for."""


def speaks_mlst(ftp: FTP) -> bool:
    """Whether the server lists in the form made for programs (RFC 3659)."""
    try:
        features = ftp.sendcmd("FEAT")
    except error_perm:
        return False
    return any(line.split()[:1] == ["MLST"] for line in features.splitlines())


def look_at(ftp: FTP, path: str, *, mlst: bool) -> Facts:
    """The facts of one path.

    Raises:
        ftplib.error_perm: It is not there, or may not be looked at.
    """
    if mlst:
        lines = ftp.sendcmd(f"MLST {path}").splitlines()
        return _parse(lines[1].lstrip(" "))[1]
    try:
        facts = {"type": "file", "size": str(ftp.size(path) or 0)}
    except error_perm:
        with _inside(ftp, path):
            return {"type": "dir"}
    with suppress(error_perm):
        facts["modify"] = ftp.sendcmd(f"MDTM {path}").split()[1]
    return facts


def list_folder(ftp: FTP, path: str, *, mlst: bool) -> dict[str, Facts]:
    """Names and facts of what lies in a folder.

    Without MLSD, as on vsftpd, each name is looked at in turn, because the listing made
    for people differs from server to server.

    Raises:
        ftplib.error_perm: It is not a folder, or may not be listed.
    """
    if mlst:
        entries = dict(_parse(line) for line in _lines(ftp, f"MLSD {path}"))
        return {name: facts for name, facts in entries.items() if facts["type"] in _LISTED}
    with _inside(ftp, path):
        try:
            lines = _lines(ftp, "NLST")
        except error_perm:
            lines = []  # how some servers say that there is nothing
    found = {}
    for name in lines:
        last = name.rpartition("/")[2]
        if last not in ("", ".", ".."):
            with suppress(error_perm):
                found[last] = look_at(ftp, f"{path.rstrip('/')}/{last}", mlst=False)
    return found


_LISTED = ("file", "dir", "other")


@contextmanager
def _inside(ftp: FTP, path: str) -> Iterator[None]:
    """Stand in a folder, and never stay: servers lose their footing when it is deleted."""
    ftp.cwd(path)
    try:
        yield
    finally:
        with suppress(error_perm):
            ftp.cwd("/")


def _lines(ftp: FTP, command: str) -> list[str]:
    """A listing's lines, as binary data: in text mode a server refuses the next SIZE."""
    listing = bytearray()
    ftp.retrbinary(command, listing.extend)
    text = bytes(listing).decode("utf-8", "surrogateescape")
    return [line for line in text.split("\r\n") if line]


def _parse(line: str) -> tuple[str, Facts]:
    """One line of MLST or MLSD: ``type=file;size=3; name``."""
    listed, _, name = line.partition(" ")
    facts = {}
    for fact in listed.split(";"):
        key, _, value = fact.partition("=")
        facts[key.lower()] = value
    kind = facts.get("type", "").lower()
    if kind not in ("file", "dir", "cdir", "pdir"):
        kind = "other"
    facts["type"] = kind
    return name, facts


def retrieve(
    ftp: FTP, path: str, low: int, high: int | None, take: Callable[[bytes], object]
) -> None:
    """Hand the bytes ``[low, high)`` of a file to ``take``, fewer when it ends before.

    FTP has no end of a range: the transfer is cut off when enough has come, and what the
    sockets hold by then has travelled for nothing. A transfer to the end of the file counts
    as whole when the server says so, in its reply after the last byte.

    Args:
        ftp: The connection.
        path: The file.
        low: First byte.
        high: The byte after the last; None for the end of the file.
        take: Called with each piece.
    """
    left = None if high is None else high - low

    def piece(data: bytes) -> None:
        nonlocal left
        if left is None:
            take(data)
            return
        data = data[:left]
        left -= len(data)
        take(data)
        if not left:
            raise _Enough

    block = _BLOCK if left is None else min(_BLOCK, left)
    try:
        ftp.retrbinary(f"RETR {path}", piece, block, low or None)
    except _Enough:
        with suppress(error_temp, error_perm):  # "transfer aborted", or not even noticed
            ftp.voidresp()


def info_of(key: str, facts: Facts) -> Info:
    """A server's facts as ours."""
    kind = {"dir": "directory", "cdir": "directory", "file": "file"}.get(facts["type"], "other")
    info: Info = {"name": key, "size": int(facts.get("size") or 0), "type": kind}
    if kind != "file":
        info["size"] = 0
    if modified := facts.get("modify"):
        moment = datetime.strptime(modified[:14], "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)
        info["mtime"] = moment.timestamp()
    return info


def reply_code(exc: BaseException | None) -> str:
    """The three digits of the reply that a server refused with; empty for anything else."""
    return str(exc)[:3] if isinstance(exc, (error_perm, error_temp)) else ""
