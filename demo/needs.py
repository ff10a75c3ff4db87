"""What each destination needs to be installed, said in one `pip` line when it is not."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

# The modules to import, and what brings them.
_DAGSTER: Final = {"dagster": "dagster"}
_EXTRAS: Final[dict[str, dict[str, str]]] = {
    "local": {},
    "s3": {"s3fs": "s3"},
    "azure": {"adlfs": "azure"},
    "sftp": {"sshfs": "sftp"},
}
_OTHERS: Final[dict[str, dict[str, str]]] = {
    "local": {},
    "s3": {"boto3": "boto3", "moto": "moto[server]", "flask": "moto[server]"},
    "azure": {"azure.storage.blob": "azure-storage-blob"},
    "sftp": {},
}
DESTINATIONS: Final = tuple(_EXTRAS)


class SetupError(Exception):
    """The demo cannot start; the message says what is missing and how to get it."""


def require(destination: str, *, webserver: bool) -> None:
    """Returns when everything that can be installed with pip is.

    Raises:
        SetupError: Something is not.
    """
    extras = {**_DAGSTER, **_EXTRAS[destination]}
    others = dict(_OTHERS[destination])
    if webserver:
        others["dagster_webserver"] = "dagster-webserver"
    missing = [name for name in (*extras, *others) if not _is_there(name)]
    if not missing:
        return
    package = f".[{','.join(extras.values())}]"
    wanted = [package] if set(missing) & set(extras) else []
    wanted += [requirement for name, requirement in others.items() if name in missing]
    line = " ".join(f'"{word}"' if "[" in word else word for word in dict.fromkeys(wanted))
    raise SetupError(
        f"not installed: {', '.join(missing)}; run in the checkout: pip install {line}"
        f"   (make demo DEST={destination} does that by itself)"
    )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False
