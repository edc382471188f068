"""up, down, plan and the commands on what exists, judged by what the engine then holds."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
from typing import Any

import pytest

from tests.cli.conftest import BROKEN, Program
from zun_compose.cli.progress import Tracking
from zun_compose.container import State
from zun_compose.drivers.memory import RealTimeMemoryDriver


def states(engine: RealTimeMemoryDriver, stack: str = "shop") -> dict[str, State]:
    return {one.name: one.state for one in engine.list(stack)}


def test_up_brings_all_up_in_order(shop: Program, engine: RealTimeMemoryDriver) -> None:
    result = shop("up", "-d")
    assert result.code == 0
    assert result.out == ""
    assert states(engine)["shop-web-1"] is State.RUNNING
    assert states(engine)["shop-migrate-1"] is State.EXITED
    lines = result.err.splitlines()
    opened = next(number for number, line in enumerate(lines) if line.startswith("db listens after "))
    started = next(number for number, line in enumerate(lines) if line.startswith("started shop-migrate-1"))
    assert opened < started
    assert any(line.startswith("migrate waits for db to listen") for line in lines)
    assert any(line.startswith("migrate completed successfully after ") for line in lines)
    assert lines[-1].startswith("done in ")


def test_a_failed_gate_tells_edge_code_and_last_words(program: Program, engine: RealTimeMemoryDriver) -> None:
    program.file(BROKEN)
    result = program("up", "-d")
    assert result.code == 1
    assert "web -> db: service_listening will not be reached" in result.err
    assert "    exit code: 3" in result.err
    assert "      | no disk left" in result.err
    assert result.err.splitlines()[-1].startswith(("zun-compose: error: ", "  "))
    assert "shop-web-1" not in {name for name, state in states(engine).items() if state is State.RUNNING}


@pytest.mark.parametrize(("policy", "left"), [("keep", True), ("rollback", False)])
def test_on_failure(program: Program, engine: RealTimeMemoryDriver, policy: str, left: bool) -> None:
    program.file(BROKEN)
    assert program("up", "-d", "--on-failure", policy).code == 1
    assert ("shop-db-1" in states(engine)) is left


def test_json_progress_is_one_event_a_line_on_stderr(shop: Program) -> None:
    result = shop("--progress", "json", "up", "-d")
    events = [json.loads(line) for line in result.err.splitlines()]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert {"planned", "step_started", "step_done", "gate_opened", "finished"} <= {e["event"] for e in events}
    assert result.out == ""


def test_errors_and_notes_are_objects_under_json_progress(
    program: Program, engine: RealTimeMemoryDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.file(BROKEN)
    events = [json.loads(line) for line in program("--progress", "json", "up", "-d").err.splitlines()]
    assert (events[-1]["event"], events[-1]["code"], events[-1]["exit_code"]) == (
        "error",
        "operation.failed",
        1,
    )
    program.file("services: {web: {imge: x}}")
    monkeypatch.setenv("COMPOSE_PROGRESS", "json")
    (fault,) = [json.loads(line) for line in program("config", plain=False).err.splitlines()]
    assert fault["code"].startswith("spec.")
    assert "imge" in fault["message"]
    (usage,) = [json.loads(line) for line in program("frob", plain=False).err.splitlines()]
    assert (usage["code"], usage["exit_code"]) == ("usage", 2)


def test_quiet_progress_says_nothing(shop: Program) -> None:
    result = shop("--progress", "quiet", "up", "-d")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_progress_from_the_environment(shop: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSE_PROGRESS", "quiet")
    assert shop("--driver", "memory", "up", "-d", plain=False).err == ""
    monkeypatch.setenv("COMPOSE_PROGRESS", "loud")
    assert shop("--driver", "memory", "ps", plain=False).code == 2


def test_dry_run_and_plan_change_nothing(shop: Program, engine: RealTimeMemoryDriver) -> None:
    dry = shop("up", "-d", "--dry-run")
    assert dry.code == 0
    assert "create shop-web-1: does not exist" in dry.out
    assert dry.out == shop("plan").out
    assert engine.list("shop") == []
    assert shop("up", "--dry-run", "--detailed-exitcode").code == 2
    assert shop("plan", "--detailed-exitcode").code == 2
    body = shop("plan", "--format", "json").json()
    assert body["stack"] == "shop"
    assert body["empty"] is False
    assert {step["verb"] for step in body["steps"]} >= {"create", "start"}


def test_a_second_up_has_nothing_to_do(program: Program, engine: RealTimeMemoryDriver) -> None:
    program.file("services: {web: {image: web}}")
    assert program("up", "-d").code == 0
    before = states(engine)
    again = program("up", "-d")
    assert again.code == 0
    assert "nothing to do" in again.err
    assert states(engine) == before
    assert program("plan", "--detailed-exitcode").code == 0
    assert program("plan").out == "nothing to do\n"


def test_scale_and_services(shop: Program, engine: RealTimeMemoryDriver) -> None:
    assert shop("up", "-d", "--scale", "db=2", "db").code == 0
    assert set(states(engine)) == {"shop-db-1", "shop-db-2"}


def test_wait_timeout_fails(program: Program, engine: RealTimeMemoryDriver) -> None:
    program.file("services: {web: {image: web, expose: ['80']}}")
    result = program("up", "--wait", "--wait-timeout", "0.2")
    assert result.code == 1
    assert "web" in result.err


def test_gate_decides_what_the_short_form_means(program: Program, engine: RealTimeMemoryDriver) -> None:
    program.file("services: {a: {image: a, expose: ['80']}, b: {image: b, depends_on: [a]}}")
    assert "service_listening" in program("plan", "--gate", "listening").out
    assert "service_started" in program("plan").out


def test_down_leaves_nothing(up: Program, engine: RealTimeMemoryDriver) -> None:
    dry = up("down", "--dry-run")
    assert dry.code == 0
    assert "remove shop-web-1" in dry.out
    assert engine.list("shop") != []
    result = up("down", "-v", "-t", "1")
    assert result.code == 0
    assert engine.list("shop") == []
    assert engine.networks("shop") == []


def test_down_by_name_alone(up: Program, engine: RealTimeMemoryDriver) -> None:
    (up.folder / "compose.yaml").unlink()
    assert up("down").code == 2
    assert up("-n", "shop", "down").code == 0
    assert engine.list("shop") == []


def test_a_name_is_not_read_from_the_file_of_another_folder(
    up: Program, engine: RealTimeMemoryDriver
) -> None:
    up.file("services: {other: {image: x}}")
    assert up("-n", "elsewhere", "up", "-d").code == 0
    # shop came from this folder with another file; elsewhere is this one's.
    other = up.folder.parent / "other"
    other.mkdir()
    (other / "compose.yaml").write_text("services: {unrelated: {image: x}}")
    result = up("--project-directory", str(other), "-n", "shop", "stop", "web")
    assert result.code == 0, result.err
    assert states(engine)["shop-web-1"] is State.EXITED


def test_a_broken_file_is_no_obstacle_to_a_named_down(up: Program, engine: RealTimeMemoryDriver) -> None:
    up.file("services: [")
    assert up("down").code == 2
    result = up("-n", "shop", "down")
    assert result.code == 0
    assert "is not used" in result.err
    assert engine.list("shop") == []


def test_stop_start_restart_kill_rm(up: Program, engine: RealTimeMemoryDriver) -> None:
    assert up("stop", "-t", "1", "web").code == 0
    assert states(engine)["shop-web-1"] is State.EXITED
    assert up("start", "web").code == 0
    assert states(engine)["shop-web-1"] is State.RUNNING
    before = engine.inspect("shop-web-1").started_at
    assert up("restart", "-t", "1", "web").code == 0
    assert engine.inspect("shop-web-1").started_at != before
    assert up("kill", "-s", "KILL", "web").code == 0
    assert engine.inspect("shop-web-1").exit_code == 137
    assert up("rm", "-f", "web").code == 0
    assert "shop-web-1" not in states(engine)
    assert "no stopped containers" in up("rm", "-f", "web").err
    assert up("rm", "-f", "-s", "db").code == 0
    assert "shop-db-1" not in states(engine)


@pytest.mark.parametrize("command", ["kill", "rm"])
def test_ctrl_c_ends_kill_and_rm(
    up: Program, engine: RealTimeMemoryDriver, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    method = "kill" if command == "kill" else "remove"
    carry_out = getattr(engine, method)
    called = []
    heard = threading.Event()
    monkeypatch.setattr(Tracking, "note", lambda progress, text: heard.set())

    def interrupted(container: str, *arguments: Any, **options: Any) -> None:
        called.append(container)
        os.kill(os.getpid(), signal.SIGINT)
        # rm hears of it in the main thread; kill is there itself and gets no further than this.
        assert heard.wait(20)
        carry_out(container, *arguments, **options)

    monkeypatch.setattr(engine, method, interrupted)
    arguments = ["kill"] if command == "kill" else ["rm", "-f", "-s"]
    result = up("--parallel", "1", *arguments)
    assert result.code == 130, result.err
    assert len(called) == 1, "nothing more is begun"


def test_rm_without_an_answer_removes_nothing(
    up: Program, engine: RealTimeMemoryDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert up("stop", "-t", "1", "web").code == 0
    for answer, code, said in (("", 1, "-f"), ("n\n", 0, "nothing was removed")):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        result = up("rm", "web")
        assert (result.code, said in result.err) == (code, True), result.err
        assert "shop-web-1" in states(engine)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert up("rm", "web").code == 0
    assert "shop-web-1" not in states(engine)


def test_start_by_name_alone_is_refused(up: Program) -> None:
    (up.folder / "compose.yaml").unlink()
    result = up("-n", "shop", "start")
    assert result.code == 2
    assert "needs the stack file" in result.err


def test_orphans_are_told_unless_unwanted(
    up: Program, engine: RealTimeMemoryDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    up.file("services: {db: {image: db}}")
    assert "orphan" in up("up", "-d").err
    monkeypatch.setenv("COMPOSE_IGNORE_ORPHANS", "true")
    assert "orphan" not in up("up", "-d").err
    assert "shop-web-1" in states(engine)
    monkeypatch.setenv("COMPOSE_REMOVE_ORPHANS", "1")
    assert up("up", "-d").code == 0
    assert set(states(engine)) == {"shop-db-1"}


def test_profiles_and_named_services(program: Program, engine: RealTimeMemoryDriver) -> None:
    program.file("services: {web: {image: w}, tool: {image: t, profiles: [debug]}}")
    assert program("up", "-d").code == 0
    assert set(states(engine)) == {"shop-web-1"}
    assert program("up", "-d", "tool").code == 0
    assert set(states(engine)) == {"shop-web-1", "shop-tool-1"}
    assert program("down").code == 0
    assert program("--profile", "debug", "up", "-d").code == 0
    assert set(states(engine)) == {"shop-web-1", "shop-tool-1"}


def test_several_files_and_stdin(
    program: Program, engine: RealTimeMemoryDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    program.file("services: {a: {image: a}}", "one.yaml")
    text = io.TextIOWrapper(io.BytesIO(b"services: {b: {image: b}}"))
    monkeypatch.setattr(sys, "stdin", text)
    assert program("-f", "one.yaml", "-f", "-", "config", "--services").out.split() == ["a", "b"]


def test_exec_and_run_where_there_are_no_terminals(up: Program) -> None:
    for command in (["exec", "-T", "web", "true"], ["run", "-T", "web"]):
        result = up(*command)
        assert result.code == 1
        assert "no terminals" in result.err
