"""A store in memory whose requests fail on demand, before or after they took effect."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_store_fsspec.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class FaultyFiles:
    """Objects by path; atomic like an object store.

    Attributes:
        objects: What is stored.
        faults: ``"ok"``, ``"before"`` or ``"after"`` for each of the next requests; ``"ok"`` when
            it is empty.
        requests: The requests made, by name.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.faults: deque[str] = deque()
        self.requests: list[str] = []

    def _request(self, name: str, effect: Callable[[], Any]) -> Any:
        self.requests.append(name)
        fault = self.faults.popleft() if self.faults else "ok"
        if fault == "before":
            raise StoreUnavailableError(f"{name} refused", url="faulty://")
        answer = effect()
        if fault == "after":
            raise StoreUnavailableError(f"{name} answer lost", url="faulty://")
        return answer

    def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        content: bytes = self._request("cat", lambda: self._object(path))
        return content[start:end]

    def cat_ranges(
        self, paths: list[str], starts: Any, ends: Any, *, on_error: str = "return"
    ) -> list[bytes | Exception]:
        answers: list[bytes | Exception] = []
        for path, start, end in zip(paths, starts, ends, strict=True):
            try:
                answers.append(self.cat_file(path, start, end))
            except Exception as exc:
                answers.append(exc)
        return answers

    def pipe_file(
        self,
        path: str,
        value: bytes,
        mode: str = "overwrite",
        *,
        write_options: Mapping[str, Any] | None = None,
    ) -> None:
        if mode == "create" and path in self.objects:
            raise ObjectExistsError("exists", url=path)
        self._request("put", lambda: self.objects.__setitem__(path, value))

    def put_file(
        self, lpath: str, rpath: str, *, write_options: Mapping[str, Any] | None = None
    ) -> None:
        content = Path(lpath).read_bytes()
        self._request("put", lambda: self.objects.__setitem__(rpath, content))

    def get_file(self, rpath: str, lpath: str) -> None:
        content = self._request("cat", lambda: self._object(rpath))
        Path(lpath).write_bytes(content)

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        *,
        detail: bool = False,
        prefix: str = "",
    ) -> Any:
        found = self._request(
            "list",
            lambda: {
                name: {"name": name, "size": len(content), "type": "file", "mtime": time.time()}
                for name, content in sorted(self.objects.items())
                if name.startswith(f"{path}/{prefix}")
                and (maxdepth is None or "/" not in name[len(path) + 1 :])
            },
        )
        return found if detail else list(found)

    def rm_files(self, paths: Sequence[str], *, missing_ok: bool = False) -> None:
        self._request("delete", lambda: [self.objects.pop(path, None) for path in paths])

    def display_url(self, path: str) -> str:
        return f"faulty://{path}"

    def sign(self, path: str, expiration: int = 100) -> str:
        return f"faulty://{path}?{expiration}"

    def _object(self, path: str) -> bytes:
        if path not in self.objects:
            raise ObjectNotFoundError("no such object", url=path)
        return self.objects[path]
