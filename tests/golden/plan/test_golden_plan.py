"""Plans as text: what `up` and `down` would do. `--update-golden` writes what is found.

A case is a folder: compose.yaml is what is asked for, before.yaml what was brought up on a memory engine
earlier (none: nothing), options.json fields of UpOptions. plan.txt is the plan of `up`, down.txt that of
`down -v` of what was up before, error.txt the refusal.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zun_compose.drivers.memory import MemoryDriver
from zun_compose.engine import Engine
from zun_compose.errors import SpecError
from zun_compose.model import Stack
from zun_compose.options import DownOptions, OnFailure, UpOptions
from zun_compose.parse import Request, load
from zun_compose.parse.disk import Disk

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/compose.yaml"))
SECRETS = ("hunter2", "swordfish", "marlin")


def read(case: Path, file: str) -> Stack:
    return load(Request(files=(file,), environment={"HOME": "/home/golden"}), Disk(str(case))).stack


def options_of(case: Path) -> UpOptions:
    file = case / "options.json"
    given = json.loads(file.read_text()) if file.exists() else {}
    for key in ("services",):
        if key in given:
            given[key] = tuple(given[key])
    if "on_failure" in given:
        given["on_failure"] = OnFailure(given["on_failure"])
    return UpOptions(**given)


def engine_of(case: Path) -> Engine:
    """An engine on which what was there before is up; jobs have ended."""
    driver = MemoryDriver(fates={"db": {"listens": {5432: 0}}, "migrate": {"exits_after": 0}})
    engine = Engine(driver)
    if (case / "before.yaml").exists():
        engine.up(read(case, "before.yaml"))
        driver.advance(driver.now() + 5)
    return engine


def outcome(case: Path) -> dict[str, str]:
    engine = engine_of(case)
    found = {}
    try:
        plan = engine.plan(read(case, "compose.yaml"), options_of(case))
    except SpecError as error:
        found["error.txt"] = str(error)
    else:
        warnings = [f"warning: {warning}" for warning in plan.warnings]
        found["plan.txt"] = "\n".join([*warnings, str(plan) or "nothing to do"])
        assert not [secret for secret in SECRETS if secret in json.dumps(plan.as_dict())]
    if (case / "before.yaml").exists():
        down = engine.plan_down(read(case, "compose.yaml"), DownOptions(volumes=True))
        warnings = [f"warning: {warning}" for warning in down.warnings]
        found["down.txt"] = "\n".join([*warnings, str(down)])
    return {name: text.replace(str(case), "{CASE}") + "\n" for name, text in found.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Path, update_golden: bool):
    found = outcome(case)
    if update_golden:
        for name, text in found.items():
            (case / name).write_text(text)
    kept = {path.name: path.read_text() for path in case.glob("*.txt")}
    assert found == kept


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_making_a_plan_changes_nothing(case: Path):
    engine = engine_of(case)
    stack = read(case, "compose.yaml")
    before = engine.containers(stack)
    for _ in range(2):
        try:
            engine.plan(stack, options_of(case))
        except SpecError:
            assert (case / "error.txt").exists()
        engine.plan_down(stack)
    assert engine.containers(stack) == before
