"""`up`, `status`, `down` and `reload` of a cloud that is up."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.cloud import amqp, assembly, docker, fixture, heat, proc, rest
from tests.cloud.fixture import Cloud
from tests.cloud.settings import Port

pytestmark = pytest.mark.openstack


def pids(cloud: Cloud) -> dict[str, int]:
    return {line.name: line.pid for line in assembly.status(cloud.settings)}


def test_up_again_does_nothing(cloud: Cloud) -> None:
    before = pids(cloud)
    done = fixture.command("up")
    assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stdout
    assert pids(cloud) == before


def test_status_names_each_process_with_its_memory_and_ports(cloud: Cloud) -> None:
    done = fixture.command("status")
    assert done.returncode == 0, done.stdout
    keystone = next(line for line in done.stdout.splitlines() if line.startswith("keystone "))
    assert f"127.0.0.1:{cloud.settings.ports[Port.KEYSTONE]}" in keystone
    assert f"pid {pids(cloud)['keystone']}" in keystone
    # it starts with 2.3 GiB and grows with use
    total = sum(line.memory for line in assembly.status(cloud.settings))
    assert total < 3 * (1 << 30)


def test_a_killed_process_is_told_and_alone_comes_back(cloud: Cloud) -> None:
    before = pids(cloud)
    os.kill(before["placement"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while fixture.command("status").returncode == 0:
        assert time.monotonic() < deadline, "status did not notice"
    told = fixture.command("status").stdout
    assert [line.split()[0] for line in told.splitlines() if "DOWN" in line] == ["placement"]
    done = fixture.command("up")
    assert done.returncode == 0, done.stderr
    after = pids(cloud)
    assert after.pop("placement") != before.pop("placement")
    assert after == before
    assert rest.answers(cloud.settings.ports[Port.PLACEMENT])


def test_a_cloud_killed_as_a_whole_comes_back_though_its_pids_are_given_anew(cloud: Cloud) -> None:
    before = pids(cloud)
    for pid in before.values():
        for member in proc.session(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
    # as after a restart of the machine, where dockerd would find another one "running"
    for claim in (cloud.settings.run / "dockerd.own", docker.CONTAINERD):
        if docker.NAME in before:
            claim.write_text(str(os.getpid()))
    done = fixture.command("up")
    assert done.returncode == 0, done.stderr
    after = pids(cloud)
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert docker.answers()


def test_down_stops_what_it_is_told_and_up_brings_it_back(cloud: Cloud) -> None:
    before = pids(cloud)
    assert fixture.command("down", "glance-api").returncode == 0
    assert not rest.answers(cloud.settings.ports[Port.GLANCE])
    assert pids(cloud) == {name: pid for name, pid in before.items() if name != "glance-api"}
    assert fixture.command("up").returncode == 0
    assert pids(cloud).keys() == before.keys()


def test_reload_gives_heat_a_type_of_resource_and_takes_it_back(cloud: Cloud, tmp_path: Path) -> None:
    kept = ",".join(cloud.settings.heat_plugins)
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "fruit.py").write_text(
        "from heat.engine import resource\n"
        "class Fruit(resource.Resource):\n"
        "    properties_schema = {}\n"
        "def resource_mapping():\n"
        "    return {'Fruit::Basket': Fruit}\n"
    )
    before = pids(cloud)
    try:
        done = fixture.command("reload", "--heat-plugins", str(folder))
        assert done.returncode == 0, done.stderr
        changed = {name for name, pid in pids(cloud).items() if pid != before[name]}
        assert changed == set(heat.RELOADED)
        assert "Fruit::Basket" in types(cloud)
    finally:
        fixture.command("reload", "--heat-plugins", kept)
    assert "Fruit::Basket" not in types(cloud)


def test_a_plug_in_that_cannot_be_imported_is_told_with_the_log(cloud: Cloud, tmp_path: Path) -> None:
    kept = ",".join(cloud.settings.heat_plugins)
    (tmp_path / "rotten.py").write_text("import no_such_fruit\n")
    try:
        done = fixture.command("reload", "--heat-plugins", str(tmp_path))
        assert done.returncode == 1
        assert "heat-engine" in done.stderr
        assert "no_such_fruit" in done.stderr
    finally:
        again = fixture.command("reload", "--heat-plugins", kept)
    assert again.returncode == 0, again.stderr


def types(cloud: Cloud) -> list[str]:
    found: list[str] = cloud.session().ask(Port.HEAT, "GET", "/v1/%p/resource_types")["resource_types"]
    return found


def test_a_queue_that_nobody_consumes_is_told_from_one_that_somebody_does(cloud: Cloud) -> None:
    port, password = cloud.settings.ports[Port.RABBIT], cloud.settings.password
    assert amqp.consumed(port, password)
    assert amqp.consumed(port, password, "engine", "q-plugin")
    assert not amqp.consumed(port, password, "engine", "no-such-queue")
    assert not amqp.consumed(port, "wrong")
    assert not amqp.consumed(cloud.settings.ports[Port.KEYSTONE], password)


def test_everything_listens_on_the_loopback_address_alone(cloud: Cloud) -> None:
    inodes: set[str] = set()
    for line in assembly.status(cloud.settings):
        for member in proc.session(line.pid):
            inodes |= sockets(member)
    tables = [Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6")]
    rows = [row.split() for table in tables for row in table.read_text().splitlines()[1:]]
    listening = {row[1].rpartition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}
    # 127.0.0.1, and epmd's ::1, as the kernel writes them
    assert listening == {"0100007F", "00000000000000000000000001000000"}


def sockets(pid: int) -> set[str]:
    found = set()
    for file in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            target = os.readlink(file)
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found
