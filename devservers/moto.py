"""S3: moto's server, read back with boto3."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, ClassVar

from devservers.areas import Area, Config, fresh_name, join_url
from devservers.base import HOST, MissingProgram, Server, http_answers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_s3 import S3Client

    from devservers.proxy import Proxy

ACCESS_KEY = "devserver-key"
SECRET_KEY = "devserver-secret"
REGION = "us-east-1"


class S3Store:
    """One bucket through boto3."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def read(self, key: str) -> bytes:
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            raise FileNotFoundError(key) from None

    def write(self, key: str, data: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=data)

    def delete(self, key: str) -> None:
        self._require(key)
        self._client.delete_object(Bucket=self._bucket, Key=key)

    def keys(self, prefix: str = "") -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        return sorted(item["Key"] for page in pages for item in page.get("Contents", []))

    def exists(self, key: str) -> bool:
        return key in self.keys(key)

    def size(self, key: str) -> int:
        self._require(key)
        return self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"]

    def _require(self, key: str) -> None:
        if not self.exists(key):
            raise FileNotFoundError(key)


class S3Area(Area):
    """One bucket."""

    def backend_config(self, *, via: Proxy | None = None) -> Config:
        """``s3`` with its keys and the server's address."""
        return {
            "backend_type": "s3",
            "backend_options": {
                "bucket": self.container,
                "endpoint_url": f"http://{HOST}:{self._port(via)}",
                "key": ACCESS_KEY,
                "secret": SECRET_KEY,
                "region_name": REGION,
            },
        }

    def url_config(self, folder: str = "", *, via: Proxy | None = None) -> Config:
        """An ``s3:`` URL with s3fs's options."""
        return {
            "url": join_url(f"s3://{self.container}", folder),
            "storage_options": {
                "endpoint_url": f"http://{HOST}:{self._port(via)}",
                "key": ACCESS_KEY,
                "secret": SECRET_KEY,
                "client_kwargs": {"region_name": REGION},
            },
        }


class S3Server(Server):
    """S3 as moto serves it: any key is accepted; empty again after a restart."""

    name: ClassVar[str] = "s3"

    def command(self) -> Sequence[str]:
        """Moto's server, from the same environment as this process."""
        from importlib.util import find_spec

        if find_spec("moto") is None or find_spec("flask") is None:
            raise MissingProgram('moto is not installed; run: pip install "moto[server]" boto3')
        return [sys.executable, "-m", "moto.server", "-H", self.host, "-p", str(self.port)]

    def environment(self) -> Mapping[str, str]:
        """Keeps moto off the network: it has a use for the real AWS otherwise."""
        return {"AWS_EC2_METADATA_DISABLED": "true"}

    def is_ready(self) -> bool:
        """Moto answers its own status page."""
        return http_answers(self.host, self.port, "/moto-api/")

    def new_area(self, name: str = "area") -> S3Area:
        """A fresh bucket."""
        bucket = fresh_name(name)
        client = self.client()
        client.create_bucket(Bucket=bucket)
        return S3Area(self.name, bucket, S3Store(client, bucket), self.port)

    def client(self) -> S3Client:
        """A boto3 client of this server."""
        import boto3
        from botocore.config import Config as BotoConfig

        session = boto3.session.Session(
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION
        )
        return session.client(
            "s3",
            endpoint_url=self.url,
            config=BotoConfig(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}),
        )
