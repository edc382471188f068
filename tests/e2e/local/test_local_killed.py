"""kill -9 at any moment of whatever takes part: the next `up` converges, and `down -v` leaves nothing."""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.e2e.local.kernel import Process, below
from tests.e2e.local.place import Place

# A mark wins over the command line, so it must know of the full size too.
PATIENCE = 3600 if os.environ.get("ZUN_COMPOSE_SOAK") == "1" else 300

pytestmark = [pytest.mark.soak, pytest.mark.timeout(PATIENCE)]

SEED = random.SystemRandom().randrange(1_000_000)

SERVE = "import socket, time; s = socket.create_server(('', 8080)); time.sleep(3600)"

Choose = Callable[[Place, random.Random], list[int]]


def write(place: Place, version: str) -> None:
    """Everything that can be caught half-way: volumes, networks, a config, a port, a job, a restart."""
    of_version = {"environment": {"VERSION": version}}
    place.stack(
        {
            "store": {
                "command": ["sh", "-c", "touch /tmp/ready; exec sleep 3600"],
                "volumes": ["data:/data", "/scratch"],
                "configs": [{"source": "settings", "target": "/settings"}],
                "networks": ["back"],
                "healthcheck": {"test": ["CMD-SHELL", "test -e /tmp/ready"], "interval": "1s", "retries": 60},
                **of_version,
            },
            "migrate": {
                "command": ["sh", "-c", "exit 0"],
                "networks": ["back"],
                "depends_on": {"store": {"condition": "service_healthy"}},
                **of_version,
            },
            "app": {
                "command": ["python3", "-S", "-c", SERVE],
                "networks": ["back", "default"],
                "ports": ["127.0.0.1::8080"],
                "depends_on": {"migrate": {"condition": "service_completed_successfully"}},
                **of_version,
            },
            "side": {"restart": "always"},
        },
        volumes={"data": {}},
        networks={"back": {}},
        configs={"settings": {"content": version}},
    )


def assert_as_declared(place: Place, version: str) -> None:
    """Compare what runs with the file."""
    wanted = {"app-1": "running", "migrate-1": "exited", "side-1": "running", "store-1": "running"}
    assert place.states() == wanted
    rows = place.ps()
    assert rows["migrate-1"]["ExitCode"] == 0
    (published,) = rows["app-1"]["Publishers"]
    socket.create_connection(("127.0.0.1", published["PublishedPort"]), 10).close()
    for service in ("app", "side", "store"):
        assert place.processes(service), f"the kernel knows no process of {service}"
    for service in ("app", "store"):
        assert place.inside(service, "sh", "-c", "echo $VERSION").strip() == version
    assert place.inside("store", "cat", "/settings") == version


def mark(place: Place) -> None:
    """Write data that no crash may lose."""
    place.inside("store", "sh", "-c", "echo kept > /scratch/mark; echo kept > /data/mark")


def supervisor(place: Place, chance: random.Random) -> list[int]:
    """The supervisor of one container."""
    records = [place.record(name) for name in ("app-1", "side-1", "store-1")]
    return [int(chance.choice(records)["supervisor"])]


def every_supervisor(place: Place, chance: random.Random) -> list[int]:
    """All supervisors: what the machine's out-of-memory killer may do, or a logout."""
    return [int(place.record(name)["supervisor"]) for name in ("app-1", "side-1", "store-1")]


def keeper(place: Place, chance: random.Random) -> list[int]:
    """The stack's keeper. Containers outlive it, so there is one again only once something is to start."""
    if not keepers(place):
        place.run("restart", "side")
    return [one.pid for one in keepers(place)]


def first_process(place: Place, chance: random.Random) -> list[int]:
    """A container's process."""
    return [place.process(chance.choice(("app", "side", "store"))).pid]


def anything(place: Place, chance: random.Random) -> list[int]:
    """Any process that the stack has."""
    found = [one.pid for one in below(os.getpid()) if one.pid not in place.traces.before]
    return [chance.choice(found)]


def keepers(place: Place) -> list[Process]:
    """The keepers: those of its name that no other of its name has forked."""
    named = {
        one.pid: one
        for one in below(os.getpid())
        if "drivers.local.keeper" in one.command and place.name in one.command
    }
    supervisors = {int(place.record(name)["supervisor"] or 0) for name in ("app-1", "side-1", "store-1")}
    return [one for one in named.values() if one.parent not in named and one.pid not in supervisors]


def test_kill_9_of_the_command_at_random_moments(place: Place, size) -> None:
    chance = random.Random(SEED)
    write(place, "0")
    began = time.monotonic()
    place.run("up", "-d", "--wait")
    whole = time.monotonic() - began
    assert_as_declared(place, "0")
    mark(place)
    for turn in range(1, size(4, 50) + 1):
        write(place, str(turn))
        moment = chance.uniform(0.1, whole * 1.2)
        cut_short(place, moment, "up", "-d", "--wait")
        where = f"seed {SEED}, turn {turn}, killed after {moment:.3f} s"
        again = place.begin("up", "-d", "--wait").end()
        assert again.code == 0, f"{where}:\n{again.said}"
        assert_as_declared(place, str(turn))
        assert place.inside("store", "cat", "/scratch/mark", "/data/mark") == "kept\nkept\n", where
        if turn % 4 == 2:
            # From here the next kill meets a stack that is only being made.
            place.down()
            write(place, "fresh")
            cut_short(place, chance.uniform(0.1, whole), "up", "-d", "--wait")
            place.run("up", "-d", "--wait")
            assert_as_declared(place, "fresh")
            mark(place)
    place.down()


def cut_short(place: Place, moment: float, *command: str) -> None:
    """Run a command and kill it after so many seconds: the moment is the example, nothing is waited for."""
    killed = place.begin(*command)
    time.sleep(moment)
    killed.send(signal.SIGKILL)
    killed.end()


def test_down_removes_what_a_killed_up_and_a_killed_down_left(place: Place, size) -> None:
    chance = random.Random(SEED)
    for turn in range(size(3, 30)):
        write(place, str(turn))
        cut_short(place, chance.uniform(0.2, 2.0), "up", "-d", "--wait")
        cut_short(place, chance.uniform(0.2, 0.8), "down", "-v")
        place.down()


@pytest.mark.parametrize("choose", [supervisor, every_supervisor, keeper, first_process, anything])
def test_kill_9_of_a_part_of_a_stack_that_runs(choose: Choose, place: Place, size) -> None:
    chance = random.Random(SEED)
    write(place, "0")
    place.run("up", "-d", "--wait")
    mark(place)
    for turn in range(size(2, 50)):
        found = choose(place, chance)
        assert found
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0, 0.3))
        where = f"seed {SEED}, turn {turn}, killed {choose.__name__} {found}"
        again = place.begin("up", "-d", "--wait").end()
        assert again.code == 0, f"{where}:\n{again.said}"
        assert_as_declared(place, "0")
        assert place.inside("store", "cat", "/scratch/mark", "/data/mark") == "kept\nkept\n", where
    place.down()


@pytest.mark.parametrize("command", [("up", "-d", "--wait"), ("down", "-v")])
def test_kill_9_of_any_process_while_a_command_works(command: tuple[str, ...], place: Place, size) -> None:
    """The command may fail, but says so; the next one goes through."""
    chance = random.Random(SEED)
    for turn in range(size(3, 50)):
        write(place, str(turn))
        if command[0] == "down":
            place.run("up", "-d", "--wait")
        running = place.begin(*command)
        time.sleep(chance.uniform(0.3, 1.5))
        others = [
            one.pid
            for one in below(os.getpid())
            if one.pid not in place.traces.before and one.pid != running.process.pid
        ]
        if others:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(others), signal.SIGKILL)
        ran = running.end()
        where = f"seed {SEED}, turn {turn}"
        assert ran.code in (0, 1), f"{where}:\n{ran.said}"
        assert "internal error" not in ran.err, f"{where}:\n{ran.said}"
        again = place.begin("up", "-d", "--wait").end()
        assert again.code == 0, f"{where}:\n{again.said}"
        assert_as_declared(place, str(turn))
        place.down()
