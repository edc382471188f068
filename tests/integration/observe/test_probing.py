"""Probes of real containers: from outside where they can be reached, else from inside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from zun_compose.model import Probe, ProbeKind
from zun_compose.observe.probes import Prober
from zun_compose.record import replace
from zun_compose.sighting import Answer

from .conftest import INFO, Child, Cli, Run, docker

pytestmark = pytest.mark.docker

WWW = "mkdir -p /www; echo all systems go > /www/index.html; "
TCP = Probe(kind=ProbeKind.TCP, port=80)
HTTP = Probe(kind=ProbeKind.HTTP, port=80, body="systems")
LOG = Probe(kind=ProbeKind.LOG, pattern="ready.*now")


@pytest.fixture
def prober(driver: Cli) -> Iterator[Prober]:
    made = Prober(driver, INFO)  # type: ignore[arg-type]
    yield made
    made.close()


@pytest.fixture
def far(driver: Cli) -> Iterator[Prober]:
    made = Prober(driver, replace(INFO, local=False))  # type: ignore[arg-type]
    yield made
    made.close()


def until_ok(ask: Callable[[], Answer]) -> Answer:
    deadline = time.monotonic() + 20
    while True:
        answer = ask()
        if answer.ok:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"never answered: {answer}")
        time.sleep(0.05)


def test_tcp_and_http_reach_the_containers_own_address(prober: Prober, driver: Cli, run: Run) -> None:
    seen = run("sh", "-c", f"{WWW} sleep 0.3; exec httpd -f -p 80 -h /www")
    assert prober.ask(TCP, seen).text == "connection refused"
    assert until_ok(lambda: prober.ask(TCP, seen)).text == "80/tcp accepts"
    assert prober.ask(HTTP, seen).text == "http 200 OK"
    assert prober.ask(replace(HTTP, path="/nothing"), seen).text == "http 404 Not Found"
    assert not driver.executed


def test_a_published_port_is_never_asked(prober: Prober, run: Run) -> None:
    seen = run("sleep", "60", options=["-p", "127.0.0.1::80"])
    answer = prober.ask(TCP, seen)
    assert (answer.ok, answer.ran, answer.text) == (False, True, "connection refused")


def test_host_network_asks_only_what_the_container_holds(prober: Prober, run: Run) -> None:
    stranger = Child(namespaced=False)
    try:
        stranger.do("tcp(four, '0.0.0.0', 28091)")
        command = f"{WWW} exec httpd -f -p 28090 -h /www"
        seen = run("sh", "-c", command, options=["--network", "host"])
        assert until_ok(lambda: prober.ask(replace(TCP, port=28090), seen)).text == "28090/tcp accepts"
        assert prober.ask(replace(HTTP, port=28090), seen).ok
        answer = prober.ask(replace(TCP, port=28091), seen)
        assert (answer.ok, answer.text) == (False, "the container does not listen on 28091/tcp")
    finally:
        stranger.end()


def test_a_joined_network_is_reached_by_its_owners_address(prober: Prober, driver: Cli, run: Run) -> None:
    owner = run("httpd", "-f", "-p", "81", "-h", "/")
    command = f"{WWW} exec httpd -f -p 80 -h /www"
    seen = run("sh", "-c", command, options=["--network", f"container:{owner.id}"])
    until_ok(lambda: prober.ask(HTTP, seen))
    assert not prober.ask(replace(TCP, port=81), seen).ok
    assert not driver.executed


def test_without_a_network_it_is_asked_from_inside(prober: Prober, run: Run) -> None:
    command = f"{WWW} exec httpd -f -p 80 -h /www"
    seen = run("sh", "-c", command, options=["--network", "none"])
    assert until_ok(lambda: prober.ask(TCP, seen)).text == "80/tcp accepts (asked from inside)"
    assert prober.ask(HTTP, seen).text == "http 200 OK"


def test_a_far_engine_is_asked_from_inside(far: Prober, driver: Cli, run: Run) -> None:
    seen = run("sh", "-c", f"{WWW} exec httpd -f -p 80 -h /www")
    until_ok(lambda: far.ask(TCP, seen))
    assert far.ask(replace(TCP, port=81), seen).text == "connection refused"
    secret = replace(HTTP, headers={"X-Token": "geheim"})
    assert far.ask(secret, seen).text == "http 200 OK"
    assert far.ask(replace(secret, path="/nothing"), seen).text == "http 404 Not Found"
    assert not far.ask(replace(secret, body="nonsense"), seen).ok
    assert driver.executed
    assert not [word for command in driver.executed for word in command if "geheim" in word]


def test_without_a_shell_there_is_no_verdict(far: Prober, run: Run) -> None:
    seen = run("sh", "-c", "/bin/rm -f /bin/nc /bin/sh; exec sleep 60")
    deadline = time.monotonic() + 10
    while (answer := far.ask(TCP, seen)).ran and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not answer.ran
    assert "no shell" in answer.text


def test_exec(prober: Prober, run: Run) -> None:
    seen = run("sleep", "60", options=["-e", "WHO=me"])
    probe = Probe(kind=ProbeKind.EXEC, command=("sh", "-c", "echo $WHO; exit $((1 - $(ls /tmp/up | wc -l)))"))
    answer = prober.ask(probe, seen)
    assert (answer.ok, answer.ran, answer.exit_code) == (False, True, 1)
    docker("exec", seen.id, "sh", "-c", "mkdir -p /tmp; touch /tmp/up")
    assert prober.ask(probe, seen).ok


@pytest.mark.parametrize(
    "command",
    [("CMD", "test", "-e", "/tmp/up"), ("CMD-SHELL", "[ -e /tmp/up ] || exit 1")],
    ids=["list", "line"],
)
def test_exec_as_stack_files_have_it(prober: Prober, run: Run, command: tuple[str, ...]) -> None:
    seen = run("sleep", "60")
    probe = Probe(kind=ProbeKind.EXEC, command=command)
    answer = prober.ask(probe, seen)
    assert (answer.ok, answer.ran, answer.exit_code) == (False, True, 1)
    docker("exec", seen.id, "sh", "-c", "mkdir -p /tmp; touch /tmp/up")
    assert prober.ask(probe, seen).ok


def test_log_lines_of_this_life_only(prober: Prober, driver: Cli, run: Run) -> None:
    script = "if [ -e /again ]; then sleep 1; else touch /again; fi; echo ready or now; exec sleep 60"
    seen = run("sh", "-c", script)
    assert until_ok(lambda: prober.ask(LOG, seen)).text == "logged: ready or now"
    docker("restart", "-t", "0", seen.id)
    again = driver.inspect(seen.id)
    assert again.started_at != seen.started_at
    fresh = Prober(driver, INFO)  # type: ignore[arg-type]
    first = (prober.ask(LOG, again), fresh.ask(LOG, again))
    assert [answer.text for answer in first] == ["not in the log yet"] * 2
    until_ok(lambda: prober.ask(LOG, again))
    until_ok(lambda: fresh.ask(LOG, again))
    fresh.close()


def test_a_line_logged_at_once_is_found(prober: Prober, run: Run) -> None:
    """It may carry a time before the engine's own time of the start."""
    for _ in range(3):
        seen = run("sh", "-c", "echo ready and now; exec sleep 60")
        until_ok(partial(prober.ask, LOG, seen))
