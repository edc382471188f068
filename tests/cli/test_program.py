"""The program as a whole: help, usage, exit codes, errors, and what it does not import."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Program
from zun_compose import __version__
from zun_compose.cli import main
from zun_compose.cli.errors import exit_code
from zun_compose.container import ContainerSpec
from zun_compose.drivers.memory import RealTimeMemoryDriver
from zun_compose.errors import Cancelled, OperationError, SpecError, StateError, Unavailable, UsageError

HEAVY = ("docker", "networkx", "requests", "rich", "yaml", "zun_compose.engine", "zun_compose.parse")


def outside(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program as users do."""
    here = str(Path(__file__).resolve().parents[2])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
    return subprocess.run(
        [sys.executable, "-m", "zun_compose.cli.main", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**kept, "PYTHONPATH": here, "XDG_STATE_HOME": str(folder / "state"), **environment},
        timeout=60,
        check=False,
    )


def loaded_after(code: str, folder: Path) -> list[str]:
    """Return which heavy modules a piece of code loads."""
    here = str(Path(__file__).resolve().parents[2])
    text = f"import sys; {code}; print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": here},
        check=True,
    )
    found = eval(done.stderr.splitlines()[-1])  # our own list of names
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    "arguments", [["--help"], ["up", "--help"], ["version"], ["completion", "bash"], ["schema"]]
)
def test_help_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    assert loaded_after(f"from zun_compose.cli.main import run; run({arguments!r})", tmp_path) == []


def test_the_schema_is_printed_and_its_place_told(program: Program) -> None:
    printed = program("schema", plain=False)
    placed = program("schema", "--path", plain=False)
    assert (printed.code, placed.code) == (0, 0)
    assert Path(placed.out.rstrip("\n")).read_text() == printed.out
    assert json.loads(printed.out)["title"] == "zun-compose stack"


def test_config_loads_neither_engine_nor_sdk(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {image: a}, b: {image: b, depends_on: [a]}}")
    loaded = loaded_after("from zun_compose.cli.main import run; run(['config'])", tmp_path)
    assert sorted(loaded) == ["yaml", "zun_compose.parse"]


def test_a_plan_loads_neither_networkx_nor_rich(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {image: a}, b: {image: b, depends_on: [a]}}")
    code = "from zun_compose.cli.main import run; run(['--driver', 'memory', 'plan'])"
    assert not {"networkx", "rich", "docker", "requests"} & set(loaded_after(code, tmp_path))


def test_every_command_has_help_that_names_its_options(program: Program) -> None:
    listed = program("--help", plain=False)
    assert listed.code == 0
    for name in main.COMMANDS:
        assert f"\n  {name} " in listed.out
        one = program(name, "--help", plain=False)
        assert one.code == 0
        assert one.out.startswith("Usage: zun-compose ")
    up = program("up", "--help", plain=False).out
    for option in (
        "--wait-timeout",
        "--on-failure",
        "--renew-anon-volumes",
        "--gate",
        "--adopt",
        "--dry-run",
    ):
        assert option in up
    assert "[default: keep]" in up


def test_without_arguments_it_prints_its_help(program: Program) -> None:
    result = program(plain=False)
    assert result.code == 0
    assert "Usage: zun-compose" in result.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["versio"], 'no such command: "versio" (did you mean "version"?)'),
        (["up", "--frob"], "--frob"),
        (["--progress", "loud", "ps"], "loud"),
        (["--parallel", "0", "ps"], "cannot be 0"),
        (["up", "--scale", "web"], '"web" is not SERVICE=NUMBER'),
        (["up", "--scale", "web=-1"], '"web=-1" is not SERVICE=NUMBER'),
        (["up", "--scale", "wb=2"], 'did you mean "web"?'),
        (["up", "wbe"], 'no such service: "wbe" (did you mean "web"?)'),
        (["up", "--force-recreate", "--no-recreate"], "--force-recreate and --no-recreate contradict"),
        (["up", "--build", "--no-build"], "contradict"),
        (["up", "-t", "soon"], '"soon" is not a duration'),
        (["ps", "--filter", "name=web"], 'unknown filter "name"'),
        (["ps", "--filter", "status=ill"], 'unknown state "ill"'),
        (["logs", "--since", "yesterday"], '"yesterday" is neither a moment'),
        (["logs", "--tail", "few"], '"few" is neither a number'),
        (["wait"], "name the services"),
        (["config", "--services", "--images"], "contradict"),
        (["run", "-l", "=x", "web"], '"=x" is not KEY=VALUE'),
        (["-n", "Not A Name", "ps"], '"Not A Name" is no stack name'),
    ],
)
def test_bad_usage_exits_2_and_says_why(shop: Program, arguments: list[str], said: str) -> None:
    result = shop(*arguments)
    assert result.code == 2
    assert said in result.err
    assert result.err.startswith("zun-compose: error: ")
    assert "Traceback" not in result.err
    assert result.out == ""


def test_all_faults_of_a_file_are_printed_with_their_places(program: Program) -> None:
    program.file(
        """
        services:
          web:
            imge: x
          db:
            image: db
            replicas: 3
        """
    )
    result = program("up", "-d")
    assert result.code == 2
    lines = [line for line in result.err.splitlines() if line.startswith("zun-compose: error: ")]
    assert len(lines) == 2
    assert "compose.yaml:4:" in lines[0]
    assert "imge" in lines[0]
    assert "compose.yaml:7:" in lines[1]
    assert "replicas" in lines[1]


def test_a_fault_shows_its_line_and_as_json_its_fields(program: Program) -> None:
    path = program.file("services:\n  web: {image: web, environment: {A: hunter2}, tty: []}\n")
    result = program("config", "-q")
    assert result.err.splitlines()[1:] == [
        "  2 |   web: {image: web, environment: …, tty: []}",
        "    |                                          ^",
    ]
    result = program("--progress", "json", "config", "-q", plain=False)
    [fault] = json.loads(result.err)["faults"]
    assert (fault["code"], fault["file"], fault["line"], fault["column"]) == ("spec.type", str(path), 2, 53)
    assert fault["what"].startswith("services.web.tty must be")
    assert fault["excerpt"].startswith("2 |   web: {image: web, environment: …")
    assert "hunter2" not in result.err


def test_a_cycle_shows_its_line_though_it_is_found_after_the_file_was_read(program: Program) -> None:
    program.file("services:\n  a: {image: a, depends_on: [b]}\n  b: {image: b, depends_on: [a]}\n")
    assert "\n  2 |   a: {image: a, depends_on: [b]}\n    |       " in program("plan").err


def test_a_missing_file_exits_2(program: Program) -> None:
    assert program("ps").code == 2
    result = program("-f", "nowhere.yaml", "config")
    assert result.code == 2
    assert "nowhere.yaml" in result.err


def test_a_cycle_exits_2_and_names_its_path(program: Program) -> None:
    program.file("services: {a: {image: a, depends_on: [b]}, b: {image: b, depends_on: [a]}}")
    for command in (["config"], ["up", "-d"], ["plan"], ["graph"]):
        result = program(*command)
        assert result.code == 2, command
        assert "a -> b -> a" in result.err


def test_with_detailed_exitcode_any_error_is_1(program: Program) -> None:
    program.file("services: {web: {imge: x}}")
    assert program("plan", "--detailed-exitcode").code == 1
    alone = program("up", "--detailed-exitcode")
    assert alone.code == 1
    assert "needs --dry-run" in alone.err
    assert program("up", "--dry-run", "--detailed-exitcode", "--frob").code == 1


def test_unknown_driver(shop: Program) -> None:
    result = shop("--driver", "lxd", "ps", plain=False)
    assert result.code == 2
    assert '"lxd"' in result.err
    assert "memory" in result.err


def test_errors_map_to_exit_codes() -> None:
    assert exit_code(UsageError("x")) == 2
    assert exit_code(SpecError([])) == 2
    assert exit_code(StateError("x")) == 1
    assert exit_code(Unavailable("x")) == 1
    assert exit_code(OperationError("x")) == 1
    assert exit_code(Cancelled("x")) == 130
    assert exit_code(KeyboardInterrupt()) == 130
    assert exit_code(RuntimeError("x")) == 1


def test_an_unexpected_error_shows_its_type_but_never_its_text(
    shop: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("PASSWORD=hunter2")

    monkeypatch.setattr("zun_compose.cli.loading.load", explode)
    result = shop("ps")
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "RuntimeError" in result.err
    assert "ZUN_COMPOSE_TRACEBACK=1" in result.err
    assert "hunter2" not in result.err
    monkeypatch.setenv("ZUN_COMPOSE_TRACEBACK", "1")
    assert "Traceback" in shop("ps").err


@pytest.mark.parametrize("arguments", [["config"], ["version"], ["--help"]])
def test_a_reader_that_has_gone_is_no_news(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "compose.yaml").write_text("services: {web: {image: w}}")
    here = str(Path(__file__).resolve().parents[2])
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "zun_compose.cli.main", *arguments],
            stdout=writer,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": here},
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


ENDLESS = Path("/dev/full")


def through_shell(redirected: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program as `sh` does with these words after its name."""
    here = str(Path(__file__).resolve().parents[2])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -m zun_compose.cli.main --driver memory {redirected}', sys.executable],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**kept, "PYTHONPATH": here, "XDG_STATE_HOME": str(folder / "state")},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("redirected", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_success_without_standard_streams_is_success(tmp_path: Path, redirected: str) -> None:
    (tmp_path / "compose.yaml").write_text("services: {web: {image: w}}")
    done = through_shell(f"up -d {redirected}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    assert through_shell(f"ps {redirected}", tmp_path).returncode == 0


@pytest.mark.skipif(not ENDLESS.exists(), reason="no device that is always full here")
@pytest.mark.parametrize("buffered", ["", "1"])
def test_output_that_cannot_be_written_is_one_plain_sentence(
    tmp_path: Path, buffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", buffered)
    (tmp_path / "compose.yaml").write_text("services: {web: {image: w}}")
    for command in ("config", "ps", "version", "logs"):
        done = through_shell(f"{command} >{ENDLESS}", tmp_path)
        said = "zun-compose: error: the output cannot be written: No space left on device\n"
        expected = (0, "") if command == "logs" else (1, said)
        assert (done.returncode, done.stderr) == expected, command
    assert through_shell(f"up -d 2>{ENDLESS}", tmp_path).returncode == 0
    assert through_shell(f"nonsense 2>{ENDLESS}", tmp_path).returncode == 2


def test_a_folder_that_is_gone_is_one_plain_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    here = str(Path(__file__).resolve().parents[2])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
    done = subprocess.run(
        ["sh", "-c", 'rmdir "$PWD"; exec "$0" -m zun_compose.cli.main ps', sys.executable],
        capture_output=True,
        text=True,
        cwd=gone,
        env={**kept, "PYTHONPATH": here},
        timeout=60,
        check=False,
    )
    said = "zun-compose: error: the current folder does not exist any more\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_what_drivers_log_is_told_in_the_form_of_progress(
    program: Program, engine: RealTimeMemoryDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = engine.create

    def warning(spec: ContainerSpec) -> str:
        logging.getLogger("zun_compose.drivers.any").warning("service %s: look out", spec.service.name)
        logging.getLogger("zun_compose.drivers.any").info("never told")
        return create(spec)

    monkeypatch.setattr(engine, "create", warning)
    program.file("services: {web: {image: w}}")
    result = program("--driver", "memory", "--progress", "json", "up", "-d", plain=False)
    told = [json.loads(line) for line in result.err.splitlines()]
    assert {"event": "said", "message": "zun-compose: warning: service web: look out"} in told
    for mode in ("quiet", "plain"):
        assert program("down").code == 0
        result = program("--driver", "memory", "--progress", mode, "up", "-d", plain=False)
        assert result.err.count("zun-compose: warning: service web: look out\n") == 1
        assert "never told" not in result.err
    assert logging.getLogger("zun_compose").handlers == []


def test_version(program: Program) -> None:
    assert program("version").out == f"zun-compose version {__version__}\n"
    assert program("version", "--short").out == f"{__version__}\n"
    assert program("version", "--format", "json").json() == {"version": __version__}
    assert program("--version", plain=False).out == f"zun-compose version {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(program: Program, shell: str) -> None:
    result = program("completion", shell)
    assert result.code == 0
    assert "_ZUN_COMPOSE_COMPLETE" in result.out


def completed(words: str, folder: Path) -> list[str]:
    done = outside(
        folder=folder,
        _ZUN_COMPOSE_COMPLETE="bash_complete",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split(" ")) - 1),
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_commands_options_and_services_are_completed(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {web: {image: a}, worker: {image: b}, db: {image: c}}")
    assert completed("zun-compose ex", tmp_path) == ["explain", "exec"]
    assert completed("zun-compose logs w", tmp_path) == ["web", "worker"]
    assert completed("zun-compose exec d", tmp_path) == ["db"]
    assert "db:" in completed("zun-compose cp d", tmp_path)
    assert "--on-failure" in completed("zun-compose up --on", tmp_path)
    (tmp_path / "other.yaml").write_text("services: {only: {image: a}}")
    assert completed("zun-compose -f other.yaml up o", tmp_path) == ["only"]
    (tmp_path / "compose.yaml").write_text("services: [")
    assert completed("zun-compose logs w", tmp_path) == []
