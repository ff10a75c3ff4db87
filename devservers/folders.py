"""Servers of a folder on disk: FTP, WebDAV, and plain HTTP that only reads."""

from __future__ import annotations

import json
import sys
from abc import abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from devservers.areas import Area, Config, FolderStore, fresh_name, join_url
from devservers.base import HOST, MissingProgram, Server, greets, http_answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devservers.proxy import Proxy

USERNAME = "devserver"
PASSWORD = "devserver-password"


class FolderServer(Server):
    """Serves `folder` of the workspace; files stay where they are across restarts."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.folder = self.workspace / "files"
        self.folder.mkdir()

    def _make_folder(self, name: str) -> Path:
        folder = self.folder / fresh_name(name)
        folder.mkdir()
        return folder

    @abstractmethod
    def new_area(self, name: str = "area") -> FolderArea:
        """A fresh folder below the served one."""


class FolderArea(Area):
    """One folder of a server; `container` is its name there."""

    def __init__(self, server: FolderServer, folder: Path) -> None:
        super().__init__(server.name, folder.name, FolderStore(folder), server.port)


class FTPArea(FolderArea):
    """One folder of the FTP server."""

    def url_config(self, folder: str = "", *, via: Proxy | None = None) -> Config:
        """An ``ftp:`` URL; through a proxy only the control connection is redirected."""
        address = f"ftp://{HOST}:{self._port(via)}/{self.container}"
        return {
            "url": join_url(address, folder),
            "storage_options": {"username": USERNAME, "password": PASSWORD},
        }


class FTPServer(FolderServer):
    """FTP as pyftpdlib serves it, with a user name and a password."""

    name: ClassVar[str] = "ftp"
    scheme: ClassVar[str] = "ftp"
    speaks_http: ClassVar[bool] = False

    def command(self) -> Sequence[str]:
        """pyftpdlib, one thread a connection."""
        _require("pyftpdlib", "pip install pyftpdlib")
        program = [sys.executable, str(Path(__file__).with_name("_ftp.py"))]
        return [*program, self.host, str(self.port), str(self.folder), USERNAME, PASSWORD]

    def is_ready(self) -> bool:
        """FTP greets with 220."""
        return greets(self.host, self.port, b"220")

    def new_area(self, name: str = "area") -> FTPArea:
        """A fresh folder below the served one."""
        return FTPArea(self, self._make_folder(name))


class WebDAVArea(FolderArea):
    """One collection of the WebDAV server."""

    def url_config(self, folder: str = "", *, via: Proxy | None = None) -> Config:
        """A ``webdav:`` URL with webdav4's options: the server's address is one of them."""
        return {
            "url": join_url(f"webdav://{self.container}", folder),
            "storage_options": {
                "base_url": f"http://{HOST}:{self._port(via)}",
                "auth": (USERNAME, PASSWORD),
            },
        }


class WebDAVServer(FolderServer):
    """WebDAV as wsgidav serves it, with a user name and a password."""

    name: ClassVar[str] = "webdav"

    def command(self) -> Sequence[str]:
        """The wsgidav program under cheroot, configured by a file."""
        _require("wsgidav", "pip install wsgidav cheroot")
        _require("cheroot", "pip install cheroot")
        config = self.workspace / "wsgidav.json"
        config.write_text(
            json.dumps(
                {
                    "host": self.host,
                    "port": self.port,
                    "server": "cheroot",
                    "provider_mapping": {"/": str(self.folder)},
                    "simple_dc": {"user_mapping": {"*": {USERNAME: {"password": PASSWORD}}}},
                    "http_authenticator": {"accept_digest": False, "default_to_digest": False},
                    "logging": {"enable": False},
                    "verbose": 1,
                }
            )
        )
        return [sys.executable, "-m", "wsgidav.server.server_cli", "--config", str(config)]

    def is_ready(self) -> bool:
        """Any HTTP answer: without credentials it is a 401."""
        return http_answers(self.host, self.port)

    def new_area(self, name: str = "area") -> WebDAVArea:
        """A fresh collection."""
        return WebDAVArea(self, self._make_folder(name))


class HTTPArea(FolderArea):
    """One folder behind plain HTTP: readable, never writable."""

    def url_config(self, folder: str = "", *, via: Proxy | None = None) -> Config:
        """An ``http:`` URL."""
        address = f"http://{HOST}:{self._port(via)}/{self.container}"
        return {"url": join_url(address, folder), "storage_options": {}}


class ReadOnlyHTTPServer(FolderServer):
    """Python's own file server: what a destination that cannot hold logs looks like."""

    name: ClassVar[str] = "http"

    def command(self) -> Sequence[str]:
        """``python -m http.server``."""
        program = [sys.executable, "-m", "http.server", str(self.port)]
        return [*program, "--bind", self.host, "--directory", str(self.folder)]

    def is_ready(self) -> bool:
        """It lists its folder."""
        return http_answers(self.host, self.port)

    def new_area(self, name: str = "area") -> HTTPArea:
        """A fresh folder below the served one."""
        return HTTPArea(self, self._make_folder(name))


def _require(module: str, how_to_get: str) -> None:
    if find_spec(module) is None:
        raise MissingProgram(f"{module} is not installed; run: {how_to_get}")
