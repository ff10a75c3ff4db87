"""An FTP server with habits of other servers: ``python odd_ftp_server.py host port folder kind``.

A program of its own, because pyftpdlib loads what Python has deprecated.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar


def main(host: str, port: str, folder: str, kind: str) -> None:
    """Serves `folder` to the user ``u`` for ever."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import ThreadedFTPServer

    class Handler(FTPHandler):
        authorizer = DummyAuthorizer()

    class WithoutMLSD(Handler):
        """As vsftpd 3, which has no lists made for programs."""

        proto_cmds: ClassVar[dict[str, Any]] = {
            name: what
            for name, what in FTPHandler.proto_cmds.items()
            if name not in {"MLSD", "MLST", "OPTS"}
        }

    class OnWindows(Handler):
        """Refuses to rename over a file."""

        def ftp_RNTO(self, path: str) -> object:  # noqa: N802 - pyftpdlib's name
            if Path(path).exists():
                self.respond("550 Cannot create a file when that file already exists.")
                return None
            return super().ftp_RNTO(path)

    class Impatient(Handler):
        """Hangs up on who says nothing for a second."""

        timeout = 1

    Handler.authorizer.add_user("u", "p", folder, perm="elradfmwMT")
    for name, permissions in (("listed", "el"), ("closed", "")):
        inside = Path(folder, "area", name)
        if inside.is_dir():
            Handler.authorizer.override_perm("u", str(inside), permissions)
    kinds = {"plain": Handler, "without MLSD": WithoutMLSD, "on Windows": OnWindows}
    handler = kinds.get(kind, Impatient)
    ThreadedFTPServer((host, int(port)), handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
