"""ls, images, volumes, port, top, pause of both on the same stack."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.e2e.site import Ran, Site

pytestmark = [pytest.mark.docker, pytest.mark.peer]

STACK = """
    services:
      web:
        image: busybox:latest
        init: true
        command: [httpd, -f, -p, "80"]
        ports: ["127.0.0.1::80", "127.0.0.1::53/udp"]
        volumes: ["data:/data"]
      job: {image: busybox, command: ["true"]}
    volumes: {data: {}}
    """


def table(text: str) -> list[list[str]]:
    """Return the heads of `top`, and its rows, sorted, without what moves on between two looks."""
    heads, *rows = [line.split() for line in text.splitlines() if line.strip()]
    kept = [at for at, head in enumerate(heads) if head not in ("C", "TIME")]
    return [heads, *sorted([*(row[at] for at in kept[:-1]), *row[len(heads) - 1 :]] for row in rows)]


def test_both_tell_the_same(site: Site, docker_compose: list[str]) -> None:
    def both(*arguments: str) -> tuple[str, str]:
        return site.run(*arguments).out, site.run(*arguments, command=docker_compose).out

    def rows(text: str, *keys: str) -> list[list[str]]:
        found = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
        return sorted([str(row[key]) for key in keys] for row in found)

    site.write(STACK)
    site.run("up", "-d")
    site.run("wait", "job")
    only = ("--filter", f"name=^{site.name}$")
    for more in ([], ["-a"]):
        own, peer = both("ls", "--format", "json", *only, *more)
        assert json.loads(own) == json.loads(peer)
        own, peer = both("ls", *only, *more)
        assert own.split() == peer.split()
    own, peer = both("ls", "-q", *only)
    assert own == peer == f"{site.name}\n"
    own, peer = both("images", "--format", "json")
    keys = ("ID", "ContainerName", "Repository", "Tag")
    # docker compose leaves out what has ended.
    assert [row for row in rows(own, *keys) if "-job-" not in row[1]] == [
        row for row in rows(peer, *keys) if "-job-" not in row[1]
    ]
    own, peer = both("volumes", "--format", "json")
    assert rows(own, "Name", "Driver") == rows(peer, "Name", "Driver") == [[f"{site.name}_data", "local"]]
    for asked in (["web", "80"], ["--protocol", "udp", "web", "53"]):
        own, peer = both("port", *asked)
        assert own == peer
        assert own.startswith("127.0.0.1:")
    rows_of_own, rows_of_peer = (table(text) for text in both("top"))
    assert rows_of_own == rows_of_peer
    assert any("httpd" in row for row in rows_of_own)


def test_one_pauses_and_the_other_goes_on(site: Site, docker_compose: list[str]) -> None:
    site.write(STACK)
    site.run("up", "-d")

    def theirs(*arguments: str) -> Ran:
        return site.run(*arguments, command=docker_compose)

    ours: Callable[..., Ran] = site.run
    for one, other in ((ours, theirs), (theirs, ours)):
        one("pause", "web")
        assert site.states()["web-1"] == "paused"
        other("unpause", "web")
        assert site.states()["web-1"] == "running"
