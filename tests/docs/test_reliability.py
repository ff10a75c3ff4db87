"""The reliability page names a test for every claim of its tables, and each of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

_ROOT = Path(__file__).parent.parent.parent
_PAGE = (_ROOT / "docs/reliability.md").read_text()
_NAMED = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", _PAGE)


def _tests(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_the_page_names_exists() -> None:
    assert len(_NAMED) > 30
    missing = [f"{path}::{name}" for path, name in _NAMED if name not in _tests(_ROOT / path)]
    assert missing == []


def test_every_row_of_a_table_names_a_test() -> None:
    rows = [line for line in _PAGE.splitlines() if line.startswith("| ")]
    unproven = [row for row in rows if "::test_" not in row and not row.endswith("| test |")]
    assert unproven == []
