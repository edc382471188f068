"""docs/api.md is run, block after block, in one namespace."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from zun_compose.engine import Engine

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_the_page_runs() -> None:
    namespace: dict[str, object] = {}
    for number, block in enumerate(BLOCKS, 1):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), namespace)
    assert len(BLOCKS) >= 8


def test_each_block_proves_something() -> None:
    """A block that asserts nothing would be run in vain; the first only sets up."""
    for block in BLOCKS[1:]:
        assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(block)))


@pytest.mark.parametrize(
    "name", [name for name in vars(Engine) if not name.startswith("_") and callable(getattr(Engine, name))]
)
def test_the_page_names_every_method(name: str) -> None:
    if name == "up_for":
        pytest.skip("serves `run`; not for callers")
    assert re.search(rf"`[^`]*\b{name}\b", PAGE.read_text())
