"""Every `dagster.yaml` that the README and the documentation show is a configuration that loads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.ref import InstanceRef

from remote_store_fsspec.dagster import RemoteStoreComputeLogManager

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": 1, "docs/index.md": 1, "docs/guide/migrate.md": 5}


def _blocks(page: str) -> list[dict[str, Any]]:
    text = (ROOT / page).read_text("utf-8")
    return [
        yaml.safe_load(block)
        for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]


BLOCKS = {f"{page} {number}": block for page in PAGES for number, block in enumerate(_blocks(page))}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_its_blocks(page: str) -> None:
    assert len(_blocks(page)) == PAGES[page]


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_loads(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = BLOCKS[name]
    monkeypatch.setenv("LOGS_KEY", "AKIAEXAMPLE")
    monkeypatch.setenv("LOGS_SECRET", "a2V5LW9mLWxvZ3M=")
    monkeypatch.setenv("AZURE_LOGS_KEY", "a2V5LW9mLWxvZ3M=")
    monkeypatch.setenv("GCP_SERVICE_ACCOUNT_JSON", '{"type": "service_account"}')
    block["compute_logs"]["config"]["local_dir"] = str(tmp_path / "staging")
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(block))
    manager = InstanceRef.from_dir(str(tmp_path)).compute_log_manager
    assert isinstance(manager, RemoteStoreComputeLogManager)
    shown = repr(manager) + repr(manager.inst_data)
    assert "a2V5LW9mLWxvZ3M=" not in shown
    assert "service_account" not in shown
    manager.dispose()
