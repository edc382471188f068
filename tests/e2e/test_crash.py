"""Killed at any moment, zun-compose leaves something that the next `up` converges and `down` removes."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.e2e.site import Site, until
from tests.e2e.witness import Witness

# A mark wins over the command line, so it must know of the full size too.
PATIENCE = 3600 if os.environ.get("ZUN_COMPOSE_SOAK") == "1" else 300

pytestmark = [pytest.mark.docker, pytest.mark.soak, pytest.mark.timeout(PATIENCE)]

SEED = random.SystemRandom().randrange(1_000_000)


def write(site: Site, version: str) -> None:
    """Everything that can be caught half-way: volumes, networks, a config, a job, services to replace."""
    site.write(f"""
        services:
          store:
            image: busybox
            init: true
            command: [sh, -c, "touch /ready; sleep 3600"]
            environment: {{VERSION: "{version}"}}
            volumes: ["data:/data", /scratch]
            configs: [settings]
            networks: [back]
            healthcheck: {{test: [CMD-SHELL, "test -e /ready"], interval: 1s, retries: 60}}
          migrate:
            image: busybox
            command: [sh, -c, "exit 0"]
            environment: {{VERSION: "{version}"}}
            networks: [back]
            depends_on: {{store: {{condition: service_healthy}}}}
          app:
            image: busybox
            init: true
            command: [sleep, "3600"]
            environment: {{VERSION: "{version}"}}
            networks: [back, default]
            depends_on: {{migrate: {{condition: service_completed_successfully}}}}
          side: {{image: busybox, init: true, command: [sleep, "3600"]}}
        volumes: {{data: {{}}}}
        networks: {{back: {{}}}}
        configs: {{settings: {{content: "{version}"}}}}
        """)


def assert_as_declared(site: Site, version: str) -> None:
    """Compare what the engine has with the file: these containers, these names, nothing else."""
    assert site.states() == {
        "app-1": "running",
        "migrate-1": "exited",
        "side-1": "running",
        "store-1": "running",
    }
    for service in ("app", "migrate", "store"):
        assert f"VERSION={version}" in site.container(service)["Config"]["Env"], service
    assert site.container("migrate")["State"]["ExitCode"] == 0
    assert site.inside("store", "cat", "/settings") == version
    mounts = {mount["Destination"]: mount.get("Name") for mount in site.container("store")["Mounts"]}
    assert set(mounts) == {"/data", "/scratch"}
    assert mounts["/data"] == f"{site.name}_data"
    joined = set(site.container("app")["NetworkSettings"]["Networks"])
    assert joined == {f"{site.name}_back", f"{site.name}_default"}
    assert site.networks() == sorted(joined)


def assert_nothing_left(site: Site, witness: Witness) -> None:
    assert site.left() == {}
    assert [name for name in witness.anonymous if site.has_volume(name)] == [], "anonymous volumes leaked"


def test_kill_9_at_random_moments_then_up_converges_and_down_removes_all(
    site: Site, size: Callable[[int, int], int]
) -> None:
    chance = random.Random(SEED)
    with Witness(site.engine, site.name) as witness:
        write(site, "0")
        began = time.monotonic()
        site.run("up", "-d", "--wait")
        whole = time.monotonic() - began
        assert_as_declared(site, "0")
        mark(site)
        for turn in range(1, size(5, 50) + 1):
            write(site, str(turn))
            killed = site.begin("up", "-d", "--wait")
            # Not a wait for something: the moment is the example.
            moment = chance.uniform(0.1, whole * 1.2)
            time.sleep(moment)
            killed.send(signal.SIGKILL)
            killed.end()
            where = f"seed {SEED}, turn {turn}, killed after {moment:.3f} s, left {site.states()}"
            again = site.begin("up", "-d", "--wait").end()
            assert again.code == 0, f"{where}:\n{again.said}"
            assert_as_declared(site, str(turn))
            assert site.inside("store", "cat", "/scratch/mark", "/data/mark") == "kept\nkept\n", where
            if turn % 5 == 2:
                # From here the next kill meets a stack that is only being made.
                site.run("down", "-v")
                assert_nothing_left(site, witness)
                write(site, "fresh")
                first = site.begin("up", "-d", "--wait")
                time.sleep(chance.uniform(0.1, whole))
                first.send(signal.SIGKILL)
                first.end()
                site.run("up", "-d", "--wait")
                assert_as_declared(site, "fresh")
                mark(site)
        site.run("down", "-v")
        assert_nothing_left(site, witness)


def mark(site: Site) -> None:
    """Write data that no crash may lose."""
    site.inside("store", "sh", "-c", "echo kept > /scratch/mark; echo kept > /data/mark")


def test_down_removes_what_a_killed_up_and_a_killed_down_left(
    site: Site, size: Callable[[int, int], int]
) -> None:
    chance = random.Random(SEED)
    with Witness(site.engine, site.name) as witness:
        for turn in range(size(2, 20)):
            write(site, str(turn))
            for command in (("up", "-d", "--wait"), ("down", "-v")):
                killed = site.begin(*command)
                time.sleep(chance.uniform(0.2, 2.5))
                killed.send(signal.SIGKILL)
                killed.end()
            site.run("down", "-v")
            assert_nothing_left(site, witness)


def test_a_container_that_was_only_half_made_is_made_anew(site: Site) -> None:
    """A kill between the calls that create a container leaves one without its second network."""
    write(site, "one")
    site.run("up", "--no-start")
    app = site.container("app")
    networks = [f"{site.name}_back", f"{site.name}_default"]
    assert sorted(app["NetworkSettings"]["Networks"]) == networks
    site.engine.api.disconnect_container_from_network(app["Id"], f"{site.name}_default")
    site.run("up", "-d", "--wait")
    assert_as_declared(site, "one")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_an_attached_up_in_order(site: Site, number: signal.Signals) -> None:
    site.write("""
        services:
          app:
            image: busybox
            init: true
            command: [sh, -c, "echo app is here; sleep 3600"]
            depends_on: [db]
          db: {image: busybox, init: true, command: [sleep, "3600"]}
        """)
    with Witness(site.engine, site.name) as witness:
        up = site.begin("up")
        until(lambda: site.states() == {"app-1": "running", "db-1": "running"}, "the stack runs")
        until_attached(up.process.stdout)
        up.send(number)
        assert up.end().code == 130
        ends = [witness.wait("die", name).at for name in ("app", "db")]
    assert site.states() == {"app-1": "exited", "db-1": "exited"}
    assert ends == sorted(ends), "the dependent went first"
    site.run("up", "-d")
    assert site.states() == {"app-1": "running", "db-1": "running"}


def until_attached(stream) -> None:
    """Read until the log of `app` arrives: only then is `up` past its start."""
    for line in stream:
        if "app is here" in line:
            return
    raise AssertionError("up ended without the log of app")


def test_a_second_signal_kills_what_will_not_stop(site: Site) -> None:
    site.write("""
        services:
          app:
            image: busybox
            command: [sh, -c, "trap '' TERM; echo app is here; while true; do sleep 1; done"]
            stop_grace_period: 60s
        """)
    with Witness(site.engine, site.name) as witness:
        up = site.begin("up")
        until(lambda: site.states() == {"app-1": "running"}, "the stack runs")
        until_attached(up.process.stdout)
        up.send(signal.SIGINT)
        witness.wait("kill", "app")  # the engine has sent the signal that the service ignores
        assert site.states() == {"app-1": "running"}
        up.send(signal.SIGINT)
        assert up.end(limit=40).code == 130
    seen = site.container("app")["State"]
    assert (seen["Status"], seen["ExitCode"]) == ("exited", 137)
