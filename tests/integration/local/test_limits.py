"""Limits that the kernel keeps, where control groups may be made here."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.lab import Ear
from tests.integration.local.bench import STACK, Bench, gone, until
from zun_compose.container import State
from zun_compose.drivers.local import cgroups
from zun_compose.errors import Rejected
from zun_compose.model import Resources, Restart, RestartName

MIB = 1024 * 1024
HOG = ("python3", "-S", "-c", f"hold = b'x' * {200 * MIB}; print('had it')")


@pytest.fixture(autouse=True)
def allowed() -> None:
    missing = {"cpus", "memory", "pids"} - cgroups.kept()
    if missing:
        pytest.skip(f"no control group here may be written that limits {missing}")


def groups(container: str) -> list[Path]:
    """The container's groups, as the kernel shows them."""
    name = f"zun-compose-{container[:32]}"
    return [base.folder / name for base in cgroups.bases() if (base.folder / name).exists()]


def inside(bench: Bench, container: str) -> int:
    """How many groups of its own a command in a container is in."""
    text = bench.inside(container, "cat /proc/self/cgroup")
    return text.count(f"zun-compose-{container[:32]}")


def test_who_takes_too_much_memory_is_killed_and_it_is_said(bench: Bench) -> None:
    ear = Ear()
    heard = bench.driver.events(STACK, ear)
    container = bench.run(*HOG, resources=Resources(memory=40 * MIB))
    seen = bench.ended(container)
    assert (seen.exit_code, seen.oom_killed) == (137, True)
    until(lambda: "oom" in ear.actions(container))
    heard.close()
    until(lambda: not groups(container))
    assert bench.output(*HOG, name="free") == "had it"


def test_a_later_life_is_judged_by_itself(bench: Bench) -> None:
    script = f'test -e /tmp/once && exit 3; touch /tmp/once; exec {HOG[0]} -S -c "{HOG[3]}"'
    policy = Restart(name=RestartName.ON_FAILURE, maximum=1)
    container = bench.run("sh", "-c", script, resources=Resources(memory=40 * MIB), restart=policy)
    until(lambda: bench.driver.inspect(container).restart_count == 1)
    seen = bench.ended(container)
    assert (seen.exit_code, seen.oom_killed) == (3, False)


@pytest.mark.parametrize("declared", [{}, {"init": True}, {"tty": True}])
def test_it_has_only_so_many_processes_whoever_starts_them(bench: Bench, declared: dict[str, bool]) -> None:
    # number 1 counts, and the shell beside it
    container = bench.run("sleep", "60", resources=Resources(pids=6), **declared)
    assert inside(bench, container) == len(groups(container)) > 0
    more = "for i in 1 2 3 4 5 6 7 8; do sleep 60 & done"
    done = bench.driver.execute(container, ["sh", "-c", more], timeout=20)
    assert done.exit_code != 0
    assert "fork" in done.output
    bench.driver.stop(container, 0)
    until(lambda: not groups(container))


@pytest.mark.skipif(os.geteuid() != 0, reason="other users need root, or a range that not everybody has")
def test_another_user_is_limited_too(bench: Bench) -> None:
    container = bench.run(*HOG, user="1234", resources=Resources(memory=40 * MIB), name="other")
    seen = bench.ended(container)
    assert (seen.exit_code, seen.oom_killed) == (137, True)


def test_processors_are_shared_as_declared(bench: Bench) -> None:
    container = bench.run("sleep", "60", resources=Resources(cpus=0.25, cpu_shares=512))
    told = "".join(path.read_text() for one in groups(container) for path in one.glob("cpu.*"))
    assert "25000" in told
    assert inside(bench, container) == len(groups(container))


def test_who_asks_for_no_limit_gets_no_group(bench: Bench) -> None:
    container = bench.run("sleep", "60")
    assert groups(container) == []
    assert inside(bench, container) == 0


def test_a_limit_that_the_kernel_refuses_is_named_and_leaves_nothing(bench: Bench) -> None:
    if "cpuset" not in cgroups.kept():
        pytest.skip("no control group here may be written that has cpuset")
    container = bench.create("sleep", "60", resources=Resources(cpuset="100000"))
    with pytest.raises(Rejected, match=r"cpuset\.cpus"):
        bench.driver.start(container)
    assert groups(container) == []


def kill_supervisor(bench: Bench, container: str) -> None:
    supervisor = bench.account(container).supervisor
    os.kill(supervisor or 0, signal.SIGKILL)


def kill_keeper_and_supervisor(bench: Bench, container: str) -> None:
    os.kill(bench.keeper(), signal.SIGKILL)
    kill_supervisor(bench, container)


@pytest.mark.parametrize("kill", [kill_supervisor, kill_keeper_and_supervisor])
def test_removing_leaves_no_group_whoever_was_killed(
    bench: Bench, kill: Callable[[Bench, str], None]
) -> None:
    container = bench.run("sleep", "60", resources=Resources(memory=40 * MIB, pids=9))
    process = bench.account(container).pid
    held = groups(container)
    assert held
    kill(bench, container)
    until(lambda: gone(process))
    until(lambda: bench.driver.inspect(container).state is State.EXITED)
    bench.driver.remove(container)
    assert [one for one in held if one.exists()] == []


def test_plain_processes_are_limited_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "home", isolated=False)
    try:
        container = bench.run(*HOG, resources=Resources(memory=40 * MIB))
        seen = bench.ended(container)
        assert (seen.exit_code, seen.oom_killed) == (137, True)
        until(lambda: not groups(container))
    finally:
        bench.empty()
