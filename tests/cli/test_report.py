"""config --report: what an engine does not do as a file asks, with its place."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Program

FILE = """\
services:
  web:
    image: host
    domainname: lan
    logging: {driver: syslog}
    deploy:
      placement: {constraints: [node.role == manager]}
      endpoint_mode: dnsrr
    cap_add: [NET_ADMIN]
    networks: [front]
  other: {image: host, networks: [front]}
networks:
  front: {driver_opts: {mtu: 9000}}
"""


def test_each_line_has_service_attribute_place_verdict_and_note(program: Program) -> None:
    path = str(program.file(FILE))
    answer = program("--driver", "local", "config", "--report", "--format", "json", plain=False)
    assert answer.code == 1
    assert answer.err == ""
    lines = answer.json()
    assert {line["file"] for line in lines} == {path}
    assert all(line["note"] for line in lines)
    assert [(line["service"], line["path"], line["line"], line["verdict"]) for line in lines] == [
        ("web", "domainname", 4, "ignores"),
        ("web", "logging.driver", 5, "refuses"),
        ("web", "deploy.placement", 7, "ignores"),
        ("web", "deploy.endpoint_mode", 8, "emulates"),
        ("web", "cap_add", 9, "emulates"),
        ("web", "networks.front.driver_opts", 13, "ignores"),
        ("other", "networks.front.driver_opts", 13, "ignores"),
    ]


def test_only_what_is_refused_fails(program: Program) -> None:
    program.file(FILE)
    answer = program("--driver", "local", "config", "--report", "other", plain=False)
    assert answer.code == 0
    assert "networks.front.driver_opts" in answer.out
    assert "logging" not in answer.out
    program.file("services: {web: {image: host}}")
    answer = program("--driver", "local", "config", "--report", plain=False)
    assert (answer.code, answer.out) == (0, "local: all of it is carried out\n")


def test_no_engine_need_answer(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    program.file("services: {web: {image: host, annotations: {a: b}, volumes: [{type: npipe, target: /b}]}}")
    answer = program("--driver", "docker", "config", "--report", "--format", "json", plain=False)
    assert answer.code == 1
    assert [line["path"] for line in answer.json()] == ["volumes[0].type"]


def test_without_isolation_it_is_another_report(program: Program) -> None:
    program.file("services: {web: {image: host, tmpfs: /run}}")
    assert program("--driver", "local", "config", "--report", plain=False).code == 0
    answer = program("--driver", "local", "--no-isolation", "config", "--report", plain=False)
    assert answer.code == 1
    assert "tmpfs" in answer.out


def test_the_simulation_says_what_it_only_pretends(program: Program) -> None:
    program.file(FILE)
    answer = program("config", "--report", "--format", "json")
    assert answer.code == 0
    verdicts = {line["path"]: line["verdict"] for line in answer.json()}
    assert (verdicts["domainname"], verdicts["deploy.placement"]) == ("emulates", "ignores")
