"""Azure Blob Storage: Azurite, read back with azure-storage-blob."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from devservers.areas import Area, Config, fresh_name, join_url
from devservers.base import HOST, MissingProgram, Server, find_program, http_answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azure.storage.blob import BlobServiceClient, ContainerClient

    from devservers.proxy import Proxy

ACCOUNT = "devstoreaccount1"
# Published by Microsoft for every Azurite: opens nothing but an emulator.
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_REPOSITORY = Path(__file__).parent.parent
_MAIN = "node_modules/azurite/dist/src/blob/main.js"
_HOW_TO_GET = "run: make azurite  (npm install --prefix .tools azurite)"


def connection_string(port: int) -> str:
    """What Azure's own clients take to reach an Azurite on `port`."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint=http://{HOST}:{port}/{ACCOUNT};"
    )


class AzureStore:
    """One container through azure-storage-blob."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    def read(self, key: str) -> bytes:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return self._container.download_blob(key).readall()
        except ResourceNotFoundError:
            raise FileNotFoundError(key) from None

    def write(self, key: str, data: bytes) -> None:
        self._container.upload_blob(key, data, overwrite=True)

    def delete(self, key: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            self._container.delete_blob(key)
        except ResourceNotFoundError:
            raise FileNotFoundError(key) from None

    def keys(self, prefix: str = "") -> list[str]:
        return sorted(blob.name for blob in self._container.list_blobs(name_starts_with=prefix))

    def exists(self, key: str) -> bool:
        return self._container.get_blob_client(key).exists()

    def size(self, key: str) -> int:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            size: int = self._container.get_blob_client(key).get_blob_properties().size
        except ResourceNotFoundError:
            raise FileNotFoundError(key) from None
        return size


class AzureArea(Area):
    """One container."""

    def backend_config(self, *, via: Proxy | None = None) -> Config:
        """``azure`` by connection string, the only way to a server without TLS."""
        return {
            "backend_type": "azure",
            "backend_options": {
                "container": self.container,
                "hns": False,
                "connection_string": connection_string(self._port(via)),
            },
        }

    def url_config(self, folder: str = "", *, via: Proxy | None = None) -> Config:
        """An ``abfs:`` URL with adlfs's options."""
        return {
            "url": join_url(f"abfs://{self.container}", folder),
            "storage_options": {"connection_string": connection_string(self._port(via))},
        }


class AzureServer(Server):
    """Azure Blob Storage as Azurite serves it; empty again after a restart.

    Azurite comes from `make azurite`, or from the file that the variable ``AZURITE_MAIN`` names.
    """

    name: ClassVar[str] = "azure"

    def command(self) -> Sequence[str]:
        """Azurite's blob service under node."""
        main = Path(os.environ.get("AZURITE_MAIN") or _REPOSITORY / ".tools" / _MAIN)
        if not main.is_file():
            raise MissingProgram(f"Azurite is not at {main}; {_HOW_TO_GET}")
        node = find_program(["node", str(_REPOSITORY / ".tools/node/bin/node")], _HOW_TO_GET)
        listen = ["--blobHost", self.host, "--blobPort", str(self.port)]
        # The SDK speaks newer API versions than Azurite lists, and nothing may leave the machine.
        manners = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
        return [node, str(main), *listen, *manners, "--silent"]

    def is_ready(self) -> bool:
        """Any HTTP answer: without credentials it is a 400."""
        return http_answers(self.host, self.port)

    def new_area(self, name: str = "area") -> AzureArea:
        """A fresh container."""
        container = fresh_name(name)
        client = self.client().create_container(container)
        return AzureArea(self.name, container, AzureStore(client), self.port)

    def client(self) -> BlobServiceClient:
        """An azure-storage-blob client of this server."""
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient.from_connection_string(connection_string(self.port))
