"""The program in-process on one memory engine that outlives each call, as a daemon outlives a command."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from zun_compose.cli import main
from zun_compose.drivers import memory
from zun_compose.drivers.memory import RealTimeMemoryDriver


@dataclass(frozen=True)
class Result:
    """What one call of the program answered."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Program:
    """Calls zun-compose with the memory driver in a folder of its own."""

    def __init__(
        self, folder: Path, capture: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.folder = folder
        self._capture = capture
        self._monkeypatch = monkeypatch

    def file(self, text: str, name: str = "compose.yaml") -> Path:
        path = self.folder / name
        path.write_text(dedent(text))
        return path

    def __call__(self, *arguments: str, plain: bool = True) -> Result:
        """Run one command; `plain` False leaves out the global options that tests usually want."""
        self._capture.readouterr()
        before = ("--driver", "memory", "--progress", "plain") if plain else ()
        code = main.run([*before, *arguments])
        out, err = self._capture.readouterr()
        return Result(code, out, err)


@pytest.fixture
def program(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Program:
    for name in [name for name in os.environ if name.startswith(("COMPOSE_", "DOCKER_"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PWD", str(folder))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Program(folder, capsys, monkeypatch)


class LastingDriver(RealTimeMemoryDriver):
    """The memory engine seen through a client that may be closed: the engine goes on."""

    def close(self) -> None:
        """Let go of nothing."""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> RealTimeMemoryDriver:
    """The one engine that all calls of a test reach by --driver memory."""
    driver = LastingDriver(None, engine_id="one")

    def connect(url: str | None = None) -> RealTimeMemoryDriver:
        return driver

    monkeypatch.setattr(memory, "connect", connect)
    return driver


SHOP = """
services:
  db:
    image: db
    expose: ["5432"]
    x-zun: {fate: {listens: {"5432": 0.05}, log: [[0, starting], [0.02, ready]]}}
  migrate:
    image: db
    depends_on: {db: {condition: service_started, x-condition: service_listening}}
    x-zun: {fate: {exits_after: 0.05, log: [[0, "moved 3 rows"]]}}
  web:
    image: web
    ports: ["18080:80"]
    depends_on: {migrate: {condition: service_completed_successfully}}
    x-zun: {fate: {listens: {"80": 0.05}, log: [[0, hello], [0, oops, stderr]]}}
"""

BROKEN = """
services:
  db:
    image: db
    expose: ["5432"]
    x-zun: {fate: {exits_after: 0.05, exit_code: 3, log: [[0, "no disk left"]]}}
  web:
    image: web
    depends_on: {db: {condition: service_started, x-condition: service_listening}}
"""


@pytest.fixture
def shop(program: Program, engine: RealTimeMemoryDriver) -> Program:
    """A folder with a stack of three services, not up yet."""
    program.file(SHOP)
    return program


@pytest.fixture
def up(shop: Program) -> Program:
    """The same, up and ready."""
    result = shop("up", "-d", "--wait")
    assert result.code == 0, result.err
    return shop


Call = Callable[..., Result]
