"""Where the demo's logs go, and a way to read them there that shares no code with this project."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from devservers import AzureServer, S3Server, SFTPServer, local_area

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from demo.home import Home
    from demo.screen import Screen
    from devservers import Area, Server

ROOT: Final = "compute-logs"
"""The root path of every destination."""

_SERVERS: Final[dict[str, tuple[type[Server], str, str]]] = {
    "s3": (S3Server, "moto", "boto3"),
    "azure": (AzureServer, "Azurite", "azure-storage-blob"),
    "sftp": (SFTPServer, "OpenSSH", "OpenSSH's own sftp"),
}
_SECRETS: Final = {"key", "secret", "connection_string", "pkey"}


@dataclass(frozen=True)
class Destination:
    """An empty place for logs.

    Attributes:
        title: What it is, for a person.
        config: The location part of the manager's configuration.
        secrets: The environment that `config` refers to.
        client: Name of the independent client behind `keys` and `fetch`.
        keys: Every object's key below the place.
        fetch: Copies the object of a key into a file.
    """

    title: str
    config: Mapping[str, Any]
    secrets: Mapping[str, str]
    client: str
    keys: Callable[[], list[str]]
    fetch: Callable[[str, Path], None]


@contextlib.contextmanager
def open_destination(name: str, home: Home, screen: Screen) -> Iterator[Destination]:
    """The destination, with its server running as long as the block.

    Raises:
        devservers.MissingProgram: The server's program is not here; says how to get it.
        devservers.ServerFailed: It did not start.
    """
    if name not in _SERVERS:
        area: Area = local_area(home.store)
        config = area.url_config(ROOT)
        title = f"a local folder, {config['url']}"
        yield Destination(title, config, {}, "plain files", area.raw.keys, _fetcher(area))
        return
    make, program, client = _SERVERS[name]
    server = make()
    with contextlib.ExitStack() as stack:
        with screen.working(f"starting {program}"):
            stack.enter_context(server)
            area = server.new_area("demo")
        config, secrets = _hide(area.config(ROOT))
        fetch = _sftp_fetcher(server, area) if isinstance(server, SFTPServer) else _fetcher(area)
        title = f"{program} at {server.url}, {area.container}"
        yield Destination(title, config, secrets, client, area.raw.keys, fetch)


def _fetcher(area: Area) -> Callable[[str, Path], None]:
    def fetch(key: str, target: Path) -> None:
        target.write_bytes(area.raw.read(key))

    return fetch


def _sftp_fetcher(server: SFTPServer, area: Area) -> Callable[[str, Path], None]:
    def fetch(key: str, target: Path) -> None:
        server.client().get(f"{area.container}/{key}", target)

    return fetch


def _hide(config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The configuration with ``{env: NAME}`` for its secrets, and the variables to set."""
    options: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    for option, value in config["backend_options"].items():
        if option in _SECRETS:
            variable = f"DEMO_{option.upper()}"
            secrets[variable] = str(value)
            options[option] = {"env": variable}
        else:
            options[option] = value
    return {**config, "backend_options": options}, secrets
