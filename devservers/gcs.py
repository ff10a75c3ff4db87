"""Google Cloud Storage: gcp-storage-emulator, read back through its JSON API."""

from __future__ import annotations

import http.client
import json
import sys
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote, urlencode

from devservers.areas import Area, Config, fresh_name, join_url
from devservers.base import HOST, MissingProgram, Server, http_answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devservers.proxy import Proxy

PROJECT = "devserver-project"
_HTTP_OK = 200
_HTTP_ERRORS = 400
_HTTP_NOT_FOUND = 404
_START = "from gcp_storage_emulator.__main__ import main; raise SystemExit(main())"


class GCSStore:
    """One bucket through the JSON API, without Google's libraries."""

    def __init__(self, port: int, bucket: str) -> None:
        self._port = port
        self._bucket = bucket

    def read(self, key: str) -> bytes:
        return self._call("GET", self._object(key) + "?alt=media", key=key)

    def write(self, key: str, data: bytes) -> None:
        query = urlencode({"uploadType": "media", "name": key})
        self._call("POST", f"/upload/storage/v1/b/{self._bucket}/o?{query}", data, key=key)

    def delete(self, key: str) -> None:
        self._call("DELETE", self._object(key), key=key)

    def keys(self, prefix: str = "") -> list[str]:
        names: list[str] = []
        token = ""
        while True:
            query = urlencode({"prefix": prefix, **({"pageToken": token} if token else {})})
            answer = json.loads(self._call("GET", f"/storage/v1/b/{self._bucket}/o?{query}"))
            names += [item["name"] for item in answer.get("items", [])]
            token = answer.get("nextPageToken", "")
            if not token:
                return sorted(names)

    def exists(self, key: str) -> bool:
        return key in self.keys(key)

    def size(self, key: str) -> int:
        return int(json.loads(self._call("GET", self._object(key), key=key))["size"])

    def _object(self, key: str) -> str:
        return f"/storage/v1/b/{self._bucket}/o/{quote(key, safe='')}"

    def _call(self, method: str, target: str, body: bytes = b"", *, key: str = "") -> bytes:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=30)
        try:
            headers = {"Content-Type": "application/octet-stream"} if body else {}
            connection.request(method, target, body=body, headers=headers)
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.status == _HTTP_NOT_FOUND:
            raise FileNotFoundError(key)
        if response.status >= _HTTP_ERRORS:
            raise OSError(f"{method} {target}: {response.status} {data[:200]!r}")
        return data


class GCSArea(Area):
    """One bucket."""

    def url_config(self, folder: str = "", *, via: Proxy | None = None) -> Config:
        """A ``gs:`` URL with gcsfs's options."""
        return {
            "url": join_url(f"gs://{self.container}", folder),
            "storage_options": {
                "endpoint_url": f"http://{HOST}:{self._port(via)}",
                "project": PROJECT,
                "token": "anon",
            },
        }


class GCSServer(Server):
    """GCS as gcp-storage-emulator serves it; empty again after a restart.

    Set ``GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=false`` before gcsfs is imported: its default class asks
    a Google service about every bucket first, which costs a minute a call here.
    """

    name: ClassVar[str] = "gs"

    def command(self) -> Sequence[str]:
        """The emulator, from the same environment as this process."""
        from importlib.util import find_spec

        if find_spec("gcp_storage_emulator") is None:
            raise MissingProgram(
                "gcp-storage-emulator is not installed; run: pip install gcp-storage-emulator"
            )
        listen = ["start", f"--host={self.host}", f"--port={self.port}", "--in-memory", "--quiet"]
        return [sys.executable, "-c", _START, *listen]

    def is_ready(self) -> bool:
        """Any HTTP answer."""
        return http_answers(self.host, self.port)

    def new_area(self, name: str = "area") -> GCSArea:
        """A fresh bucket."""
        bucket = fresh_name(name)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            body = json.dumps({"name": bucket})
            headers = {"Content-Type": "application/json"}
            connection.request("POST", f"/storage/v1/b?project={PROJECT}", body, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != _HTTP_OK:
            raise OSError(f"creating bucket {bucket}: {response.status} {answer[:200]!r}")
        return GCSArea(self.name, bucket, GCSStore(self.port, bucket), self.port)
