from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from remote_store_fsspec.options import BACKEND_TYPES

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "reference" / "options.md"


def test_the_committed_page_is_current() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/options_page.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("backend_type", list(BACKEND_TYPES))
def test_every_option_says_what_it_means_and_what_it_becomes(backend_type: str) -> None:
    cls = BACKEND_TYPES[backend_type]
    page = PAGE.read_text("utf-8")
    assert f"`{backend_type}`" in page
    for name, field in cls.fields().items():
        assert f"| `{name}` |" in page
        assert field.metadata["meaning"].endswith(".")
        assert field.metadata["translation"]
        number = any(kind in str(field.type) for kind in ("int", "float"))
        if number and name != "port":
            assert field.metadata["unit"], f"{name} has no unit"


def test_every_option_that_remote_store_has_is_known() -> None:
    import inspect

    backends = pytest.importorskip("remote_store.backends", reason="needs Python 3.11")
    pairs = {
        "local": "LocalBackend",
        "memory": "MemoryBackend",
        "s3": "S3Backend",
        "s3-pyarrow": "S3PyArrowBackend",
        "azure": "AzureBackend",
        "sftp": "SFTPBackend",
    }
    assert set(pairs) == set(BACKEND_TYPES)
    for backend_type, class_name in pairs.items():
        theirs = inspect.signature(getattr(backends, class_name)).parameters
        ours = BACKEND_TYPES[backend_type].fields()
        assert set(ours) == set(theirs), backend_type
        for name, parameter in theirs.items():
            default = parameter.default
            if isinstance(default, (bool, int, float, str)):
                assert ours[name].default == default, f"{backend_type}.{name}"
