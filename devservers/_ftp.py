"""The FTP server's program: ``python _ftp.py host port folder username password``.

pyftpdlib's own command cannot run one thread a connection, and without that one slow client holds
up all the others.
"""

from __future__ import annotations

import sys


def main(host: str, port: str, folder: str, username: str, password: str) -> None:
    """Serves `folder` for ever."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import ThreadedFTPServer

    class Handler(FTPHandler):  # type: ignore[misc] # pyftpdlib ships no types
        authorizer = DummyAuthorizer()

    Handler.authorizer.add_user(username, password, folder, perm="elradfmwMT")
    ThreadedFTPServer((host, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
