"""docs/language.md shows only what works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.parse.reading import read
from zun_compose.model import Condition

BLOCKS = re.findall(
    r"```yaml\n(.*?)```", (Path(__file__).parents[3] / "docs" / "language.md").read_text(), re.DOTALL
)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_each_example_is_read_without_a_warning(block):
    stack = read(block).stack
    assert stack.services
    assert stack.warnings == ()


def test_the_examples_say_what_their_comments_say():
    assert len(BLOCKS) == 3
    probes = read(BLOCKS[0]).stack.services["web"].readiness
    assert [probe.kind.value for probe in probes] == ["http", "http", "tcp", "listening", "exec", "log"]
    edges = {edge.on: edge for edge in read(BLOCKS[1]).stack.services["web"].dependencies}
    assert edges["db"].condition is Condition.READY
    assert (edges["db"].timeout, edges["db"].retries, edges["db"].replicas) == (30.0, 2, 1)
    assert read(BLOCKS[1]).stack.services["migrate"].once
    assert set(read(BLOCKS[2]).stack.externals) == {"mail", "api", "both"}
