"""ps, status, explain, graph, config, logs, events, wait: what is printed and how it exits."""

from __future__ import annotations

import re

import pytest

from tests.cli.conftest import BROKEN, Program
from zun_compose.drivers.memory import RealTimeMemoryDriver

DOCKER_KEYS = {
    "Command",
    "CreatedAt",
    "ExitCode",
    "Health",
    "ID",
    "Image",
    "Labels",
    "LocalVolumes",
    "Mounts",
    "Name",
    "Names",
    "Networks",
    "Ports",
    "Project",
    "Publishers",
    "RunningFor",
    "Service",
    "Size",
    "State",
    "Status",
}


def test_ps_shows_readiness(up: Program) -> None:
    result = up("ps")
    assert result.code == 0
    header, *rows = result.out.splitlines()
    assert re.split(r"\s{2,}", header) == [
        "NAME",
        "IMAGE",
        "COMMAND",
        "SERVICE",
        "CREATED",
        "STATUS",
        "READINESS",
        "PORTS",
    ]
    assert [row.split()[0] for row in rows] == ["shop-db-1", "shop-web-1"]
    assert all(" ready" in row for row in rows)
    assert "18080->80/tcp" in rows[1]


def test_ps_json_has_the_keys_of_docker_compose_and_ours(up: Program) -> None:
    rows = {row["Name"]: row for row in up("ps", "-a", "--format", "json").json_lines()}
    assert set(rows) == {"shop-db-1", "shop-migrate-1", "shop-web-1"}
    for row in rows.values():
        assert set(row) == DOCKER_KEYS | {"Readiness", "Listening", "ReadySince"}
        assert row["Project"] == "shop"
    assert rows["shop-web-1"]["Readiness"] == "ready"
    assert rows["shop-web-1"]["Listening"] == ["80/tcp"]
    assert rows["shop-web-1"]["Publishers"][0]["PublishedPort"] == 18080
    assert rows["shop-migrate-1"]["Readiness"] == "completed"
    assert rows["shop-migrate-1"]["State"] == "exited"


def test_ps_filters(up: Program, engine: RealTimeMemoryDriver) -> None:
    assert up("ps", "--services").out.split() == ["db", "web"]
    assert up("ps", "-a", "--services").out.split() == ["db", "migrate", "web"]
    assert up("ps", "--services", "--status", "exited").out.split() == ["migrate"]
    assert up("ps", "--services", "--filter", "status=exited").out.split() == ["migrate"]
    assert up("ps", "-q", "web").out.split() == [engine.inspect("shop-web-1").id]
    assert up("ps", "--services", "web").out.split() == ["web"]


def test_ps_of_nothing_and_by_name_alone(program: Program, up: Program) -> None:
    (up.folder / "compose.yaml").unlink()
    assert "shop-web-1" in up("-n", "shop", "ps").out
    assert up("-n", "nobody", "ps").out.splitlines()[0].startswith("NAME")
    assert up("-n", "nobody", "ps", "--format", "json").out == ""


def test_status_exits_0_only_if_all_is_ready(shop: Program) -> None:
    assert shop("status").code == 1
    assert shop("up", "--wait").code == 0
    result = shop("status")
    assert result.code == 0
    assert [line.split()[:3] for line in result.out.splitlines()[1:]] == [
        ["db", "1/1", "ready"],
        ["migrate", "0/1", "completed"],
        ["web", "1/1", "ready"],
    ]
    body = shop("status", "--format", "json").json()
    assert body["ok"] is True
    assert body["services"][0]["containers"][0]["listening"] == ["5432/tcp"]
    assert shop("stop", "-t", "0", "web").code == 0
    assert shop("status").code == 1
    assert shop("status", "db").code == 0


def test_explain_names_who_was_asked_and_the_last_words(
    program: Program, engine: RealTimeMemoryDriver
) -> None:
    program.file(BROKEN)
    assert program("up", "-d").code == 1
    result = program("explain", "web")
    assert result.code == 0
    assert "web waits for db to listen: never" in result.out
    assert "no disk left" in result.out
    (gate,) = program("explain", "--format", "json").json()
    assert (gate["dependent"], gate["dependency"], gate["verdict"]) == ("web", "db", "never")
    assert gate["exit_code"] == 3


def test_explain_of_independent_services(program: Program, engine: RealTimeMemoryDriver) -> None:
    program.file("services: {web: {image: w}}")
    assert program("explain").out == "no service waits for another one\n"


@pytest.mark.parametrize(
    ("form", "said"), [("text", "migrate"), ("mermaid", "-->"), ("dot", "digraph"), ("json", '"db"')]
)
def test_graph(shop: Program, form: str, said: str) -> None:
    result = shop("graph", "--format", form)
    assert result.code == 0
    assert said in result.out
    assert "listening" in result.out


def test_config(shop: Program) -> None:
    assert shop("config", "--services").out.split() == ["db", "migrate", "web"]
    assert shop("config", "--images").out.split() == ["db", "db", "web"]
    assert shop("config", "-q").out == ""
    assert shop("config", "--format", "json").json()["services"]["web"]["image"] == "web"
    assert shop("convert").out == shop("config").out
    assert "image: web" in shop("config").out
    assert shop("config", "--networks").out.split() == ["default"]
    assert shop("config", "--volumes").out == ""
    assert set(shop("config", "--format", "json", "web").json()["services"]) == {"web"}


def test_config_writes_a_file_or_says_why_not(shop: Program) -> None:
    assert shop("config", "-o", "out.yaml").out == ""
    assert (shop.folder / "out.yaml").read_text() == shop("config").out
    result = shop("config", "-o", "no/such/folder.yaml")
    assert result.code == 2
    assert "no such file" in result.err


def test_logs(up: Program) -> None:
    result = up("logs")
    assert result.code == 0
    assert re.search(r"^db-1 +\| starting$", result.out, re.MULTILINE)
    assert re.search(r"^web-1 +\| hello$", result.out, re.MULTILINE)
    assert re.search(r"^web-1 +\| oops$", result.err, re.MULTILINE)
    assert up("logs", "--no-log-prefix", "--tail", "1", "db").out == "ready\n"
    assert re.match(r"\d{4}-\d\d-\d\dT\S+ starting\n", up("logs", "--no-log-prefix", "-t", "db").out)
    assert up("logs", "--since", "1h", "migrate").out == "migrate-1  | moved 3 rows\n"
    assert up("logs", "--until", "1h", "migrate").out == ""
    assert up("logs", "--index", "2", "db").out == "" or up("logs", "--index", "2", "db").code == 1
    assert "\x1b" not in result.out


def test_logs_follow_ends_with_the_containers(program: Program, engine: RealTimeMemoryDriver) -> None:
    program.file("services: {job: {image: j, x-zun: {fate: {exits_after: 0.2, log: [[0.1, late]]}}}}")
    assert program("up", "-d").code == 0
    assert program("logs", "-f").out == "job-1  | late\n"


def test_colours_come_only_where_wanted(up: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSE_ANSI", "always")
    assert "\x1b[" in up("logs", "db").out
    assert "\x1b[" not in up("logs", "--no-color", "db").out
    assert "\x1b[" not in up("--no-color", "logs", "db").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in up("logs", "db").out


def test_events_up_to_now(up: Program) -> None:
    rows = up("events", "--json", "--since", "1h", "--until", "0s", "web").json_lines()
    assert [row["action"] for row in rows][:2] == ["create", "start"]
    assert {"action", "attributes", "id", "service", "time", "type"} == set(rows[0])
    assert rows[0]["attributes"]["name"] == "shop-web-1"
    text = up("events", "--since", "1h", "--until", "0s", "migrate").out
    assert re.search(r"container die \w+ \(.*exitCode=0.*name=shop-migrate-1", text)


def test_wait_for_the_stop_gives_the_exit_code(program: Program, engine: RealTimeMemoryDriver) -> None:
    program.file(
        "services: {job: {image: j, x-zun: {fate: {exits_after: 0.2, exit_code: 7}}}, web: {image: w}}"
    )
    assert program("up", "-d").code == 0
    result = program("wait", "job")
    assert result.code == 7
    assert result.out == "job exited with code 7\n"
    late = program("wait", "--timeout", "0.1", "web")
    assert late.code == 1
    assert "within 0.1 s" in late.err
    assert program("kill", "web").code == 0


def test_wait_for_readiness(program: Program, engine: RealTimeMemoryDriver) -> None:
    program.file(
        "services: {web: {image: w, expose: ['80'], x-zun: {fate: {listens: {'80': 0.2}}}},"
        " dead: {image: d, expose: ['80'], x-zun: {fate: {exits_after: 0.1, exit_code: 4}}}}"
    )
    assert program("up", "-d").code == 0
    assert program("wait", "--for", "listening", "--timeout", "10", "web").code == 0
    never = program("wait", "--for", "ready", "dead")
    assert never.code == 1
    assert "exit code: 4" in never.err
    assert program("wait", "--for", "ready").code == 1
