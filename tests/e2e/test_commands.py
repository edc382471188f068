"""The commands beside `up` and `down`, on a stack that runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.site import PROJECT, Site, moment, until

pytestmark = pytest.mark.docker

STACK = """
    services:
      app:
        image: busybox
        init: true
        command: [sh, -c, "echo app line one; echo app line two; sleep 3600"]
        environment: {COLOUR: blue}
        depends_on: {db: {condition: service_started, x-condition: service_listening}}
      db:
        image: busybox
        init: true
        command: [sh, -c, "echo db speaks; httpd -f -p 8080"]
        expose: ["8080"]
      job:
        image: busybox
        command: [sh, -c, "echo done; exit 0"]
        x-zun: {job: true}
    """


@pytest.fixture(scope="module")
def stack(make_site: Callable[[str], Site]) -> Iterator[Site]:
    """A stack for commands that leave it as it is."""
    site = make_site("commands")
    site.write(STACK)
    site.run("up", "-d", "--wait")
    yield site
    site.clear()


@pytest.fixture
def own(site: Site) -> Site:
    """A stack for commands that change it."""
    site.write(STACK)
    site.run("up", "-d", "--wait")
    return site


def test_exec_gives_output_input_environment_and_the_code_of_the_command(stack: Site) -> None:
    assert stack.run("exec", "app", "echo", "hello").out == "hello\n"
    stack.run("exec", "app", "sh", "-c", "exit 7", expect=7)
    assert stack.run("exec", "-T", "app", "cat", stdin="through stdin").out == "through stdin"
    ran = stack.run(
        "exec", "-e", "SIZE=small", "-w", "/tmp", "app", "sh", "-c", "echo $COLOUR $SIZE; pwd; echo no >&2"
    )
    assert ran.out == "blue small\n/tmp\n"
    assert "no" in ran.err
    stack.run("exec", "job", "true", expect=1)
    stack.run("exec", "nobody", "true", expect=2)


def test_run_gives_the_code_of_a_container_of_its_own(stack: Site) -> None:
    before = stack.identities()
    assert (
        stack.run("run", "--rm", "-e", "SIZE=small", "app", "sh", "-c", "echo $COLOUR $SIZE").out
        == "blue small\n"
    )
    assert stack.run("run", "--rm", "-T", "app", "cat", stdin="through stdin").out == "through stdin"
    assert len(stack.containers(oneoff=True)) == len(before), "removed after its end"
    stack.run("run", "--name", f"{stack.name}-mine", "app", "sh", "-c", "exit 5", expect=5)
    mine = stack.engine.api.inspect_container(f"{stack.name}-mine")
    assert (mine["State"]["Status"], mine["State"]["ExitCode"]) == ("exited", 5)
    assert mine["Config"]["Labels"][PROJECT] == stack.name
    assert stack.identities() == before
    stack.engine.api.remove_container(mine["Id"])


def test_run_starts_what_the_service_needs_first(site: Site) -> None:
    site.write(STACK)
    ran = site.run(
        "run", "--rm", "app", "sh", "-c", "nslookup db 127.0.0.11 && wget -qO- http://db:8080/nothing || true"
    )
    assert ran.code == 0
    assert site.states() == {"db-1": "running"}


def test_logs(stack: Site) -> None:
    everything = stack.run("logs").out
    for line in ("app line one", "app line two", "db speaks", "done"):
        assert line in everything
    assert stack.run("logs", "--no-log-prefix", "app").out == "app line one\napp line two\n"
    assert stack.run("logs", "--no-log-prefix", "--tail", "1", "app").out == "app line two\n"
    stamped = stack.run("logs", "--no-log-prefix", "-t", "job").out.split()[0]
    assert moment(stack.container("job")["Created"]) <= moment(stamped) <= time.time()


def test_logs_follow_until_the_containers_have_ended(site: Site) -> None:
    site.write("""
        services:
          app:
            image: busybox
            command: [sh, -c, "echo first; until [ -e /go ]; do sleep 0.1; done; echo last"]
        """)
    site.run("up", "-d")
    following = site.begin("logs", "-f", "--no-log-prefix")
    stdout = following.process.stdout
    assert stdout is not None
    assert stdout.readline() == "first\n"
    site.inside("app", "touch", "/go")
    ran = following.end()
    assert (ran.code, ran.out) == (0, "last\n")


def test_ps_status_and_explain_tell_what_the_engine_tells(stack: Site) -> None:
    rows = {row["Service"]: row for row in stack.run("ps", "-a", "--format", "json").rows()}
    seen = {name: stack.container(name) for name in ("app", "db", "job")}
    for name, row in rows.items():
        assert len(row["ID"]) >= 12
        assert seen[name]["Id"].startswith(row["ID"])
        assert row["Name"] == seen[name]["Name"].lstrip("/")
        assert row["State"] == seen[name]["State"]["Status"]
        assert row["ExitCode"] == seen[name]["State"]["ExitCode"]
        assert row["Project"] == stack.name
    assert {name: row["Readiness"] for name, row in rows.items()} == {
        "app": "ready",
        "db": "ready",
        "job": "completed",
    }
    assert "8080/tcp" in rows["db"]["Listening"]
    running = stack.run("ps", "-q").out.split()
    assert sorted(running) == sorted(one["Id"] for name, one in seen.items() if name != "job")
    assert json.loads(stack.run("status", "--format", "json").out)["ok"] is True
    assert "app waits for db" in stack.run("explain").out


def test_status_and_explain_of_a_stack_that_is_not_well(own: Site) -> None:
    own.engine.api.kill(own.container("db")["Id"])
    until(lambda: own.states()["db-1"] == "exited", "killed")
    assert "db" in own.run("status", expect=1).out
    assert json.loads(own.run("status", "--format", "json", expect=1).out)["ok"] is False
    own.run("status", "app", "job")
    assert "db speaks" in own.run("explain").out, "the last words of the one that is gone"
    own.run("down")
    own.run("status", expect=1)


def test_stop_start_restart_and_kill_keep_the_containers(own: Site) -> None:
    made = {name: who[0] for name, who in own.identities().items()}
    own.run("stop")
    ends = {name: moment(own.container(name)["State"]["FinishedAt"]) for name in ("app", "db")}
    assert own.states() == {"app-1": "exited", "db-1": "exited", "job-1": "exited"}
    assert ends["app"] <= ends["db"], "dependents first"
    own.run("start", "--wait")
    assert own.states() == {"app-1": "running", "db-1": "running", "job-1": "exited"}
    starts = {name: moment(own.container(name)["State"]["StartedAt"]) for name in ("app", "db")}
    assert starts["db"] < starts["app"]
    own.run("restart", "app")
    again = {name: moment(own.container(name)["State"]["StartedAt"]) for name in ("app", "db")}
    assert again["app"] > starts["app"]
    assert again["db"] == starts["db"]
    own.run("kill", "-s", "SIGTERM", "db")
    until(lambda: own.states()["db-1"] == "exited", "the signal ended it")
    own.run("kill", "app")
    until(lambda: own.states()["app-1"] == "exited", "the signal ended it")
    assert own.container("app")["State"]["ExitCode"] == 137
    assert {name: who[0] for name, who in own.identities().items()} == made


def test_rm_removes_only_what_has_stopped_unless_told_to_stop(own: Site) -> None:
    own.run("rm", "-f")
    assert set(own.states()) == {"app-1", "db-1"}
    own.run("rm", "-f", "-s", "app")
    assert set(own.states()) == {"db-1"}


def test_wait_gives_the_code_of_the_container(site: Site) -> None:
    site.write("""
        services:
          app: {image: busybox, command: [sh, -c, "until [ -e /go ]; do sleep 0.1; done; exit 6"]}
        """)
    site.run("up", "-d")
    waiting = site.begin("wait", "app")
    assert waiting.process.poll() is None
    site.inside("app", "touch", "/go")
    assert waiting.end().code == 6
    assert site.container("app")["State"]["ExitCode"] == 6


def test_wait_for_a_state(stack: Site, site: Site) -> None:
    stack.run("wait", "--for", "ready")
    stack.run("wait", "--for", "listening", "db")
    stack.run("wait", "--for", "completed", "job")
    stack.run("wait", "--for", "completed", "app", "--timeout", "1s", expect=1)
    site.write("""
        services:
          late:
            image: busybox
            init: true
            command: [sh, -c, "until [ -e /go ]; do sleep 0.1; done; httpd -f -p 80"]
            expose: ["80"]
        """)
    site.run("up", "-d")
    waiting = site.begin("wait", "--for", "listening", "late")
    site.run("wait", "--for", "listening", "late", "--timeout", "1s", expect=1)
    assert waiting.process.poll() is None, "nothing listens yet"
    site.inside("late", "touch", "/go")
    assert waiting.end().code == 0
    listening = site.inside("late", "cat", "/proc/net/tcp", "/proc/net/tcp6")
    assert ":0050 " in listening


def test_events_tell_what_happened(own: Site) -> None:
    began = time.time()
    own.run("restart", "app")
    ran = own.run("events", "--json", "--since", f"{began:.3f}", "--until", f"{time.time():.3f}")
    actions = [row["action"] for row in ran.rows() if row["service"] == "app"]
    assert [action for action in actions if action in ("die", "start")] == ["die", "start"]


def test_exit_codes_of_what_was_asked_wrongly(stack: Site, site: Site) -> None:
    stack.run("version")
    stack.run("config", "-q")
    stack.run("nonsense", expect=2)
    stack.run("up", "--no-such-option", expect=2)
    stack.run("up", "-d", "nobody", expect=2)
    site.write("services: {app: {image: busybox, comand: [sleep]}}")
    ran = site.run("up", "-d", expect=2)
    assert "compose.yaml:2:" in ran.err
    assert "command" in ran.err
    site.write("services: {a: {image: busybox, depends_on: [b]}, b: {image: busybox, depends_on: [a]}}")
    assert "a" in site.run("up", "-d", expect=2).err
    site.run("plan", "--detailed-exitcode", expect=1)
