"""Every block of the migration guide is a configuration that loads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.ref import InstanceRef

from remote_store_fsspec.dagster import RemoteStoreComputeLogManager

GUIDE = Path(__file__).parents[2] / "docs/guide/migrate.md"
BLOCKS = [
    yaml.safe_load(block)
    for block in re.findall(
        r"^```yaml\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
]


def test_the_guide_has_its_blocks() -> None:
    assert len(BLOCKS) == 5


@pytest.mark.parametrize("block", BLOCKS, ids=[str(number) for number in range(len(BLOCKS))])
def test_a_block_of_the_guide_loads(
    block: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
