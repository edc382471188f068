"""What holds a container, or leaves no room for one more file, is told, and ends nothing else."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.local.bench import STACK, Bench, until
from zun_compose import labels
from zun_compose.container import Health, State
from zun_compose.drivers.local import containers
from zun_compose.drivers.local.cgroups import Group
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.drivers.local.supervise import launch
from zun_compose.drivers.local.supervise.sandbox import Joined
from zun_compose.errors import Conflict, DriverError, DriverTimeout, Unavailable
from zun_compose.model import Healthcheck, Network, Volume
from zun_compose.record import replace


@contextlib.contextmanager
def copying(bench: Bench, container: str) -> Iterator[None]:
    """Copy into a container that does not run, without an end."""
    reader, writer = os.pipe()
    with open(reader, "rb") as stream:
        thread = threading.Thread(target=bench.driver.put_archive, args=(container, "/tmp", stream))
        thread.start()
        entry = tarfile.TarInfo("file")
        entry.size = 1 << 16
        with open(writer, "wb", buffering=0) as out:
            out.write(entry.tobuf())
            until(lambda: _locked(bench, container))
            yield
            out.write(bytes(entry.size + 1024))
        thread.join(30)
        assert not thread.is_alive()


def _locked(bench: Bench, container: str) -> bool:
    inode = bench.home.place(container).lock.stat().st_ino
    return any(f":{inode} " in line for line in Path("/proc/locks").read_text().splitlines())


def test_what_is_being_copied_is_not_removed_and_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = bench.create("true")
    monkeypatch.setattr(containers, "_STUBBORN", 0.2)
    with copying(bench, container), pytest.raises(Conflict, match="files are being copied"):
        bench.driver.remove(container, force=True)
    bench.driver.remove(container, force=True)
    assert bench.driver.list(STACK) == []


def test_what_is_being_copied_is_not_started_and_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = bench.create("true")
    monkeypatch.setattr(containers, "TIMEOUT", 0.3)
    with copying(bench, container), pytest.raises(DriverTimeout, match="files are being copied"):
        bench.driver.start(container)


def test_a_python_that_is_gone_is_named_by_copies(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    container = bench.create("true")
    monkeypatch.setattr("sys.executable", str(bench.root / "gone"))
    with pytest.raises(Unavailable, match="no such file"):
        bench.driver.look(container, "/")
    with pytest.raises(Unavailable, match="no such file"):
        bench.driver.put_archive(container, "/", io.BytesIO())


def test_errors_of_the_system_are_the_drivers(bench: Bench) -> None:
    own = {labels.PROJECT: STACK}
    for folder in ("volumes", "networks"):
        (bench.root / folder).rename(bench.root / f"{folder}.away")
        (bench.root / folder).touch()
    try:
        with pytest.raises(DriverError, match='cannot create volume "data": not a directory'):
            bench.driver.create_volume(Volume(name="data", key="data"), own)
        with pytest.raises(DriverError, match='cannot create network "net": not a directory'):
            bench.driver.create_network(Network(name="net", key="net"), own)
    finally:
        for folder in ("volumes", "networks"):
            (bench.root / folder).unlink()
            (bench.root / f"{folder}.away").rename(bench.root / folder)


@contextlib.contextmanager
def room(pid: int, files: int) -> Iterator[None]:
    """Let a process open so many files more and no further ones."""
    held = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    limit = 0
    while files or limit in held:
        files -= limit not in held
        limit += 1
    before = resource.prlimit(
        pid, resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def test_a_check_that_cannot_be_run_is_a_failed_one(bench: Bench) -> None:
    check = Healthcheck(test=("CMD", "true"), interval=0.5, retries=1)
    container = bench.run("sleep", "60", healthcheck=check)
    # just after one, none is running
    until(lambda: bench.driver.inspect(container).health is Health.HEALTHY)
    with room(bench.account(container).supervisor or 0, 1):
        until(lambda: bench.driver.inspect(container).health is Health.UNHEALTHY)
        assert "too many open files" in bench.account(container).health_log
    until(lambda: bench.driver.inspect(container).health is Health.HEALTHY)
    assert bench.driver.inspect(container).state is State.RUNNING


def test_a_keeper_that_cannot_fork_says_so_and_stays(bench: Bench) -> None:
    first = bench.run("sleep", "60")
    second = bench.create("sleep", "60", name="web2")
    keeper = bench.keeper()
    # one for the question
    with room(keeper, 2), pytest.raises(DriverError, match="too many open files"):
        bench.driver.start(second)
    bench.driver.start(second)
    assert bench.keeper() == keeper
    assert {bench.driver.inspect(one).state for one in (first, second)} == {State.RUNNING}


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("idle", [False, True])
def test_a_start_that_fails_leaves_no_file_open(bench: Bench, tty: bool, idle: bool) -> None:
    container = bench.create("sleep", "60", tty=tty, stdin_open=True, network_mode="host")
    place = bench.home.place(container)
    blueprint = replace(Blueprint.load(place), network_mode="host")

    # whoever starts the keeper beside us has files open too
    bench.driver.close()

    def refuse(_: int) -> None:
        raise DriverError("no network")

    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(DriverError, match="no network"):
        launch.sandboxed(
            blueprint,
            place,
            bench.root,
            launch.bubblewrap(),
            Joined(),
            None,
            refuse,
            None,
            Group(),
            idle=idle,
        )
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_plain_program_that_cannot_be_run_leaves_no_file_open(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "home", isolated=False)
    blueprint = Blueprint.load(bench.home.place(bench.create("sleep", "1", stdin_open=True)))
    bench.driver.close()
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(DriverError, match="cannot run"):
        launch.plain(replace(blueprint, argv=("/nowhere",)), None, Group())
    assert sorted(os.listdir("/proc/self/fd")) == before
    bench.empty()
