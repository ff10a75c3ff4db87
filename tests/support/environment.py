"""Keeps the machine's own credentials and settings out of the tests."""

from __future__ import annotations

import os

_FOREIGN = ("AWS_", "AZURE_", "GOOGLE_", "GCSFS_", "FSSPEC_", "SFTP_", "REMOTE_STORE_", "DAGSTER_")
_KEPT = ("AZURITE_MAIN",)


def isolate() -> None:
    """Removes every variable that would configure a storage library or Dagster from outside."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN) and name not in _KEPT:
            del os.environ[name]
    nowhere = os.path.join(os.sep, "nonexistent")  # noqa: PTH118 - a value, never opened
    os.environ.update(
        {
            # Credentials of the person who runs this would turn a "no credentials" test around,
            # and looking for those of a cloud machine takes seconds of waiting.
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
            "AWS_CONFIG_FILE": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
            "FSSPEC_CONFIG_DIR": nowhere,
            "NO_GCE_CHECK": "true",
            # gcsfs reads this when it is imported; see devservers.gcs.
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            "DAGSTER_DISABLE_TELEMETRY": "yes",
        }
    )
