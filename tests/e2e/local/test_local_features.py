"""What a stack file may ask for and a user may do, on the local driver with the image host."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.law import free_port
from tests.e2e.local.place import Place
from tests.e2e.site import until

# Answers every connection with its name; on SIGUSR1 it stops to listen and goes on.
SERVER = """
import os, signal, socket, threading, time
time.sleep(float(os.environ.get("LATE", "0")))
server = socket.create_server(("", 8080))
def close(*_):
    server.shutdown(socket.SHUT_RDWR)
    server.close()
def serve():
    while True:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        peer.sendall(os.environ["ZCE2E"].encode())
        peer.close()
signal.signal(signal.SIGUSR1, close)
threading.Thread(target=serve, daemon=True).start()
while True:
    signal.pause()
"""
ASK = "import socket, sys; print(socket.create_connection((sys.argv[1], 8080), 2).recv(99).decode())"
SERVE = {"command": ["python3", "-S", "-c", SERVER], "expose": ["8080"]}


def ask(place: Place, service: str, name: str, *, expect: int = 0) -> str:
    """Connect from a service to a name and return who answers."""
    return place.inside(service, "python3", "-S", "-c", ASK, name, expect=expect).strip()


def answer(port: int) -> str | None:
    """Connect to a published port from outside and return who answers, None if we are refused.

    "" is a connection that was taken and then reset: by a forwarder that finds the port closed just now.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as peer:
            return peer.recv(99).decode()
    except ConnectionRefusedError:
        return None
    except ConnectionResetError:
        return ""


def test_names_lead_to_services_on_shared_networks_only(place: Place) -> None:
    place.stack(
        {
            "app": {"networks": ["front", "back"]},
            "db": {**SERVE, "networks": {"back": {"aliases": ["base"]}, "deep": {"aliases": ["below"]}}},
            "web": {**SERVE, "networks": ["front"]},
        },
        networks={"front": {}, "back": {}, "deep": {"internal": True}},
    )
    place.run("up", "-d", "--wait")
    for name in ("db", "base"):
        assert ask(place, "app", name) == f"{place.name}/db"
    assert ask(place, "app", "web") == f"{place.name}/web"
    for name in ("db", "base", "below"):
        assert ask(place, "web", name, expect=1) == ""
    address = place.record("db-1")["addresses"][f"{place.name}_back"]
    assert ask(place, "app", address) == f"{place.name}/db"
    assert ask(place, "web", address, expect=1) == "", "networks do not reach each other by address either"
    place.down()


def test_what_is_on_an_internal_network_alone_has_no_way_out(place: Place) -> None:
    place.stack(
        {"inner": {"networks": ["deep"]}, "outer": {"networks": ["wide"]}},
        networks={"deep": {"internal": True}, "wide": {}},
    )
    place.run("up", "-d")
    route = Path(f"/proc/{place.pid('inner')}/net/route").read_text().splitlines()[1:]
    assert route
    assert not [line for line in route if line.split()[1] == "00000000"], "no default route"


def test_a_published_port_refuses_until_the_service_listens_and_after_it_has_closed(place: Place) -> None:
    port = free_port()
    place.stack(
        {"web": {**SERVE, "environment": {"LATE": "1.5"}, "ports": [f"127.0.0.1:{port}:8080"], "expose": []}}
    )
    place.run("up", "-d")
    assert answer(port) is None
    place.run("up", "-d", "--wait")
    assert answer(port) == f"{place.name}/web", "the first client after that is served"
    os.kill(place.process("web").pid, signal.SIGUSR1)
    until(lambda: answer(port) is None, "refused once more", limit=5)
    place.down()
    with socket.create_server(("127.0.0.1", port)):
        pass  # nobody holds it


def test_published_ports_accept_when_a_gate_opens(place: Place) -> None:
    """However long ago they started: what watches a container's ports for clients looks seldom by then."""
    test = ["CMD", "python3", "-S", "-c", ASK, "127.0.0.1"]
    kinds: dict[str, dict[str, Any]] = {
        "listening": {},
        "healthy": {"healthcheck": {"test": test, "interval": "1s", "retries": 60}},
        "ready": {"x-readiness": {"tcp": 8080}},
    }
    published = {f"{kind}{number}": free_port() for number in range(8) for kind in kinds}
    services: dict[str, Any] = {
        name: {
            **SERVE,
            **kinds[name[:-1]],
            "environment": {"LATE": f"{2.2 + 0.093 * order:.3f}"},
            "ports": [f"127.0.0.1:{port}:8080"],
        }
        for order, (name, port) in enumerate(published.items())
    }
    needed = {name: {"condition": "service_started", "x-condition": name[:-1]} for name in published}
    place.stack({**services, "last": {"depends_on": needed}})
    running = place.begin("--progress", "json", "up", "-d")
    assert running.process.stderr is not None
    answers = {}
    for line in running.process.stderr:
        event = json.loads(line)
        if event["event"] == "gate_opened" and event["dependent"] == "last":
            name = event["dependency"]
            answers[name] = answer(published[name])
    assert answers == {name: f"{place.name}/{name}" for name in published}, line
    assert running.end().code == 0


# Becomes true in all ways that can be probed, and prints when.
LATE_FACT = """
import http.server, pathlib, time
time.sleep(1)
print(time.time(), flush=True)
pathlib.Path("/tmp/fact").touch()
print("the fact is there", flush=True)
http.server.HTTPServer(("", 8080), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_each_kind_of_probe_waits_for_its_fact(place: Place) -> None:
    probes: dict[str, Any] = {
        "http": {"http": ":8080/"},
        "tcp": {"tcp": 8080},
        "listening": {"listening": 8080},
        "list": {"exec": ["test", "-e", "/tmp/fact"]},
        "line": {"exec": "[ -e /tmp/fact ] && test -d /tmp"},
        "log": {"log": "fact is"},
    }
    fact = {"command": ["python3", "-S", "-c", LATE_FACT]}
    services: dict[str, Any] = {
        name: {**fact, "x-readiness": {**probe, "interval": "200ms"}} for name, probe in probes.items()
    }
    needed = {name: {"condition": "service_started", "x-condition": "ready"} for name in probes}
    services["last"] = {"command": ["date", "+%s.%N"], "depends_on": needed}
    place.stack(services)
    place.run("up", "-d")
    until(lambda: place.states()["last-1"] == "exited", "it has told when it ran")
    began = float(place.logs("last"))
    assert began > max(float(place.logs(name).split()[0]) for name in probes)
    seen = place.ps()
    assert {name: seen[f"{name}-1"]["Readiness"] for name in probes} == dict.fromkeys(probes, "ready")


def test_a_restart_policy_brings_a_killed_service_back(place: Place) -> None:
    place.stack({"app": {"restart": "always"}})
    place.run("up", "-d")
    first = place.process("app").pid
    os.kill(first, signal.SIGKILL)
    until(lambda: place.pid("app") not in (0, first), "it runs again")
    assert place.states() == {"app-1": "running"}
    place.run("stop")
    assert place.states() == {"app-1": "exited"}, "what is stopped stays so"
    place.run("start")
    assert place.process("app")


def test_exec_and_run_give_the_code_and_the_output(place: Place) -> None:
    place.stack({"app": {"environment": {"COLOUR": "green"}}})
    place.run("up", "-d")
    assert place.inside("app", "sh", "-c", "echo $COLOUR; exit 5", expect=5) == "green\n"
    ran = place.run("run", "--rm", "-T", "app", "sh", "-c", "echo $COLOUR; cat; exit 6", stdin="in", expect=6)
    assert ran.out == "green\nin"
    assert place.states() == {"app-1": "running"}, "run --rm leaves no container"
    place.down()


def test_logs_are_followed_until_the_service_ends(place: Place) -> None:
    lines = "for n in 1 2 3; do echo line $$n; sleep 0.3; done; echo last >&2"
    place.stack({"app": {"command": ["sh", "-c", lines]}})
    place.run("up", "-d")
    followed = place.run("logs", "-f", "--no-log-prefix", "app")
    assert (followed.out, followed.err) == ("line 1\nline 2\nline 3\n", "last\n")
    assert place.run("logs", "--no-log-prefix", "--tail", "1", "app").err == "last\n"


def test_configs_and_secrets_are_files_with_their_mode(place: Place) -> None:
    place.put("password", "hidden")
    place.environment["TOKEN"] = "told"
    place.stack(
        {
            "app": {
                "configs": [{"source": "settings", "target": "/etc/app/settings.conf", "mode": 0o440}],
                "secrets": [{"source": "password", "mode": 0o400}, {"source": "token", "mode": 0o400}],
            }
        },
        configs={"settings": {"content": "level=3\n"}},
        secrets={"password": {"file": "./password"}, "token": {"environment": "TOKEN"}},
    )
    place.run("up", "-d")
    files = ["/etc/app/settings.conf", "/run/secrets/password", "/run/secrets/token"]
    assert place.inside("app", "cat", *files) == "level=3\nhiddentold"
    assert place.inside("app", "stat", "-c", "%a", *files).split() == ["440", "400", "400"]


def test_a_secret_from_an_open_file_is_closed_to_others(place: Place) -> None:
    """The copy has the owner and mode that were asked for, or 0400; never those of the file."""
    for name in ("plain", "owned", "settings"):
        (place.put(name, f"told-{name}")).chmod(0o666)
    owned = {"source": "owned", "uid": "1234", "gid": "1235", "mode": 0o440}
    app = {"secrets": ["plain", owned], "configs": ["settings"], "tmpfs": ["/run"]}
    place.stack(
        {"app": app, "closed": {**app, "read_only": True}},
        secrets={"plain": {"file": "./plain"}, "owned": {"file": "./owned"}},
        configs={"settings": {"file": "./settings"}},
    )
    place.run("up", "-d")
    for service in ("app", "closed"):
        files = ("/run/secrets/plain", "/run/secrets/owned", "/settings")
        shown = place.inside(service, "stat", "-c", "%a %u %g", *files).splitlines()
        several = os.geteuid() == 0
        assert shown == ["400 0 0", "440 1234 1235" if several else "440 0 0", "444 0 0"], service
        assert place.inside(service, "cat", *files) == "told-plaintold-ownedtold-settings"
    for path in place.home.rglob("files"):
        assert path.stat().st_mode & 0o777 == 0o700
        assert all(b"told-" not in log.read_bytes() for log in path.parent.glob("*.json"))
    place.run("restart", "-t", "0", "app")
    assert place.inside("app", "stat", "-c", "%a", "/run/secrets/plain").strip() == "400"


@pytest.mark.skipif(os.geteuid() != 0, reason="other users need root, or a range that not everybody has")
def test_a_secret_belongs_to_the_user_who_is_to_read_it(place: Place) -> None:
    place.put("password", "hidden")
    place.stack(
        {
            "app": {"user": "nobody", "secrets": ["password"]},
            "numbered": {"user": "77:78", "secrets": ["password"]},
        },
        secrets={"password": {"file": "./password"}},
    )
    place.run("up", "-d")
    assert place.inside("app", "cat", "/run/secrets/password") == "hidden"
    assert place.inside("app", "stat", "-c", "%a %U", "/run/secrets/password") == "400 nobody\n"
    assert place.inside("numbered", "stat", "-c", "%a %u %g", "/run/secrets/password") == "400 77 78\n"


def test_volumes_keep_their_data_as_long_as_they_should(place: Place) -> None:
    def write(value: str, *more: str) -> None:
        place.stack(
            {"app": {"volumes": ["data:/data", *more], "environment": {"VALUE": value}}},
            volumes={"data": {}},
        )

    def kept() -> set[str]:
        return set(place.inside("app", "sh", "-c", "ls /data /scratch 2>&1 | grep mark || true").split())

    write("one", "/scratch")
    place.run("up", "-d")
    place.inside("app", "touch", "/data/mark-named", "/scratch/mark-anonymous")
    first = place.process("app").pid
    write("two", "/scratch")
    place.run("up", "-d")
    assert place.process("app").pid != first, "it was recreated"
    assert kept() == {"mark-named", "mark-anonymous"}
    place.down()
    write("three")
    place.run("up", "-d")
    assert kept() == set()
    place.inside("app", "touch", "/data/mark-named")
    place.run("down")
    place.run("up", "-d")
    assert kept() == {"mark-named"}
    place.down()


def test_a_service_is_scaled_up_and_down_and_its_name_stands_for_all(place: Place) -> None:
    place.stack({"web": SERVE, "app": {}})
    for count in (3, 1):
        place.run("up", "-d", "--wait", "--scale", f"web={count}")
        wanted = {"app-1", *(f"web-{number}" for number in range(1, count + 1))}
        assert place.states() == dict.fromkeys(wanted, "running")
        assert len(place.processes("web")) == count
        found = place.inside("app", "getent", "ahostsv4", "web").splitlines()
        assert len({line.split()[0] for line in found}) == count
    place.down()


def test_up_twice_changes_nothing(place: Place) -> None:
    place.stack({"web": SERVE, "app": {"depends_on": {"web": {"condition": "service_started"}}}})
    place.run("up", "-d", "--wait")
    before = [place.process(name).pid for name in ("app", "web")]
    again = place.run("up", "-d", "--detailed-exitcode", "--dry-run")
    assert "nothing to do" in again.said
    place.run("up", "-d", "--wait")
    assert [place.process(name).pid for name in ("app", "web")] == before


def test_a_stack_without_isolation_keeps_its_order(place: Place) -> None:
    """As where the kernel allows no namespaces: what needs one is refused by name, the rest runs."""
    place.options = ("--driver", "local", "--no-isolation")
    port = free_port()
    late = SERVER.replace("8080", str(port))
    services: dict[str, dict[str, Any]] = {
        "late": {
            "command": ["python3", "-S", "-c", late],
            "environment": {"LATE": "1"},
            "expose": [str(port)],
        },
        "app": {"depends_on": {"late": {"condition": "service_started", "x-condition": "service_listening"}}},
    }
    place.stack({**services, "app": {**services["app"], "volumes": ["data:/data"]}}, volumes={"data": {}})
    refused = place.run("up", "-d", expect=2)
    assert "app" in refused.err
    assert "volumes" in refused.err
    assert not place.processes("late"), "refused in the plan, before anything runs"
    place.stack(services)
    place.run("up", "-d", "--wait")
    assert place.process("app").started - place.process("late").started > 0.9
    assert answer(port) == f"{place.name}/late"
    assert os.readlink(f"/proc/{place.pid('app')}/ns/net") == os.readlink("/proc/self/ns/net")
    place.down()


NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", "env")


def python_for_all(path: str) -> str | None:
    """Return a Python that an ordinary user may run and that finds the package's libraries in `path`."""
    for python in (sys.executable, "/usr/bin/python3"):
        command = [*NOBODY, f"PYTHONPATH={path}", python, "-c", "import click, msgspec, yaml"]
        if subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0:
            return python
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_brings_a_stack_up_and_down(place: Place) -> None:
    """Nobody, without any privilege, a home or a daemon."""
    nobody = 65534
    found = os.pathsep.join(
        [str(Path(__file__).parents[3]), *(one for one in sys.path if "site-packages" in one)]
    )
    python = python_for_all(found)
    if python is None:
        pytest.skip("no Python here may be run by an ordinary user")
    place.before = [*NOBODY, f"PYTHONPATH={found}", "HOME=/nonexistent"]
    place.program = [python, "-m", "zun_compose.cli.main"]
    port = free_port()
    place.stack(
        {
            "web": {**SERVE, "ports": [f"127.0.0.1:{port}:8080"], "volumes": ["data:/data"]},
            "app": {
                "depends_on": {"web": {"condition": "service_started", "x-condition": "service_listening"}}
            },
        },
        volumes={"data": {}},
    )
    lent = [place.folder, place.state]
    place.state.mkdir()
    for path in lent:
        os.chown(path, nobody, nobody)
    for path in [*place.state.parents][:3]:
        path.chmod(path.stat().st_mode | 0o011)
    place.run("up", "-d", "--wait")
    assert os.stat(f"/proc/{place.pid('web')}").st_uid == nobody
    assert ask(place, "app", "web") == f"{place.name}/web"
    until(lambda: answer(port) == f"{place.name}/web", "published")
    assert place.inside("web", "sh", "-c", "touch /data/x && ls /data").strip() == "x"
    place.down()
