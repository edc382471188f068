"""create, scale, up --scale: how many containers there are."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Program
from zun_compose.container import State
from zun_compose.drivers.memory import RealTimeMemoryDriver


@pytest.fixture
def two(program: Program, engine: RealTimeMemoryDriver) -> Program:
    program.file("services: {db: {image: db}, web: {image: web, depends_on: [db]}}")
    return program


def numbers(engine: RealTimeMemoryDriver) -> dict[str, int]:
    found: dict[str, int] = {}
    for seen in engine.list("shop"):
        found[seen.service] = found.get(seen.service, 0) + 1
    return found


def test_create_starts_nothing(two: Program, engine: RealTimeMemoryDriver) -> None:
    assert two("create", "--scale", "web=2").code == 0
    assert {seen.state for seen in engine.list("shop")} == {State.CREATED}
    assert numbers(engine) == {"db": 1, "web": 2}
    assert two("create").code == 0
    assert numbers(engine) == {"db": 1, "web": 1}


def test_scale_brings_to_numbers(two: Program, engine: RealTimeMemoryDriver) -> None:
    assert two("scale", "web=3").code == 0
    assert numbers(engine) == {"db": 1, "web": 3}
    assert {seen.state for seen in engine.list("shop")} == {State.RUNNING}
    assert two("scale", "web=1", "db=2").code == 0
    assert numbers(engine) == {"db": 2, "web": 1}
    assert two("scale", "none=1").code == 2
    assert two("scale", "web").code == 2
    assert two("scale").code == 2


def test_scale_without_dependencies(two: Program, engine: RealTimeMemoryDriver) -> None:
    assert two("scale", "--no-deps", "web=2").code == 0
    assert numbers(engine) == {"web": 2}


def test_up_without_scale_goes_back_to_the_file(two: Program, engine: RealTimeMemoryDriver) -> None:
    """As in docker compose; and plan says what up will do."""
    assert two("up", "-d", "--scale", "web=2").code == 0
    assert "shop-web-2" in two("plan").out
    assert two("plan", "--scale", "web=2").out == "nothing to do\n"
    assert two("up", "-d").code == 0
    assert numbers(engine) == {"db": 1, "web": 1}
