"""ls, images, volumes, port, top, pause, unpause: what is printed and done, on the memory engine."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Program
from zun_compose.cli.invocation import Invocation
from zun_compose.container import Observed, State
from zun_compose.driver import ProcessTable
from zun_compose.drivers.memory import RealTimeMemoryDriver


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_ls(up: Program, engine: RealTimeMemoryDriver) -> None:
    up.file("services: {a: {image: a}, b: {image: b}}", "other.yaml")
    assert up("-p", "other", "-f", "other.yaml", "up", "-d").code == 0
    assert up("-p", "other", "stop").code == 0
    file = str(up.folder / "compose.yaml")
    assert words(up("ls").out) == [["NAME", "STATUS", "CONFIG", "FILES"], ["shop", "running(2)", file]]
    assert up("ls", "-a", "--format", "json").json() == [
        {"Name": "other", "Status": "exited(2)", "ConfigFiles": str(up.folder / "other.yaml")},
        {"Name": "shop", "Status": "exited(1), running(2)", "ConfigFiles": file},
    ]
    assert up("ls", "-aq").out == "other\nshop\n"
    assert up("ls", "-aq", "--filter", "name=^o").out == "other\n"
    assert up("ls", "--format", "{{.Name}}: {{.Status}}").out == "shop: running(2)\n"
    assert up("ls", "--filter", "status=up").code == 2
    assert up("ls", "--filter", "name=[").code == 2


def test_ls_needs_no_stack_file(program: Program, engine: RealTimeMemoryDriver) -> None:
    assert words(program("ls").out) == [["NAME", "STATUS", "CONFIG", "FILES"]]
    assert program("ls", "--format", "json").out == "[]\n"
    assert program("ls", "-q").out == ""


def test_images(up: Program) -> None:
    lines = words(up("images").out)
    assert lines[0] == ["CONTAINER", "REPOSITORY", "TAG", "IMAGE", "ID"]
    assert [line[:3] for line in lines[1:]] == [
        ["shop-db-1", "db", "latest"],
        ["shop-migrate-1", "db", "latest"],
        ["shop-web-1", "web", "latest"],
    ]
    assert len(up("images", "-q").out.split()) == 2, "two containers share one image"
    (row,) = up("images", "--format", "json", "web").json()
    assert (row["ContainerName"], row["Repository"], row["Tag"]) == ("shop-web-1", "web", "latest")


def test_volumes(program: Program, engine: RealTimeMemoryDriver) -> None:
    program.file("services: {db: {image: db, volumes: ['data:/data']}}\nvolumes: {data: {}}")
    assert program("up", "-d").code == 0
    assert words(program("volumes").out) == [["DRIVER", "VOLUME", "NAME"], ["local", "shop_data"]]
    assert program("volumes", "-q").out == "shop_data\n"
    assert program("volumes", "--format", "{{.Name}}").out == "shop_data\n"
    (row,) = program("volumes", "--format", "json").json_lines()
    assert row["Driver"] == "local"


@pytest.mark.parametrize(
    ("arguments", "code", "out"),
    [
        (["web", "80"], 0, "0.0.0.0:18080\n"),
        (["web", "80/tcp"], 0, "0.0.0.0:18080\n"),
        (["--index", "1", "web", "80"], 0, "0.0.0.0:18080\n"),
        (["--protocol", "udp", "web", "80"], 1, ""),
        (["web", "81"], 1, ""),
        (["--index", "2", "web", "80"], 1, ""),
        (["migrate", "80"], 1, ""),
        (["none", "80"], 2, ""),
        (["web", "http"], 2, ""),
    ],
)
def test_port(up: Program, arguments: list[str], code: int, out: str) -> None:
    result = up("port", *arguments)
    assert (result.code, result.out) == (code, out), result.err


def test_pause_and_unpause(up: Program, engine: RealTimeMemoryDriver) -> None:
    def states() -> dict[str, State]:
        return {seen.service: seen.state for seen in engine.list("shop")}

    assert up("pause", "web").code == 0
    assert states() == {"db": State.RUNNING, "migrate": State.EXITED, "web": State.PAUSED}
    result = up("pause")
    assert (result.code, result.err) == (0, "zun-compose: paused shop-db-1\n"), "web is already"
    assert up("ls", "--format", "{{.Status}}").out == "paused(2)\n"
    assert up("unpause").code == 0
    assert states() == {"db": State.RUNNING, "migrate": State.EXITED, "web": State.RUNNING}
    assert up("unpause", "none").code == 2


def test_top_says_that_a_simulation_has_no_processes(up: Program) -> None:
    result = up("top")
    assert result.code == 1
    assert "runs no processes" in result.err


class Talkative:
    """Shows a process that has put what drives a terminal into its own name."""

    def processes(self, target: object, services: object) -> list[tuple[Observed, ProcessTable]]:
        seen = Observed(id="1", name="shop-web-1", service="web", number=1, state=State.RUNNING)
        return [(seen, ProcessTable(titles=("PID", "CMD"), rows=(("1", "sh\x1b]0;mine\x07\n\tdown"),)))]


def test_top_cleans_what_processes_call_themselves(up: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Invocation, "engine", lambda call, target: Talkative())
    out = up("top").out
    assert len(out.splitlines()) == 2
    assert "sh\ufffd]0;mine\ufffd\ufffd down" in out
    assert "\x1b" not in out
