"""--on-failure: what a failed `up` leaves, with a service that was being replaced."""

from __future__ import annotations

import pytest

from tests.e2e.site import Site

pytestmark = pytest.mark.docker


def write(site: Site, version: str, *, breaks: bool) -> None:
    """`app` is replaced when the version changes; `gate` then never opens and keeps `last` from starting."""
    site.write(f"""
        services:
          app:
            image: busybox
            init: true
            command: [sleep, "3600"]
            environment: {{VERSION: "{version}"}}
            volumes: [/scratch]
          gate:
            image: busybox
            init: true
            command: [sh, -c, "{"exit 3" if breaks else "sleep 3600"}"]
            depends_on: [app]
          last:
            image: busybox
            init: true
            command: [sleep, "3600"]
            environment: {{VERSION: "{version}"}}
            expose: ["1"]
            depends_on:
              gate: {{condition: service_{"completed_successfully" if breaks else "started"}}}
        """)


@pytest.fixture
def broken(site: Site) -> Site:
    """A stack that is up, and a file whose next version cannot come up."""
    write(site, "one", breaks=False)
    site.run("up", "-d")
    site.inside("app", "sh", "-c", "echo kept > /scratch/file")
    write(site, "two", breaks=True)
    return site


def version(site: Site, service: str) -> str:
    environment = site.container(service)["Config"]["Env"]
    return next(str(entry).removeprefix("VERSION=") for entry in environment if entry.startswith("VERSION="))


def test_keep_leaves_the_new_one_running_and_the_one_behind_the_gate_as_it_was(broken: Site) -> None:
    last = broken.identities()["last-1"]
    ran = broken.run("up", "-d", expect=1)
    assert "3" in ran.err
    assert broken.states() == {"app-1": "running", "gate-1": "exited", "last-1": "running"}
    assert version(broken, "app") == "two"
    assert broken.inside("app", "cat", "/scratch/file") == "kept\n"
    assert broken.identities()["last-1"] == last, "its replacement never began"


def test_stop_stops_what_it_started_and_nothing_else(broken: Site) -> None:
    last = broken.identities()["last-1"]
    broken.run("up", "-d", "--on-failure", "stop", expect=1)
    assert broken.states() == {"app-1": "exited", "gate-1": "exited", "last-1": "running"}
    assert broken.identities()["last-1"] == last


def test_rollback_brings_the_old_one_back_running(broken: Site) -> None:
    before = {name: who[0] for name, who in broken.identities().items()}
    volumes = broken.anonymous()
    broken.run("up", "-d", "--on-failure", "rollback", expect=1)
    assert {name: who[0] for name, who in broken.identities().items()} == before
    assert broken.states() == {"app-1": "running", "gate-1": "running", "last-1": "running"}
    assert version(broken, "app") == "one"
    assert broken.inside("app", "cat", "/scratch/file") == "kept\n"
    assert broken.anonymous() == volumes
    write(broken, "three", breaks=False)
    broken.run("up", "-d")
    assert set(broken.states().values()) == {"running"}
    assert version(broken, "app") == "three"
    assert broken.inside("app", "cat", "/scratch/file") == "kept\n"


def test_rollback_of_a_first_up_leaves_nothing(site: Site) -> None:
    write(site, "one", breaks=True)
    site.run("up", "-d", "--on-failure", "rollback", expect=1)
    assert site.left() == {}
