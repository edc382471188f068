"""Attached up of both on the same stack: which end ends all, and with which code."""

from __future__ import annotations

import pytest

from tests.e2e.site import Site

pytestmark = [pytest.mark.docker, pytest.mark.peer]

STACK = """
    services:
      web: {image: busybox, init: true, command: [sleep, "600"]}
      good: {image: busybox, init: true, command: [sleep, "0.5"]}
      bad: {image: busybox, command: [sh, -c, "sleep 2; exit 7"], depends_on: [web]}
    """


@pytest.mark.parametrize(
    ("arguments", "code", "ended"),
    [
        (["--abort-on-container-exit", "web", "bad"], 7, {"web": 143, "bad": 7}),
        (["--abort-on-container-exit", "good", "web"], 0, {"web": 143, "good": 0}),
        (["--abort-on-container-failure"], 7, {"web": 143, "bad": 7, "good": 0}),
        (["--exit-code-from", "bad", "bad", "web"], 7, {"web": 143, "bad": 7}),
        (["--exit-code-from", "web", "web", "good"], 143, {"web": 143, "good": 0}),
    ],
)
def test_ours_and_theirs_end_alike(
    site: Site, docker_compose: list[str], arguments: list[str], code: int, ended: dict[str, int]
) -> None:
    site.write(STACK)
    for command in (None, docker_compose):
        site.run("up", "-t", "5", *arguments, command=command, expect=code)
        states = {
            seen["Config"]["Labels"]["com.docker.compose.service"]: seen["State"]
            for seen in site.containers()
        }
        assert {name: state["Status"] for name, state in states.items()} == dict.fromkeys(ended, "exited")
        assert {name: state["ExitCode"] for name, state in states.items()} == ended
        site.run("down", "-v")
