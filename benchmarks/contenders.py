"""Who runs: each manager on each store, configured as its documentation says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from devservers.azurite import connection_string
from devservers.moto import ACCESS_KEY, REGION, SECRET_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from devservers.areas import Area
    from devservers.proxy import Proxy

OURS: Final = "remote-store-fsspec"
_AWS_VARIABLES: Final = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Contender:
    """One manager on one store.

    Attributes:
        manager: The distribution that it comes from.
        store: ``s3``, ``azure``, ``sftp`` or ``local``.
        factory: ``module:attribute`` of what constructs it.
        where: The part of its configuration that says where logs go.
        environment: Variables that its process needs.
    """

    manager: str
    store: str
    factory: str
    where: Callable[[Area, Proxy | None], dict[str, Any]]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Unique: the manager and the store."""
        return f"{self.manager} on {self.store}"

    @property
    def is_ours(self) -> bool:
        """Whether it is this project's."""
        return self.manager == OURS


def _by_backend_type(area: Area, via: Proxy | None) -> dict[str, Any]:
    return area.config(via=via)


def _dagster_aws(area: Area, via: Proxy | None) -> dict[str, Any]:
    return {"bucket": area.container, "endpoint_url": _address(area, via)}


def _dagster_obstore(area: Area, via: Proxy | None) -> dict[str, Any]:
    return {
        "bucket": area.container,
        "endpoint": _address(area, via),
        "access_key_id": ACCESS_KEY,
        "secret_access_key": SECRET_KEY,
        "region": REGION,
        "allow_http": True,
    }


def _dagster_azure(area: Area, via: Proxy | None) -> dict[str, Any]:
    port = via.port if via else area.port
    return {"container": area.container, "connection": connection_string(port)}


def _address(area: Area, via: Proxy | None) -> str:
    return f"http://127.0.0.1:{via.port if via else area.port}"


def _ours(store: str) -> Contender:
    factory = "remote_store_fsspec.dagster:RemoteStoreComputeLogManager"
    return Contender(OURS, store, factory, _by_backend_type)


CONTENDERS: Final = (
    _ours("s3"),
    Contender(
        "dagster-aws",
        "s3",
        "dagster_aws.s3.compute_log_manager:S3ComputeLogManager",
        _dagster_aws,
        _AWS_VARIABLES,
    ),
    Contender(
        "dagster-obstore",
        "s3",
        "dagster_obstore.s3.compute_log_manager:S3ComputeLogManager",
        _dagster_obstore,
    ),
    Contender(
        "remote-store",
        "s3",
        "remote_store.ext.dagster:RemoteStoreComputeLogManager",
        _by_backend_type,
    ),
    _ours("azure"),
    Contender(
        "dagster-azure", "azure", "benchmarks.peers:dagster_azure_on_azurite", _dagster_azure
    ),
    _ours("sftp"),
    _ours("local"),
)
