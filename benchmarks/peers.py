"""Other managers that cannot be configured for a server on loopback."""

from __future__ import annotations

from typing import Any


def dagster_azure_on_azurite(*, connection: str, **config: Any) -> Any:
    """dagster-azure's manager; it builds only ``https://<account>.blob.<suffix>`` by itself.

    Only the function that makes its client is exchanged: for the same client of Azure's SDK, made
    from a connection string.
    """
    from azure.storage.blob import BlobServiceClient
    from dagster_azure.blob import compute_log_manager as module

    def create_blob_client(*_: object) -> BlobServiceClient:
        return BlobServiceClient.from_connection_string(connection)

    vars(module)["create_blob_client"] = create_blob_client
    account, _, rest = connection.partition("AccountName=")[2].partition(";")
    key = rest.partition("AccountKey=")[2].partition(";")[0]
    return module.AzureBlobComputeLogManager(
        storage_account=account, access_key_or_sas_token=key, **config
    )
