"""Replies of several engines' words -> Observed."""

from __future__ import annotations

import pytest

from zun_compose.container import Health, PortKey, Published, State
from zun_compose.drivers.docker import observe
from zun_compose.model import Healthcheck

LABELS = {
    "com.docker.compose.service": "web",
    "com.docker.compose.container-number": "2",
    "com.docker.compose.oneoff": "False",
}


@pytest.mark.parametrize(
    ("state", "status", "expected"),
    [
        ("running", "Up 3 minutes", (State.RUNNING, None, Health.NONE)),
        ("running", "Up 3 minutes (healthy)", (State.RUNNING, None, Health.HEALTHY)),
        ("running", "Up 1 second (health: starting)", (State.RUNNING, None, Health.STARTING)),
        ("running", "Up 2 hours (unhealthy)", (State.RUNNING, None, Health.UNHEALTHY)),
        ("paused", "Up 2 hours (Paused)", (State.PAUSED, None, Health.NONE)),
        ("exited", "Exited (3) 2 minutes ago", (State.EXITED, 3, Health.NONE)),
        ("exited", "Exited (0) Less than a second ago", (State.EXITED, 0, Health.NONE)),
        ("restarting", "Restarting (137) 5 seconds ago", (State.RESTARTING, 137, Health.NONE)),
        ("created", "Created", (State.CREATED, None, Health.NONE)),
        ("dead", "Dead", (State.DEAD, None, Health.NONE)),
        ("removing", "Removal In Progress", (State.REMOVING, None, Health.NONE)),
        ("configured", "", (State.CREATED, None, Health.NONE)),
        ("initialized", "", (State.CREATED, None, Health.NONE)),
        ("stopped", "Exited (1) 2 minutes ago", (State.EXITED, 1, Health.NONE)),
        ("a word of tomorrow", "", (State.DEAD, None, Health.NONE)),
    ],
)
def test_a_summary_is_read_from_the_status_text(
    state: str, status: str, expected: tuple[State, int | None, Health]
) -> None:
    seen = observe.summary({"Id": "1", "Names": ["/x"], "State": state, "Status": status})
    assert (seen.state, seen.exit_code, seen.health) == expected


def test_a_summary_holds_what_the_list_tells() -> None:
    seen = observe.summary(
        {
            "Id": "abc",
            "Names": ["/other/alias", "/stack-web-2"],
            "Image": "busybox",
            "ImageID": "sha256:1",
            "Labels": LABELS,
            "State": "running",
            "Status": "Up",
            "Health": {"Status": "healthy"},
            "Created": 86400,
            "Ports": [
                {"PrivatePort": 80, "Type": "tcp"},
                {"PrivatePort": 53, "PublicPort": 5353, "Type": "udp", "IP": "::"},
            ],
            "NetworkSettings": {
                "Networks": {
                    "a": {"IPAddress": "10.0.0.2"},
                    "b": {"IPAddress": "", "GlobalIPv6Address": "fd00::2"},
                    "c": {"IPAddress": ""},
                    "d": None,
                }
            },
            "HostConfig": {"NetworkMode": "a"},
            "Mounts": None,
        }
    )
    assert (seen.id, seen.name, seen.service, seen.number, seen.oneoff) == (
        "abc",
        "stack-web-2",
        "web",
        2,
        False,
    )
    assert (seen.health, seen.detailed, seen.created_at) == (Health.HEALTHY, False, "1970-01-02T00:00:00Z")
    assert seen.ports == (Published(target=53, protocol="udp", host_ip="::", host_port=5353),)
    assert seen.addresses == {"a": "10.0.0.2", "b": "fd00::2"}


def _inspected(**state: object) -> dict[str, object]:
    return {
        "Id": "abc",
        "Name": "/x",
        "State": {"Status": "exited", "ExitCode": 0, "StartedAt": "", **state},
        "Config": {"Labels": LABELS},
        "HostConfig": {},
    }


def test_moments_that_never_were_are_none() -> None:
    never = "0001-01-01T00:00:00Z"
    seen = observe.detailed(_inspected(StartedAt="2026-01-01T00:00:00.123456789Z", FinishedAt=never))
    assert (seen.started_at, seen.finished_at) == ("2026-01-01T00:00:00.123456789Z", None)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ({"Status": "exited", "ExitCode": 0}, 0),
        ({"Status": "restarting", "ExitCode": 1}, 1),
        ({"Status": "running", "ExitCode": 0}, None),
        ({"Status": "created", "ExitCode": 0}, None),
        ({"Status": "created", "ExitCode": 127, "Error": "no such file"}, 127),
        ({"Status": "dead", "ExitCode": 137}, 137),
    ],
)
def test_an_exit_code_belongs_to_an_end(state: dict[str, object], code: int | None) -> None:
    assert observe.detailed(_inspected(**state)).exit_code == code


def test_the_last_answer_of_a_check_is_bounded() -> None:
    log = [{"Output": "old"}, {"Output": "x" * 5000}]
    seen = observe.detailed(_inspected(Health={"Status": "unhealthy", "Log": log}))
    assert (seen.health, seen.health_log) == (Health.UNHEALTHY, "x" * 512)
    assert observe.detailed(_inspected(Health={"Status": "starting", "Log": None})).health_log == ""


def test_a_healthcheck_is_read_in_seconds() -> None:
    reply = {"Test": ["CMD", "x"], "Interval": 1_500_000_000, "Timeout": 0, "Retries": 0}
    assert observe.healthcheck(reply) == Healthcheck(test=("CMD", "x"), interval=1.5)
    assert observe.healthcheck({"Interval": 5}) is None
    disabled = observe.healthcheck({"Test": ["NONE"]})
    assert disabled is not None
    assert disabled.disabled


def test_exposed_ports_may_be_ranges() -> None:
    assert observe.exposed({"80/tcp": {}, "90-92/udp": {}, "70": {}}) == (
        PortKey(70),
        PortKey(80),
        PortKey(90, "udp"),
        PortKey(91, "udp"),
        PortKey(92, "udp"),
    )


def test_only_hexadecimal_volumes_are_anonymous() -> None:
    mounts = [
        {"Type": "volume", "Name": "f" * 64, "Destination": "/a"},
        {"Type": "volume", "Name": "data", "Destination": "/b"},
        {"Type": "bind", "Source": "/x", "Destination": "/c"},
    ]
    seen = observe.detailed({**_inspected(), "Mounts": mounts})
    assert [mount.anonymous for mount in seen.mounts] == [True, False, False]
