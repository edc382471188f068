"""Plain processes, where user namespaces are not allowed: supervised all the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.integration.local.bench import STACK, Bench, gone, until
from zun_compose.capability import Verdict, told
from zun_compose.container import Health, Join, State
from zun_compose.drivers.local import marks
from zun_compose.errors import DriverError, Unsupported
from zun_compose.model import (
    Healthcheck,
    Mount,
    MountType,
    Network,
    Port,
    Restart,
    RestartName,
    Service,
    Stack,
)


@pytest.fixture
def plain(tmp_path) -> Iterator[Bench]:
    made = Bench(tmp_path / "home", isolated=False)
    yield made
    made.empty()


def refusals(bench: Bench, service: Service) -> tuple[str, ...]:
    stack = Stack(name=STACK, services={service.name: service})
    return told(bench.driver.findings(stack), Verdict.REFUSES).get(service.name, ())


def test_it_lives_ends_and_prints(plain: Bench) -> None:
    container = plain.run("sh", "-c", "echo out; echo err >&2; exit 4")
    assert plain.ended(container).exit_code == 4
    lines = {(line.stream, line.text) for line in plain.driver.logs(container)}
    assert lines == {("stdout", "out"), ("stderr", "err")}


def test_it_runs_in_the_machines_own_namespaces(plain: Bench) -> None:
    container = plain.run("sleep", "60")
    seen = plain.driver.inspect(container)
    for kind in ("user", "net", "mnt", "pid"):
        assert os.readlink(f"/proc/{seen.pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")
    assert seen.network_mode == "host"
    plain.driver.stop(container, 5)
    assert plain.driver.inspect(container).exit_code == 143


def test_nothing_escapes_its_end(plain: Bench) -> None:
    script = "(setsid sleep 601 &) ; setsid sh -c 'sleep 602 & sleep 603' & sleep 604"
    container = plain.run("sh", "-c", script)
    until(lambda: len(marks.marked(container)) >= 5)
    pids = marks.marked(container)
    plain.driver.stop(container, 0)
    assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize("with_keeper", [False, True])
def test_nothing_outlives_a_killed_supervisor(plain: Bench, with_keeper) -> None:
    container = plain.run("sh", "-c", "setsid sh -c 'setsid sleep 601 & sleep 602' & sleep 603")
    until(lambda: len(marks.marked(container)) >= 4)
    pids = marks.marked(container)
    if with_keeper:
        os.kill(plain.keeper(), signal.SIGKILL)
    os.kill(plain.account(container).supervisor or 0, signal.SIGKILL)
    until(lambda: plain.driver.inspect(container).state is State.EXITED)
    plain.driver.remove(container, force=True)
    until(lambda: all(gone(pid) for pid in pids))


def test_restarts_checks_commands_and_pauses_work(plain: Bench) -> None:
    check = Healthcheck(test=("CMD", "true"), interval=0.1)
    container = plain.run("sleep", "60", restart=Restart(name=RestartName.ALWAYS), healthcheck=check)
    until(lambda: plain.driver.inspect(container).health is Health.HEALTHY)
    assert plain.inside(container, "echo $ZUN_COMPOSE_CONTAINER") == container
    plain.driver.pause(container)
    assert plain.driver.inspect(container).state is State.PAUSED
    plain.driver.unpause(container)
    os.kill(plain.driver.inspect(container).pid or 0, signal.SIGKILL)
    until(lambda: plain.driver.inspect(container).restart_count == 1)


def test_a_missing_program_fails_the_start(plain: Bench) -> None:
    container = plain.create("/no/such/program")
    with pytest.raises(DriverError, match="no such file"):
        plain.driver.start(container)
    assert plain.driver.inspect(container).state is State.CREATED


def test_a_declared_network_is_the_machines(plain: Bench) -> None:
    plain.driver.create_network(Network(key="a", name="bench_a"), {"com.docker.compose.project": STACK})
    container = plain.run("sleep", "60", joins=(Join(network="bench_a"),))
    assert plain.driver.inspect(container).state is State.RUNNING


@pytest.mark.parametrize(
    ("declared", "word"),
    [
        ({"tmpfs": ("/x",)}, "tmpfs"),
        ({"read_only": True}, "read_only"),
        ({"network_mode": "none"}, "network_mode"),
        ({"ports": (Port(target=80, published="8080"),)}, "8080:80"),
        ({"ports": (Port(target=80),), "replicas": 2}, "scale"),
        ({"user": "1000"}, "user"),
        ({"mounts": (Mount(type=MountType.VOLUME, target="/data"),)}, "volumes"),
    ],
)
def test_what_needs_a_namespace_or_a_mount_is_refused_by_name(plain: Bench, declared, word) -> None:
    assert any(word in reason for reason in refusals(plain, Service(name="web", image="host", **declared)))
    with pytest.raises(Unsupported, match=word):
        plain.create("true", **declared)
    assert plain.driver.list(STACK) == []


def test_other_images_are_refused(plain: Bench) -> None:
    assert "image" in refusals(plain, Service(name="web", image="busybox"))[0]
