"""The threat model names tests; each of them is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "threats.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))


def test_every_test_that_the_threat_model_names_is_there() -> None:
    assert NAMED
    tests = {
        path: {node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)}
        for path in {path for path, _ in NAMED}
    }
    assert [f"{path}::{name}" for path, name in NAMED if name not in tests[path]] == []


def test_every_defence_has_a_test() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| how ")]
    assert [row for row in rows if "`tests/" not in row.rpartition(" | ")[2]] == []
