"""The examples of docs/memory-driver.md run."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from zun_compose.drivers.memory import read

PAGE = Path(__file__).parents[3] / "docs" / "memory-driver.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_the_python_example_runs() -> None:
    (source,) = blocks("python")
    exec(compile(source, str(PAGE), "exec"), {})


def test_the_fate_can_be_read() -> None:
    (source,) = blocks("yaml")
    fate = read(yaml.safe_load(source))
    assert fate.start_takes == 0.3
    assert [run.exit_code for run in fate.runs] == [1, 0]
    assert len(fate.runs[1].log) == 3
