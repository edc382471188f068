"""`make demo` for a person who has only Python: no root, no engine, no registry, not even namespaces."""

from __future__ import annotations

import json
import os
import shutil
import socket
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
import yaml

from tests.e2e.site import until
from tests.e2e.visitor import Ran, Visitor, arrive, free_uid
from tests.engines.require import missing

PRICES = {"apple": 3, "pear": 4, "quince": 9}
LIMIT = 300.0  # seconds: what `make demo` may take with the installation: a minute where nothing else runs
LOCAL = ("--driver", "local")
PLAIN = ("--no-isolation", "-f", "compose.yaml", "-f", "no-isolation.yaml")
pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Arrived:
    """A visitor whose first act was `make demo`, and what was left after it."""

    visitor: Visitor
    demo: Ran
    left: dict[str, object]


@pytest.fixture(scope="module")
def arrived() -> Iterator[Arrived]:
    visitor = arrive(free_uid())
    try:
        if not visitor.python():
            pytest.skip("no Python 3.11 with venv that another user may run")
        tried = visitor.run("unshare", "--user", "--net", "true")
        if tried.code != 0:
            missing("local", f"the kernel makes no namespaces for an ordinary user: {tried.said.strip()}")
        demo = visitor.run("make", "demo")
        yield Arrived(visitor, demo, visitor.left())
    finally:
        shutil.rmtree(visitor.folder)


@dataclass
class Demo:
    """The demo's stack in the hands of one user; `before` comes in front of each command."""

    visitor: Visitor
    name: str
    options: Sequence[str]
    before: Sequence[str] = ()
    variables: dict[str, str] = field(default_factory=dict)
    networks: set[str] = field(default_factory=set)

    def run(self, *arguments: str, expect: int = 0) -> str:
        program = str(self.visitor.checkout / ".venv" / "bin" / "zun-compose")
        state = {"XDG_STATE_HOME": str(self.visitor.checkout / ".demo" / self.name)}
        ran = self.visitor.run(
            *self.before,
            program,
            *self.options,
            "-n",
            self.name,
            *arguments,
            where="templates/demo",
            variables={**state, **self.variables},
        )
        self.networks |= self.visitor.networks()
        assert ran.code == expect, ran.said
        return ran.said

    def ask(self) -> dict[str, object]:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{self.variables['DEMO_PORT']}/", timeout=5) as reply:
            return dict(json.load(reply))

    def accepts(self) -> bool:
        """Whether the published port lets clients in: its forwarder may be some milliseconds late."""
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(self.variables["DEMO_PORT"])), timeout=5).close()
            return True
        return False

    def codes(self) -> dict[str, int]:
        """Return the exit codes of what has ended, by service."""
        rows = map(json.loads, self.run("ps", "-a", "--format", "json").splitlines())
        return {str(row["Service"]): int(row["ExitCode"]) for row in rows if row["State"] == "exited"}


def free_ports(*names: str) -> dict[str, str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: str(one.getsockname()[1]) for name, one in zip(names, sockets, strict=True)}
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def open_demo(arrived: Arrived) -> Iterator[Callable[..., Demo]]:
    """Make stacks that are taken down after the test, each by its own user."""
    made: list[Demo] = []

    def make(
        name: str,
        uid: int | None = None,
        options: Sequence[str] = LOCAL,
        before: Sequence[str] = (),
    ) -> Demo:
        first = arrived.visitor
        visitor = Visitor(first.folder, first.uid if uid is None else uid)
        ports = free_ports("DEMO_PORT", "APP_PORT", "CATALOGUE_PORT", "STORE_PORT")
        made.append(Demo(visitor, name, options, before, ports))
        return made[-1]

    yield make
    for demo in made:
        demo.run("down", "-v", "-t", "0")


def test_make_demo_runs_for_an_ordinary_user_in_time(arrived: Arrived) -> None:
    assert arrived.demo.code == 0, arrived.demo.said
    assert "--driver local up -d --wait" in arrived.demo.said
    assert '"quince": 9' in arrived.demo.said, "what the job wrote"
    assert "no such table, giving up" in arrived.demo.said, "the last words of the job that dies"
    assert arrived.demo.seconds < LIMIT


def test_make_demo_leaves_nothing_behind(arrived: Arrived) -> None:
    assert arrived.left == {}


@pytest.mark.parametrize("who", ["ordinary", "root"])
def test_the_front_serves_what_the_job_wrote(arrived: Arrived, open_demo, who) -> None:
    if who == "root" and os.geteuid() != 0:
        pytest.skip("only root is root")
    demo = open_demo(f"served-{who}", uid=0 if who == "root" else None)
    demo.run("up", "-d", "--wait")
    until(demo.accepts, "the published port accepts")
    replies = [demo.ask() for _ in range(4)]
    assert [reply["prices"] for reply in replies] == [PRICES] * 4
    assert len({str(reply["replica"]) for reply in replies}) == 2, "both replicas answer"
    demo.run("status")
    assert demo.codes() == {"migrate": 0}
    assert len(demo.networks) >= 5, "each container has a network of its own"
    demo.run("down", "-v")
    assert demo.visitor.left(demo.networks) == {}


def test_without_its_gates_the_same_stack_fails(arrived: Arrived, open_demo) -> None:
    """What the demo shows is the gates' work: its programs never try twice."""
    folder = arrived.visitor.checkout / "templates" / "demo"
    stack = yaml.safe_load((folder / "compose.yaml").read_text())
    for service in stack["services"].values():
        service["depends_on"] = list(service.get("depends_on", {}))
    (folder / "ungated.yaml").write_text(yaml.safe_dump(stack, sort_keys=False))
    demo = open_demo("ungated", options=(*LOCAL, "-f", "ungated.yaml"))
    demo.variables["DEMO_LOADING"] = "100"  # seconds: longer than it takes to start the next
    demo.run("up", "-d", "--wait", expect=1)
    assert demo.codes()["migrate"] == 1, "it came before the store listened"


def test_a_dead_job_is_named_with_its_last_words(open_demo) -> None:
    demo = open_demo("dead")
    demo.variables["DEMO_MIGRATION"] = "stock"
    said = demo.run("up", "-d", "--wait", expect=1)
    for word in ("app -> migrate", "exit code: 3", "no such table, giving up"):
        assert word in said
    assert demo.codes() == {"migrate": 3}


def test_without_namespaces_there_is_one_clear_error(arrived: Arrived) -> None:
    demo = Demo(arrived.visitor, "refused", LOCAL, arrived.visitor.without_namespaces())
    said = demo.run("up", "-d", expect=1)
    assert said.count("\n") == 1
    assert "user.max_user_namespaces" in said
    assert "--no-isolation" in said
    assert arrived.visitor.left() == {}


def test_without_namespaces_make_demo_goes_on_without_isolation(arrived: Arrived) -> None:
    visitor = arrived.visitor
    demo = visitor.run(*visitor.without_namespaces(), "make", "demo")
    assert demo.code == 0, demo.said
    assert "goes on with --no-isolation and --scale 1 for every service" in demo.said
    assert '"quince": 9' in demo.said
    assert visitor.left() == {}


def test_plain_processes_serve_what_the_job_wrote(arrived: Arrived, open_demo) -> None:
    demo = open_demo("plain", options=PLAIN, before=arrived.visitor.without_namespaces())
    demo.run("up", "-d", "--wait")
    assert demo.ask()["prices"] == PRICES
    assert demo.networks == set(), "all are on the machine's network"
    demo.run("status")
    demo.run("down", "-v")
    assert arrived.visitor.left() == {}
