"""The real docker compose on our stacks, and zun-compose on its: what docs/docker-compose-interop.md says."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.e2e.site import PROJECT, Ran, Site

pytestmark = [pytest.mark.docker, pytest.mark.peer]

Peer = Callable[..., Ran]

# Our own keys in their portable spelling: docker compose has to take this file as it is.
STACK = """
    services:
      app:
        image: busybox
        init: true
        command: [sh, -c, "echo app speaks; sleep 3600"]
        environment: {COLOUR: blue}
        volumes: ["data:/data", /scratch]
        configs: [{source: settings, target: /settings}]
        networks: [back, default]
        x-depends-on: {outside: {x-condition: ready, x-timeout: 5s}}
        depends_on:
          db: {condition: service_started, x-condition: service_listening, x-timeout: 30s, x-retries: 3}
          job: {condition: service_completed_successfully}
      db:
        image: busybox
        init: true
        command: [httpd, -f, -p, "8080"]
        expose: ["8080"]
        networks: [back]
        x-readiness: {tcp: 8080, interval: 200ms}
      job:
        image: busybox
        command: ["true"]
        x-zun: {job: true}
    volumes: {data: {}}
    networks: {back: {}}
    configs: {settings: {content: "written here"}}
    x-zun:
      externals: {outside: {tcp: "127.0.0.1:8080"}}
    """
PLAIN = STACK.replace("        x-depends-on: {outside: {x-condition: ready, x-timeout: 5s}}\n", "")
RUNNING = {"app-1": "running", "db-1": "running", "job-1": "exited"}


@pytest.fixture
def theirs(site: Site, docker_compose: list[str]) -> Peer:
    """Run docker compose in the stack's folder."""

    def run(*arguments: str, expect: int = 0) -> Ran:
        return site.run(*arguments, command=docker_compose, expect=expect)

    return run


def keep_data(site: Site) -> None:
    site.inside("app", "sh", "-c", "echo kept > /data/file; echo kept > /scratch/file")


def assert_data_kept(site: Site) -> None:
    assert site.inside("app", "cat", "/data/file", "/scratch/file") == "kept\nkept\n"


def makers(site: Site) -> set[str]:
    """Tell who made the stack's containers, by the labels that each of the two writes."""
    return {
        "ours" if "zun-compose.scheme" in seen["Config"]["Labels"] else "theirs" for seen in site.containers()
    }


def test_docker_compose_sees_logs_and_removes_our_stack(site: Site, theirs: Peer) -> None:
    site.write(PLAIN)
    site.run("up", "-d", "--wait")
    before = site.identities()
    listed = json.loads(theirs("ls", "--format", "json", "--filter", f"name=^{site.name}$").out)
    assert [one["Name"] for one in listed] == [site.name]
    assert "running(2)" in listed[0]["Status"]
    assert listed[0]["ConfigFiles"] == str(site.folder / "compose.yaml")
    table = theirs("ps").out
    for name in ("app-1", "db-1"):
        assert f"{site.name}-{name}" in table
    rows = {row["Service"]: row for row in theirs("ps", "-a", "--format", "json").rows()}
    assert {name: row["State"] for name, row in rows.items()} == {
        "app": "running",
        "db": "running",
        "job": "exited",
    }
    assert "app speaks" in theirs("logs", "app").out
    assert theirs("exec", "-T", "app", "cat", "/settings").out == "written here"
    assert site.identities() == before
    theirs("down")
    assert site.left() == {"volumes": [f"{site.name}_data"]}
    theirs("down", "-v")
    assert site.left() == {}


def test_ps_of_both_show_the_same_containers_under_the_same_keys(site: Site, theirs: Peer) -> None:
    site.write(PLAIN)
    site.run("up", "-d", "--wait")
    own = {row["Name"]: row for row in site.run("ps", "-a", "--format", "json").rows()}
    peer = {row["Name"]: row for row in theirs("ps", "-a", "--format", "json").rows()}
    assert set(own) == set(peer)
    for name, row in peer.items():
        assert set(row) <= set(own[name])
        for key in (
            "ID",
            "Image",
            "Service",
            "Project",
            "State",
            "ExitCode",
            "Health",
            "Publishers",
            "Command",
        ):
            assert own[name][key] == row[key], f"{name}: {key}"
    extra = {key for row in own.values() for key in row} - {key for row in peer.values() for key in row}
    assert extra == {"Readiness", "Listening", "ReadySince"}


@pytest.mark.parametrize(
    "template",
    [
        "{{.Name}}",
        r"{{.Name}}\t{{.State}}\n",
        "{{upper .Service}} {{.Service | title}} {{truncate .Name 3}}|{{pad .Service 1 2}}|",
        "{{json .Name}} {{json .ExitCode}} {{.ExitCode}} {{json .Publishers}}",
        '{{.Label "com.docker.compose.service"}} {{.Label "none"}}',
        'x  {{- .Name -}}  y {{println "z"}}',
        r"table {{.Name}}\t{{.Service}}\t{{.State}}\t{{.Image}}\t{{.Project}}",
        r'table {{.Label "com.docker.compose.service"}}\t{{.Label "a.some-other_label"}}\t{{upper .Name}}',
    ],
)
def test_ps_of_both_fill_templates_alike(site: Site, theirs: Peer, template: str) -> None:
    site.write("services: {web: {image: busybox, command: [top]}, app: {image: busybox, command: [top]}}")
    site.run("up", "-d")
    own, peer = (run("ps", "--format", template).out.split() for run in (site.run, theirs))
    assert own == peer


def test_zun_compose_sees_logs_and_removes_their_stack(site: Site, theirs: Peer) -> None:
    site.write(PLAIN)
    theirs("up", "-d")
    before = site.identities()
    assert makers(site) == {"theirs"}
    rows = {row["Service"]: row for row in site.run("ps", "-a", "--format", "json").rows()}
    assert {name: row["Readiness"] for name, row in rows.items()} == {
        "app": "ready",
        "db": "ready",
        "job": "completed",
    }
    assert "app speaks" in site.run("logs", "app").out
    site.run("status")
    assert site.run("exec", "-T", "app", "cat", "/settings").out == "written here"
    plan = site.run("plan").out
    for name in ("app-1", "db-1"):
        assert any(
            f"{site.name}-{name}" in line and "made by docker compose" in line for line in plan.splitlines()
        )
    assert site.identities() == before, "looking and planning changed nothing"
    site.run("down")
    assert site.left() == {"volumes": [f"{site.name}_data"]}
    site.run("down", "-v")
    assert site.left() == {}


def test_our_up_takes_their_stack_over_and_keeps_its_data(site: Site, theirs: Peer) -> None:
    site.write(PLAIN)
    theirs("up", "-d")
    keep_data(site)
    volumes = site.anonymous()
    site.run("up", "-d", "--wait")
    assert makers(site) == {"ours"}
    assert site.states() == RUNNING
    assert_data_kept(site)
    assert site.anonymous() == volumes
    before = {name: who for name, who in site.identities().items() if name != "job-1"}
    site.run("up", "-d", "--wait")
    assert {name: who for name, who in site.identities().items() if name != "job-1"} == before
    site.run("down", "-v")
    assert site.left() == {}
    assert [name for name in volumes if site.has_volume(name)] == []


def test_their_up_takes_our_stack_over_and_keeps_its_data(site: Site, theirs: Peer) -> None:
    site.write(PLAIN)
    site.run("up", "-d", "--wait")
    keep_data(site)
    theirs("up", "-d")
    assert makers(site) == {"theirs"}
    assert site.states() == RUNNING
    assert_data_kept(site)
    before = {name: who for name, who in site.identities().items() if name != "job-1"}
    theirs("up", "-d")
    assert {name: who for name, who in site.identities().items() if name != "job-1"} == before
    site.run("up", "-d", "--wait")
    assert makers(site) == {"ours"}
    assert_data_kept(site)
    theirs("down", "-v")
    assert site.left() == {}


def test_docker_compose_takes_the_portable_spelling(site: Site, theirs: Peer) -> None:
    site.write(STACK)
    assert theirs("ps").code == 0
    theirs("config", "-q")
    site.run("config", "-q")


def test_their_stop_and_start_of_our_stack_and_our_one_off_container(site: Site, theirs: Peer) -> None:
    """Commands that need no more than labels: containers stay ours, and we see what was done."""
    site.write(PLAIN)
    site.run("up", "-d", "--wait")
    made = {name: who[0] for name, who in site.identities().items()}
    theirs("stop", "-t", "1", "app")
    assert site.states()["app-1"] == "exited"
    site.run("status", expect=1)
    theirs("start", "app")
    assert {name: who[0] for name, who in site.identities().items()} == made
    site.run("status")
    site.run("run", "--name", f"{site.name}-mine", "db", "true")
    assert site.engine.api.inspect_container(f"{site.name}-mine")["Config"]["Labels"][PROJECT] == site.name
    assert f"{site.name}-mine" in theirs("ps", "-a").out, "their -a lists one-off containers too"
    theirs("down", "-v", "--remove-orphans")
    assert site.left() == {}
