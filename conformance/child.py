"""Actions that need a Python process of their own: memory peaks, forks, the end of the interpreter.

The parent sends the spec through the child's standard input, never through its arguments or its
environment, where every user of the machine could read the credentials.
"""

from __future__ import annotations

import atexit
import base64
import dataclasses
import hashlib
import json
import os
import pickle
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core import CaseFailed

if TYPE_CHECKING:
    from .spec import FilesystemSpec

__all__ = ["Report", "main", "run"]

_MARK = "conformance-result "
_MIB = 2**20


@dataclasses.dataclass(frozen=True)
class Report:
    """What the child left behind.

    Attributes:
        result: What the action returned; empty when it did not get that far.
        returncode: The process's exit code.
        errors: What it wrote to standard error.
    """

    result: Mapping[str, Any]
    returncode: int
    errors: str


def run(
    spec: FilesystemSpec, folder: str, action: str, arguments: Mapping[str, Any], *, seconds: float
) -> Report:
    """Run `action` in a new interpreter and wait for its end."""
    package = __package__ or "conformance"
    program = f"from {package}.child import main; main()"
    order = base64.b64encode(pickle.dumps((spec, folder, action, dict(arguments))))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    process = subprocess.Popen(
        [sys.executable, "-W", "always::ResourceWarning", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    try:
        out, err = process.communicate(order, timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        message = f"the process had not ended after {seconds:.0f} s and was killed"
        raise CaseFailed(message) from None
    result: Mapping[str, Any] = {}
    for line in out.decode(errors="replace").splitlines():
        if line.startswith(_MARK):
            result = json.loads(line[len(_MARK) :])
    return Report(result, process.returncode, err.decode(errors="replace").strip())


def main() -> None:
    """Read the order, act, print the result as one line."""
    spec, folder, action, arguments = pickle.loads(base64.b64decode(sys.stdin.buffer.read()))  # noqa: S301
    fs = spec.open().fs
    result = ACTIONS[action](fs, folder, **arguments)
    sys.stdout.write(_MARK + json.dumps(result or {}) + "\n")
    sys.stdout.flush()


def _write(fs: Any, path: str, data: bytes) -> None:
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    fs.pipe_file(path, data)


def plain_exit(fs: Any, folder: str) -> dict[str, Any]:
    """Use the filesystem, then fall off the end of the program."""
    global _kept  # noqa: PLW0603 - alive until the interpreter tears the modules down
    _kept = fs
    _write(fs, f"{folder}/x", b"data")
    with fs.open(f"{folder}/y", "wb") as stream:
        stream.write(b"more")
    with fs.open(f"{folder}/y", "rb") as stream:
        stream.read()
    return {"read": fs.cat_file(f"{folder}/x").decode(), "found": len(fs.find(folder))}


_kept: Any = None


def exit_with_open_writer(fs: Any, folder: str) -> dict[str, Any]:
    """End the program with a file still open for writing."""
    global _kept  # noqa: PLW0603
    _write(fs, f"{folder}/x", b"data")
    _kept = fs.open(f"{folder}/open", "wb")
    _kept.write(b"half")
    return {"opened": True}


def exit_with_open_reader(fs: Any, folder: str) -> dict[str, Any]:
    """End the program with a file still open for reading."""
    global _kept  # noqa: PLW0603
    _write(fs, f"{folder}/x", b"data" * 1000)
    _kept = fs.open(f"{folder}/x", "rb")
    return {"read": _kept.read(4).decode()}


def call_at_exit(fs: Any, folder: str) -> dict[str, Any]:
    """Read once more while the interpreter is shutting down."""
    _write(fs, f"{folder}/x", b"data")

    def last() -> None:
        try:
            text = fs.cat_file(f"{folder}/x").decode()
        except Exception as error:
            text = type(error).__name__
        sys.stdout.write(_MARK + json.dumps({"last": text}) + "\n")
        sys.stdout.flush()

    atexit.register(last)
    return {}


def fork(fs: Any, folder: str) -> dict[str, Any]:
    """Use the filesystem in the parent, in a forked child, and in the parent again."""
    _write(fs, f"{folder}/parent", b"from the parent")
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            seen = fs.cat_file(f"{folder}/parent").decode()
            fs.pipe_file(f"{folder}/child", b"from the child")
            text = f"{seen} / {fs.cat_file(f'{folder}/child').decode()}"
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(write_end, text.encode()[:4000])
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as stream:
        child = stream.read().decode()
    os.waitpid(pid, 0)
    fs.pipe_file(f"{folder}/after", b"x")
    return {"child": child, "parent": fs.cat_file(f"{folder}/parent").decode()}


def stream(fs: Any, folder: str, way: str, megabytes: int, local: str) -> dict[str, Any]:
    """Move an eighth of the size, then all of it; the peaks tell what depends on the size."""
    small = max(megabytes // 8, 1)
    path = f"{folder}/{way}"
    digests, peaks = [], []
    for size in (small, megabytes):
        source = os.path.join(local, f"source-{size}")  # noqa: PTH118
        digests.append(_move(fs, way, f"{path}-{size}", source))
        peaks.append(_peak())
    return {"grew": peaks[1] - peaks[0], "digest": digests[1]}


def _peak() -> float:
    """MiB at the most so far. `ru_maxrss` starts at the parent's size on Linux, VmHWM does not."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    unit = _MIB if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _move(fs: Any, way: str, path: str, source: str) -> str:
    digest = hashlib.sha256()
    if way == "put_file":
        fs.put_file(source, path)
    elif way == "get_file":
        fs.get_file(path, source + ".got")
        with open(source + ".got", "rb") as stream:  # noqa: PTH123
            for chunk in iter(lambda: stream.read(_MIB), b""):
                digest.update(chunk)
    elif way == "write":
        with open(source, "rb") as stream, fs.open(path, "wb") as target:  # noqa: PTH123
            for chunk in iter(lambda: stream.read(_MIB), b""):
                target.write(chunk)
    else:
        with fs.open(path, "rb") as stream:
            for chunk in iter(lambda: stream.read(_MIB), b""):
                digest.update(chunk)
    return digest.hexdigest()


ACTIONS: Mapping[str, Callable[..., Mapping[str, Any]]] = {
    "plain_exit": plain_exit,
    "exit_with_open_writer": exit_with_open_writer,
    "exit_with_open_reader": exit_with_open_reader,
    "call_at_exit": call_at_exit,
    "fork": fork,
    "stream": stream,
}
