"""docs/openstack-proxy.md is run, block after block, in one namespace."""

from __future__ import annotations

import re
from pathlib import Path

from tests.openstack.conftest import IMAGE, Zun

PAGE = Path(__file__).parents[2] / "docs" / "openstack-proxy.md"


def test_the_page_runs(demo: Zun) -> None:
    _, *blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    # The first block is for the reader to change.
    namespace: dict[str, object] = {"CLOUD": demo.cloud, "IMAGE": IMAGE}
    for number, block in enumerate(blocks, 2):
        assert "assert" in block
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), namespace)
