"""The bench's own arithmetic: a promise that is broken must not look kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.results import Bar, Result, Row, ratio, save


def result(scenario: str, value: float) -> Result:
    row = Row(what="up", samples={"a": [value, value + 2, value + 1], "b": [10.0]})
    return Result(
        scenario=scenario,
        intent="An intent.",
        rows=[row],
        bars=[Bar(what="a / b", value=ratio(row, "a", "b"), limit=0.5)],
    )


@pytest.mark.parametrize(("value", "verdict"), [(0.49, "ok"), (0.5, "ok"), (0.51, "MISSED")])
def test_a_bar_is_kept_up_to_its_limit(value, verdict):
    assert str(Bar(what="w", value=value, limit=0.5)).startswith(f"{verdict}: ")


def test_ratio_is_that_of_medians():
    row = Row(what="up", samples={"a": [1, 100, 2], "b": [4]})
    assert ratio(row, "a", "b") == 0.5


def test_saving_again_replaces_only_that_section(tmp_path: Path):
    path = tmp_path / "RESULTS.md"
    save(path, result("p1", 1.0), "first")
    save(path, result("p12", 1.0), "first")
    save(path, result("p1", 20.0), "second")
    text = path.read_text()
    first, second = text.split("## p12\n")
    assert "MISSED" in first
    assert "_second_" in first
    assert "_first_" not in first
    assert "ok: a / b: 0.2" in second
    assert "_first_" in second
    assert text.startswith("# Results\n")
    assert text.count("## p1\n") == 1
    assert not text.endswith("\n\n")
