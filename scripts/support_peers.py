"""The configurations of other people's managers for the servers of a support matrix."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from conformance.managers import ManagerSpec
from devservers.azurite import connection_string
from devservers.moto import ACCESS_KEY, REGION, SECRET_KEY

if TYPE_CHECKING:
    from devservers import Area
    from devservers.proxy import Proxy

__all__ = ["spec"]


@dataclasses.dataclass(frozen=True)
class _AWS(ManagerSpec):
    """dagster-aws takes no keys: they come from the environment."""

    def build(self, **overrides: Any) -> Any:
        """The manager, with the credentials where boto3 looks."""
        os.environ.update(
            AWS_ACCESS_KEY_ID=ACCESS_KEY,
            AWS_SECRET_ACCESS_KEY=SECRET_KEY,
            AWS_DEFAULT_REGION=REGION,
            AWS_EC2_METADATA_DISABLED="true",
        )
        return super().build(**overrides)


@dataclasses.dataclass(frozen=True)
class _Azurite(ManagerSpec):
    """dagster-azure builds only https addresses: its client is made from a connection string.

    It is the same client of Azure's SDK, to a server on loopback.
    """

    connection: str = dataclasses.field(default="", repr=False)

    def build(self, **overrides: Any) -> Any:
        """The manager, whose client goes to Azurite."""
        from azure.storage.blob import BlobServiceClient
        from dagster_azure.blob import compute_log_manager as module

        def create_blob_client(*_: object) -> BlobServiceClient:
            return BlobServiceClient.from_connection_string(self.connection)

        vars(module)["create_blob_client"] = create_blob_client
        return super().build(**overrides)


@dataclasses.dataclass(frozen=True)
class _Emulated(ManagerSpec):
    """dagster-gcp takes no address: Google's client reads the emulator's from the environment."""

    address: str = ""

    def build(self, **overrides: Any) -> Any:
        """The manager, made while the variable names the emulator."""
        os.environ.update(STORAGE_EMULATOR_HOST=self.address, GOOGLE_CLOUD_PROJECT="project")
        return super().build(**overrides)


def spec(target: str, area: Area, via: Proxy | None, *, ours: bool) -> ManagerSpec:
    """How one manager is configured for an area."""
    port = via.port if via is not None else area.port
    address = f"http://127.0.0.1:{port}"
    if ours or target.startswith("remote_store.ext"):
        config = area.config(via=via)
        return ManagerSpec(target, {name: _plain(value) for name, value in config.items()})
    if target.startswith("dagster_aws"):
        return _AWS(target, {"bucket": area.container, "endpoint_url": address, "region": REGION})
    if target.startswith("dagster_obstore"):
        return ManagerSpec(
            target,
            {
                "bucket": area.container,
                "endpoint": address,
                "access_key_id": ACCESS_KEY,
                "secret_access_key": SECRET_KEY,
                "region": REGION,
                "allow_http": True,
            },
        )
    if target.startswith("dagster_azure"):
        connection = connection_string(port)
        account = connection.partition("AccountName=")[2].partition(";")[0]
        key = connection.partition("AccountKey=")[2].partition(";")[0]
        config = {
            "storage_account": account,
            "container": area.container,
            "access_key_or_sas_token": key,
        }
        return _Azurite(target, config, connection=connection)
    if target.startswith("dagster_gcp"):
        return _Emulated(target, {"bucket": area.container}, address=address)
    return ManagerSpec(target, {"base_dir": area.container})


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else value
