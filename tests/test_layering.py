"""Imports go down only, and importing the package costs nobody an SDK."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parent.parent
_PACKAGE = "remote_store_fsspec"

# From the bottom up: a module may import its own layer and those before it.
_LAYERS = (
    ("errors",),
    ("secrets", "_paths", "_threads"),
    ("backends.target", "backends.failures", "backends.loops"),
    ("backends.base",),
    ("options",),
    ("stores",),
    ("location",),
    ("backends",),
    ("_files", "_filesystem", "filesystem"),
    ("logs",),
    ("dagster",),
    ("cli",),
)
# Facade modules hand out what lies below them and are imported by users, not by layers.
_FACADES = ("", "__main__")
# Who may import which third party, anywhere in its modules.
_OWNED = {"dagster": "dagster", "dagster_shared": "dagster", "remote_store": "backends"}
_NEVER_LOADED = (
    "adlfs",
    "asyncssh",
    "azure",
    "boto3",
    "botocore",
    "dagster",
    "gcsfs",
    "google",
    "paramiko",
    "remote_store",
    "s3fs",
    "sshfs",
    "webdav4",
)


def _modules() -> dict[str, Path]:
    """Module names below the package ("" for itself) and their files."""
    found = {}
    for path in sorted((_ROOT / _PACKAGE).rglob("*.py")):
        parts = path.relative_to(_ROOT / _PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


_MODULES = _modules()


def _imports(path: Path) -> Iterator[str]:
    """Absolute names of what a file imports when it runs, inside functions too."""
    for node in _running(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                inner = whole.removeprefix(f"{_PACKAGE}.")
                yield whole if inner in _MODULES else str(node.module)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below `node` except what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from _running(child)


def _layer(module: str) -> int:
    """The layer of a module: the longest entry of `_LAYERS` that is it or a parent of it."""
    best, depth = -1, -1
    for number, names in enumerate(_LAYERS):
        for name in names:
            if (module == name or module.startswith(f"{name}.")) and len(name) > depth:
                best, depth = number, len(name)
    assert best >= 0, f"{_PACKAGE}.{module} has no layer: add it to _LAYERS in {__file__}"
    return best


@pytest.mark.parametrize("module", sorted(set(_MODULES) - set(_FACADES)))
def test_a_module_imports_only_its_own_layer_and_those_below(module: str) -> None:
    own = _layer(module)
    upward = []
    for name in _imports(_MODULES[module]):
        if not name.startswith(_PACKAGE):
            continue
        inner = name.removeprefix(_PACKAGE).removeprefix(".")
        if inner in _FACADES or _layer(inner) > own:
            upward.append(name)
    assert not upward, f"{_PACKAGE}.{module} imports upwards: {upward}"


@pytest.mark.parametrize("module", sorted(_MODULES))
def test_a_third_party_is_imported_by_its_owner_only(module: str) -> None:
    for name in _imports(_MODULES[module]):
        top = name.split(".")[0]
        if top in _OWNED and top != _PACKAGE:
            owner = _OWNED[top]
            assert module == owner or module.startswith(f"{owner}."), (
                f"{_PACKAGE}.{module} imports {top}, which belongs to {_PACKAGE}.{owner}"
            )


def test_devservers_know_nothing_of_the_package() -> None:
    for path in sorted((_ROOT / "devservers").rglob("*.py")):
        assert not [name for name in _imports(path) if name.startswith(_PACKAGE)], path


def test_importing_the_package_loads_no_dagster_and_no_cloud_sdk() -> None:
    assert _loaded_by(f"import {_PACKAGE}") == []


def test_making_a_local_filesystem_loads_no_dagster_and_no_cloud_sdk(tmp_path: Path) -> None:
    statement = f"import {_PACKAGE} as r; r.filesystem('local', root={str(tmp_path)!r})"
    assert _loaded_by(statement) == []


def _loaded_by(statement: str) -> list[str]:
    """Which of the libraries nobody asked for a fresh interpreter has after `statement`."""
    report = (
        "import sys\n"
        # A namespace package may be put there by a .pth file before anything of ours runs.
        "def real(name): return getattr(sys.modules.get(name), '__file__', None) is not None\n"
        f"print(*[name for name in {_NEVER_LOADED!r} if real(name)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{report}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=_ROOT,
    )
    return done.stdout.split()
