"""up --abort-on-container-exit, --abort-on-container-failure, --exit-code-from; whose logs are shown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import cast

import pytest

from tests.cli.conftest import Program
from zun_compose.cli.ending import Ending, EndWatch
from zun_compose.container import Observed, State
from zun_compose.drivers.memory import RealTimeMemoryDriver
from zun_compose.engine import Engine
from zun_compose.model import Restart, RestartName, Service, Stack

STACK = """
services:
  job:
    image: job
    x-zun: {job: true, fate: {exits_after: 0.01, log: [[0, moved]]}}
  good:
    image: good
    x-zun: {fate: {exits_after: 0.1, log: [[0, fine]]}}
  bad:
    image: bad
    x-zun: {fate: {exits_after: 0.8, exit_code: 7, log: [[0, wrong]]}}
  web:
    image: web
    x-zun: {fate: {log: [[0, serving]]}}
"""


@pytest.fixture
def stack(program: Program, engine: RealTimeMemoryDriver) -> Program:
    program.file(STACK)
    return program


def states(engine: RealTimeMemoryDriver) -> dict[str, State]:
    return {seen.service: seen.state for seen in engine.list("shop")}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--abort-on-container-exit"], 0),
        (["--abort-on-container-exit", "bad", "web"], 7),
        (["--abort-on-container-failure"], 7),
        (["--exit-code-from", "good"], 0),
        (["--exit-code-from", "web"], 143),
        (["--exit-code-from", "bad", "--abort-on-container-failure"], 7),
        (["--exit-code-from", "job", "--abort-on-container-failure"], 0),
    ],
)
def test_an_end_stops_the_stack_and_gives_its_code(
    stack: Program, engine: RealTimeMemoryDriver, arguments: list[str], code: int
) -> None:
    result = stack("up", *arguments)
    assert result.code == code, result.err
    assert set(states(engine).values()) == {State.EXITED}


def test_an_end_counts_while_others_are_still_waited_for(
    program: Program, engine: RealTimeMemoryDriver
) -> None:
    program.file(
        """
        services:
          slow: {image: slow, expose: ["80"], x-zun: {fate: {listens: {"80": 3600}}}}
          web: {image: web, depends_on: {slow: {condition: service_started, x-condition: service_listening}}}
          test: {image: test, x-zun: {fate: {exits_after: 0.1, exit_code: 4}}}
        """
    )
    assert program("up", "--exit-code-from", "test").code == 4
    assert states(engine)["slow"] is State.EXITED
    assert states(engine).get("web") in (None, State.CREATED), "it never started"


def test_a_gate_that_cannot_open_stops_the_stack_too(program: Program, engine: RealTimeMemoryDriver) -> None:
    program.file(
        """
        services:
          db: {image: db, expose: ["80"], x-zun: {fate: {exits_after: 0.1, exit_code: 3}}}
          web: {image: web, depends_on: {db: {condition: service_started, x-condition: service_listening}}}
          other: {image: other}
        """
    )
    assert program("up", "--abort-on-container-exit").code == 3
    assert states(engine)["other"] is State.EXITED


def test_an_end_of_an_earlier_life_does_not_count(program: Program, engine: RealTimeMemoryDriver) -> None:
    program.file(
        """
        services:
          test:
            image: test
            x-zun: {fate: {runs: [{exits_after: 0.1, exit_code: 7}, {exits_after: 0.3}]}}
        """
    )
    assert program("up", "--abort-on-container-failure").code == 7
    assert program("up", "--abort-on-container-failure").code == 0


def test_what_the_ended_one_depends_on_is_stopped_too(program: Program, engine: RealTimeMemoryDriver) -> None:
    program.file(
        """
        services:
          db: {image: db}
          test: {image: test, depends_on: [db], x-zun: {fate: {exits_after: 0.05, exit_code: 3}}}
        """
    )
    for _ in range(5):  # The end of the logs and the end of the container are heard in any order.
        assert program("up", "--exit-code-from", "test", "test").code == 3
        assert states(engine)["db"] is State.EXITED


def test_all_ended_by_themselves_gives_the_code_too(stack: Program) -> None:
    assert stack("up", "--exit-code-from", "bad", "bad").code == 7
    assert stack("up", "--abort-on-container-failure", "good").code == 0


@pytest.mark.parametrize("restart", ["always", "on-failure"])
def test_a_restart_is_no_end(program: Program, engine: RealTimeMemoryDriver, restart: str) -> None:
    program.file(
        f"""
        services:
          flaps: {{image: f, restart: {restart}, x-zun: {{fate: {{exits_after: 0.1, exit_code: 1}}}}}}
          test: {{image: test, x-zun: {{fate: {{exits_after: 1.5, exit_code: 5}}}}}}
        """
    )
    assert program("up", "--abort-on-container-exit").code == 5


class Flapping:
    """An engine that says "exited" for a while before it restarts a container, and has news all the time."""

    def __init__(self) -> None:
        self.driver = self
        self.looks = 0
        self.restarted = threading.Timer(0.2, lambda: None)
        self.restarted.start()

    def events(self, stack: object, sink: Callable[[None], None]) -> None:
        threading.Thread(target=self.tell, args=(sink,), daemon=True).start()

    def tell(self, sink: Callable[[None], None]) -> None:
        while self.looks < 4:
            sink(None)
            self.restarted.join(0.01)

    def containers(self, stack: object) -> list[Observed]:
        return [self.inspect("1")]

    def inspect(self, identity: str) -> Observed:
        self.looks += 1
        back = not self.restarted.is_alive()
        state = State.RUNNING if back else State.EXITED
        return Observed(id="1", name="w", service="web", number=1, state=state, exit_code=None if back else 1)


def test_no_event_cuts_the_grace_before_a_restart_short() -> None:
    web = Service(name="web", image="w", restart=Restart(name=RestartName.ALWAYS))
    flapping, heard = Flapping(), threading.Event()
    watch = EndWatch(
        cast(Engine, flapping),
        Stack(name="shop", services={"web": web}),
        ["web"],
        Ending(on_exit=True),
        heard.set,
    )
    watch.begin([])
    assert not heard.wait(1)
    assert flapping.looks >= 4
    watch.close()
    assert watch.first is None


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ([], {"moved", "fine", "wrong", "serving"}),
        (["--attach", "good"], {"fine"}),
        (["--no-attach", "bad", "--no-attach", "web"], {"moved", "fine"}),
        (["bad"], {"wrong"}),
        (["--attach", "web", "--attach", "good", "--no-attach", "web"], {"fine"}),
    ],
)
def test_whose_logs_are_shown(stack: Program, arguments: list[str], shown: set[str]) -> None:
    result = stack("up", "--abort-on-container-failure", "--no-log-prefix", *arguments)
    assert result.code == 7
    words = {"moved", "fine", "wrong", "serving"}
    assert {line for line in result.out.splitlines() if line in words} == shown


def test_the_file_keeps_logs_out_and_dependencies_bring_them_in(program: Program, engine: object) -> None:
    program.file(
        """
        services:
          db: {image: db, attach: false, x-zun: {fate: {log: [[0, stored]]}}}
          web: {image: web, depends_on: [db], x-zun: {fate: {exits_after: 0.2, log: [[0, served]]}}}
          log: {image: log, x-zun: {fate: {log: [[0, noise]]}}}
        """
    )

    def lines(*arguments: str) -> list[str]:
        return program("up", "--no-log-prefix", "--abort-on-container-exit", *arguments).out.splitlines()

    assert sorted(lines()) == ["noise", "served"]
    assert lines("--attach", "db") == ["stored"]
    assert lines("web") == ["served"]
    program.file((program.folder / "compose.yaml").read_text().replace("attach: false, ", ""))
    assert sorted(lines("--attach-dependencies", "web")) == ["served", "stored"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-d", "--abort-on-container-exit"],
        ["--wait", "--exit-code-from", "web"],
        ["--no-start", "--attach", "web"],
        ["--abort-on-container-exit", "--abort-on-container-failure"],
        ["--exit-code-from", "none"],
        ["--attach", "none"],
    ],
)
def test_what_makes_no_sense(stack: Program, engine: RealTimeMemoryDriver, arguments: list[str]) -> None:
    assert stack("up", *arguments).code == 2
    assert engine.list("shop") == []
