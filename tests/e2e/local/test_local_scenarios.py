"""Stacks on which docker compose is slow, hangs or fails: on the local driver they behave as on Docker."""

from __future__ import annotations

import time
from itertools import pairwise

from tests.e2e.local.place import Place
from tests.e2e.site import until

# The machine of a test run does other things meanwhile: what the bars call 2 s is given this much more.
LOAD = 9.0
READY = "test -e /tmp/ready"


def healthy(times: str = "1s") -> dict[str, object]:
    return {"test": ["CMD-SHELL", READY], "interval": times, "retries": 60}


def test_a_death_ends_up_at_once_whatever_else_is_waited_for(place: Place) -> None:
    """`bad` dies at 1 s, `slow` would be healthy at 15 s."""
    place.stack(
        {
            "bad": {
                "command": [
                    "sh",
                    "-c",
                    "sleep 1; echo first words; echo the disk is full; date +%s.%N; exit 7",
                ],
                "healthcheck": {"test": ["CMD", "true"], "interval": "60s", "start_period": "60s"},
                "expose": ["8080"],
            },
            "slow": {
                "command": ["sh", "-c", "sleep 15; touch /tmp/ready; sleep 3600"],
                "healthcheck": healthy(),
            },
            "app": {
                "depends_on": {
                    "bad": {"condition": "service_started", "x-condition": "service_listening"},
                    "slow": {"condition": "service_healthy"},
                }
            },
        }
    )
    ran = place.run("up", "-d", expect=1)
    died = float(place.logs("bad").split()[-1])
    assert ran.ended - died < 2.0 + LOAD, "far from the 15 s of slow"
    for word in ("app -> bad", "code 7", "first words", "the disk is full"):
        assert word in ran.err
    assert place.states() == {"bad-1": "exited", "slow-1": "running"}, "what never started is not left"
    assert place.ps()["bad-1"]["ExitCode"] == 7
    assert not place.processes("app")
    place.down()


def test_a_chain_of_jobs_runs_in_order(place: Place, size) -> None:
    count = size(5, 9)
    (place.folder / "out").mkdir()
    services = {
        f"job{number}": {
            "command": ["sh", "-c", f"echo {number} begins >> /out/all; echo {number} ends >> /out/all"],
            "volumes": ["./out:/out"],
            "depends_on": {f"job{number - 1}": {"condition": "service_completed_successfully"}}
            if number
            else {},
        }
        for number in range(count)
    }
    services["app"] = {"depends_on": {f"job{count - 1}": {"condition": "service_completed_successfully"}}}
    place.stack(services)
    place.run("up", "-d")
    written = (place.folder / "out" / "all").read_text().splitlines()
    assert written == [f"{number} {what}" for number in range(count) for what in ("begins", "ends")]
    assert place.states() == {"app-1": "running", **{f"job{number}-1": "exited" for number in range(count)}}
    assert {row["ExitCode"] for row in place.ps().values()} == {0}
    place.down()


def test_a_healthcheck_of_every_thirty_seconds_is_asked_at_once(place: Place) -> None:
    """Nothing but the test and its default interval is declared."""
    place.stack(
        {
            "db": {
                "command": ["sh", "-c", "touch /tmp/ready; exec sleep 3600"],
                "healthcheck": {"test": ["CMD-SHELL", READY]},
            },
            "app": {"depends_on": {"db": {"condition": "service_healthy"}}},
        }
    )
    place.run("up", "-d")
    assert 0 <= place.process("app").started - place.process("db").started < 15
    assert place.ps()["db-1"]["Readiness"] == "ready"


def test_a_job_that_never_ends_is_given_up_after_the_timeout_of_its_edge(place: Place) -> None:
    place.stack(
        {
            "job": {},
            "app": {
                "depends_on": {"job": {"condition": "service_completed_successfully", "x-timeout": "5s"}},
            },
        }
    )
    ran = place.run("up", "-d", expect=1)
    assert 5.0 <= ran.ended - place.process("job").started < 6.0 + LOAD
    for word in ("app -> job", "5 s"):
        assert word in ran.err
    assert place.states() == {"job-1": "running"}
    place.down()


def test_a_diamond_opens_level_by_level(place: Place) -> None:
    """Three levels, each healthy after a moment, which each writes down."""
    (place.folder / "out").mkdir()

    def level(name: str, *needed: str) -> dict[str, object]:
        ready = f"sleep 0.2; date +%s.%N > /out/{name}; touch /tmp/ready; exec sleep 3600"
        return {
            "command": ["sh", "-c", f"date +%s.%N > /out/{name}-started; {ready}"],
            "volumes": ["./out:/out"],
            "healthcheck": healthy(),
            "depends_on": {one: {"condition": "service_healthy"} for one in needed},
        }

    place.stack(
        {
            "top": level("top", "left", "right"),
            "left": level("left", "base"),
            "right": level("right", "base"),
            "base": level("base"),
        }
    )
    place.run("up", "-d", "--wait")
    moments = {path.name: float(path.read_text()) for path in (place.folder / "out").iterdir()}
    for dependent, dependency in (("left", "base"), ("right", "base"), ("top", "left"), ("top", "right")):
        assert moments[f"{dependent}-started"] > moments[dependency]
    assert {row["Readiness"] for row in place.ps().values()} == {"ready"}
    place.down()


def test_a_crash_that_the_restart_policy_heals_is_waited_out(place: Place) -> None:
    crash = (
        "date +%s.%N; if [ -e /tmp/crashed ]; then touch /tmp/ready; exec sleep 3600; fi; touch /tmp/crashed"
    )
    place.stack(
        {
            "db": {
                "command": ["sh", "-c", f"{crash}; sleep 1; exit 1"],
                "restart": "on-failure",
                "healthcheck": healthy(),
            },
            "app": {"depends_on": {"db": {"condition": "service_healthy"}}},
        }
    )
    place.run("up", "-d")
    first, second = (float(line) for line in place.logs("db").split())
    assert second - first > 1.0, "started once more, after its death"
    assert place.process("app").started > second
    assert place.states() == {"app-1": "running", "db-1": "running"}
    place.down()


def test_wait_counts_the_end_of_a_job_as_success_and_any_other_end_as_failure(place: Place) -> None:
    for code, expected in ((0, 0), (3, 1)):
        place.stack({"job": {"command": ["sh", "-c", f"exit {code}"], "x-zun": {"job": True}}, "app": {}})
        ran = place.run("up", "--wait", expect=expected)
        assert place.ps()["job-1"]["ExitCode"] == code
        assert place.processes("app")
        assert code == 0 or "job" in ran.err


def test_a_service_that_takes_its_time_to_stop_gets_its_grace_and_no_more(place: Place) -> None:
    stubborn = "trap '' TERM; touch /tmp/ready; while true; do sleep 0.1; done"
    place.stack(
        {
            "a": {
                "command": ["sh", "-c", stubborn],
                "stop_grace_period": "2s",
                "init": False,
                "healthcheck": healthy(),
            }
        }
    )
    place.run("up", "-d", "--wait")
    began = time.monotonic()
    place.run("stop")
    assert 2.0 <= time.monotonic() - began < 10.0, "less than the grace of who declares none"
    until(lambda: not place.processes("a"), "killed at last")
    assert place.ps()["a-1"]["ExitCode"] == 137


def test_dependents_stop_before_what_they_need(place: Place) -> None:
    (place.folder / "out").mkdir()
    last = "trap 'date +%s.%N > /out/{0}; exit 0' TERM; touch /tmp/ready; while true; do sleep 0.05; done"
    names = ("base", "middle", "top")
    place.stack(
        {
            name: {
                "command": ["sh", "-c", last.format(name)],
                "volumes": ["./out:/out"],
                "healthcheck": healthy(),
                "depends_on": {names[at - 1]: {"condition": "service_healthy"}} if at else {},
            }
            for at, name in enumerate(names)
        }
    )
    place.run("up", "-d", "--wait")
    place.run("stop")
    moments = [float((place.folder / "out" / name).read_text()) for name in reversed(names)]
    assert all(before < after for before, after in pairwise(moments))
    assert {row["ExitCode"] for row in place.ps().values()} == {0}
