"""The configuration of Dagster's components: its schema, and what people may see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._serdes import ConfigurableClassData as _DagsterData

from remote_store_fsspec.secrets import mask

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPTIONS: Any = dg.Permissive()  # type: ignore[no-untyped-call]  # Dagster's

__all__ = ["COMPUTE_LOG_FIELDS", "ConfigurableClassData", "masked"]

COMPUTE_LOG_FIELDS: Mapping[str, Any] = {
    "backend_type": dg.Field(
        dg.Noneable(dg.StringSource),
        is_required=False,
        description="Backend type: local, memory, s3, azure or sftp. Exactly one of this and url.",
    ),
    "backend_options": dg.Field(
        _OPTIONS,
        is_required=False,
        description="The backend type's options, by remote-store's names; {env: NAME} anywhere.",
    ),
    "url": dg.Field(
        dg.Noneable(dg.StringSource),
        is_required=False,
        description="Any fsspec URL, instead of a backend type.",
    ),
    "storage_options": dg.Field(
        _OPTIONS,
        is_required=False,
        description="The keywords of the library behind the URL; {env: NAME} anywhere.",
    ),
    "root_path": dg.Field(
        dg.StringSource,
        is_required=False,
        default_value="",
        description="Root below the bucket, container, base path or URL path.",
    ),
    "local_dir": dg.Field(
        dg.Noneable(dg.StringSource),
        is_required=False,
        description="Where captures are staged; a private folder of the user's in the system's "
        "temporary directory unless given.",
    ),
    "prefix": dg.Field(
        dg.StringSource,
        is_required=False,
        default_value="dagster",
        description="Folder of the logs below the root.",
    ),
    "skip_empty_files": dg.Field(
        dg.BoolSource,
        is_required=False,
        default_value=False,
        description="Do not store streams of zero bytes.",
    ),
    "upload_interval": dg.Field(
        dg.Noneable(dg.IntSource),
        is_required=False,
        default_value=None,
        description="Seconds between partial uploads; null uploads at the end only.",
    ),
    "download_urls": dg.Field(
        dg.StringSource,
        is_required=False,
        default_value="webserver",
        description="What the UI's download button uses: webserver, signed or none.",
    ),
    "show_url_only": dg.Field(
        dg.BoolSource,
        is_required=False,
        default_value=False,
        description="Let the UI link to the object instead of showing it.",
    ),
    "write_options": dg.Field(
        _OPTIONS,
        is_required=False,
        description="Extra keywords for each object written: encryption, storage class, content "
        "type.",
    ),
}


class ConfigurableClassData(_DagsterData):
    """Dagster's record of a component's configuration that shows itself without secrets.

    It has the name and the fields of the class that it stands in for, so that Dagster serialises
    it as such: the next process gets the whole configuration, a person gets the masked one.
    """

    def info_dict(self) -> Mapping[str, Any]:
        """What ``dagster instance info`` and the UI's Instance page show."""
        return {
            "module": self.module_name,
            "class": self.class_name,
            "config": mask(dict(self.config_dict)),
        }

    def __repr__(self) -> str:
        return f"ConfigurableClassData({dict(self.info_dict())!r})"


def masked(inst_data: _DagsterData | None) -> ConfigurableClassData | None:
    """The same record, showing itself without secrets."""
    if inst_data is None:
        return None
    return ConfigurableClassData(inst_data.module_name, inst_data.class_name, inst_data.config_yaml)
