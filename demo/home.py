"""The throwaway ``DAGSTER_HOME``: where everything of one demo lies, and its ``dagster.yaml``."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from demo.printed import FOLDER_VARIABLE, RUN_LOG_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY: Final = Path(__file__).resolve().parent.parent
STAGING_VARIABLE: Final = "DEMO_STAGING"
UPLOAD_SECONDS: Final = 1

# Whatever configures a storage library or Dagster from outside would make this another demo.
_FOREIGN: Final = ("AWS_", "AZURE_", "GOOGLE_", "FSSPEC_", "DAGSTER_")
_HEADER: Final = """\
# Written by `make demo`. Secrets are not in here: they come from the environment.
"""


class Home:
    """The folder of one demo.

    Args:
        folder: Made anew by `create`; everything below is the demo's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.dagster_home = self.folder / "home"
        self.printed = self.folder / "printed"
        self.found = self.folder / "found"
        self.store = self.folder / "store"
        self.result = self.folder / "result.json"
        self.run_log = self.folder / "run.log"
        self.server_log = self.folder / "webserver.log"
        self.dagster_yaml = self.dagster_home / "dagster.yaml"
        self._destination = self.folder / "destination"

    def create(self, destination: str) -> None:
        """Starts from an empty folder.

        Raises:
            FileExistsError: Something else lies there; it is left alone.
        """
        if self.folder.exists():
            if any(self.folder.iterdir()) and not self._destination.exists():
                raise FileExistsError(f"{self.folder} holds something that no demo made")
            shutil.rmtree(self.folder)
        for folder in (self.dagster_home, self.printed, self.found):
            folder.mkdir(parents=True)
        self._destination.write_text(destination + "\n")

    def destination(self) -> str | None:
        """What the last demo in this folder stored to; ``None`` when there was none."""
        if not self.dagster_yaml.exists():
            return None
        return self._destination.read_text().strip()

    def last_result(self) -> dict[str, Any] | None:
        """What the last demo in this folder wrote; ``None`` when it did not come to its end."""
        if not self.result.exists():
            return None
        found: dict[str, Any] = json.loads(self.result.read_text(encoding="utf-8"))
        return found

    def write_config(self, location: Mapping[str, Any]) -> None:
        """Writes ``dagster.yaml``.

        Args:
            location: ``backend_type`` and so on, or ``url`` and so on, as the manager takes them.
        """
        import yaml

        config = {
            **location,
            "local_dir": {"env": STAGING_VARIABLE},
            "upload_interval": UPLOAD_SECONDS,
        }
        instance = {
            "compute_logs": {
                "module": "remote_store_fsspec.dagster",
                "class": "RemoteStoreComputeLogManager",
                "config": config,
            },
            # Without this, runs from the UI wait in a queue for a daemon that the demo has not.
            "run_coordinator": {
                "module": "dagster._core.run_coordinator",
                "class": "DefaultRunCoordinator",
            },
            "telemetry": {"enabled": False},
            "nux": {"enabled": False},  # a throwaway instance must not ask for an address
        }
        text = yaml.safe_dump(instance, sort_keys=False, width=100, allow_unicode=True)
        self.dagster_yaml.write_text(_HEADER + text, encoding="utf-8")

    def environment(self, who: str, secrets: Mapping[str, str]) -> dict[str, str]:
        """The environment of one process.

        Args:
            who: Names the process; each stages in a folder of its own, as on machines of their own.
            secrets: What ``dagster.yaml`` refers to.
        """
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        paths = [str(REPOSITORY), *filter(None, [kept.get("PYTHONPATH")])]
        return {
            **kept,
            **secrets,
            "DAGSTER_HOME": str(self.dagster_home),
            "AWS_EC2_METADATA_DISABLED": "true",
            # A proxy for the outside world must not stand before servers on loopback.
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            # Whatever the terminal's locale says: the steps print every script.
            "PYTHONIOENCODING": "utf-8",
            "PYTHONPATH": os.pathsep.join(paths),
            STAGING_VARIABLE: str(self.folder / "staging" / who),
            FOLDER_VARIABLE: str(self.printed),
            RUN_LOG_VARIABLE: str(self.run_log),
        }
