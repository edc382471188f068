"""The commands that need a real engine: exec, run, what is remembered; docker compose's own eyes on ps."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.dockerd import docker_engine

__all__ = ["docker_engine"]

pytestmark = pytest.mark.docker

HERE = str(Path(__file__).resolve().parents[2])
TEXT = """
services:
  db:
    image: busybox
    init: true
    command: [sh, -c, 'httpd -f -p 80']
    expose: ["80"]
    environment: {COLOUR: red}
  tool:
    image: busybox
    profiles: [tools]
    command: [echo, default]
    depends_on: {db: {condition: service_started, x-condition: service_listening}}
"""


class Shop:
    """A stack of its own name; the program as users run it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.name = f"zccli-{os.getpid()}"
        self.folder = folder
        (folder / "compose.yaml").write_text(TEXT)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
        state = str(folder / "state")
        self.environment = {**kept, "PYTHONPATH": HERE, "XDG_STATE_HOME": state, "DOCKER_HOST": url}

    def command(self, *arguments: str) -> list[str]:
        start = [sys.executable, "-m", "zun_compose.cli.main", "--progress", "plain", "-n", self.name]
        return [*start, *arguments]

    def __call__(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**self.environment, **environment},
            timeout=90,
            check=False,
        )


@pytest.fixture(scope="module")
def shop(docker_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = Shop(tmp_path_factory.mktemp("shop"), docker_engine)
    done = made("up", "-d", "--wait")
    assert done.returncode == 0, done.stderr
    yield made
    done = made("--profile", "*", "down", "-v", "-t", "1", "--remove-orphans")
    assert done.returncode == 0, done.stderr


def test_exec_gives_code_streams_and_environment(shop: Shop) -> None:
    done = shop(
        "exec", "-T", "-e", "SIZE", "-e", "NAME=it", "-w", "/tmp", "db", "sh", "-c",
        "echo $COLOUR $SIZE $NAME $PWD; echo oops >&2; exit 7",
        SIZE="big",
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (7, "red big it /tmp\n", "oops\n")
    assert shop("exec", "-T", "db", "cat", stdin="through\n").stdout == "through\n"


def test_exec_options_end_at_the_service(shop: Shop) -> None:
    assert shop("exec", "-T", "db", "echo", "-e", "--index").stdout == "--index\n"


def test_exec_in_what_does_not_run(shop: Shop) -> None:
    done = shop("exec", "-T", "--index", "5", "db", "true")
    assert done.returncode == 1
    assert "container 5" in done.stderr


def test_run_gives_the_code_and_removes(shop: Shop) -> None:
    done = shop("run", "--rm", "-T", "-e", "A=b", "tool", "sh", "-c", "echo $A; exit 5")
    assert (done.returncode, done.stdout) == (5, "b\n"), done.stderr
    done = shop("run", "--rm", "-T", "--no-deps", "tool")
    assert (done.returncode, done.stdout) == (0, "default\n"), done.stderr
    assert "nothing to do" not in done.stderr
    assert "done in" not in done.stderr
    assert shop("run", "--rm", "-T", "tool").stdout == "default\n"
    listed = shop("--profile", "tools", "ps", "-a", "--format", "json").stdout
    assert [json.loads(line)["Service"] for line in listed.splitlines()] == ["db"]


def test_run_without_rm_leaves_its_container_which_ps_shows_only_with_all(shop: Shop) -> None:
    name = f"{shop.name}-one-off"
    try:
        assert shop("run", "-T", "--name", name, "tool").returncode == 0
        assert name not in shop("--profile", "tools", "ps").stdout
        assert name in shop("--profile", "tools", "ps", "-a").stdout
    finally:
        subprocess.run(["docker", "-H", shop.environment["DOCKER_HOST"], "rm", "-f", name], check=True)


def test_a_signal_during_run_reaches_the_container(shop: Shop) -> None:
    script = "trap 'echo caught; exit 9' INT; echo begun; while true; do sleep 0.1; done"
    process = subprocess.Popen(
        shop.command("run", "--rm", "-T", "tool", "sh", "-c", script),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=shop.folder,
        env=shop.environment,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, out) == (9, "caught\n"), err


def test_exec_in_a_terminal_is_a_terminal(shop: Shop) -> None:
    leader, follower = pty.openpty()
    with subprocess.Popen(
        shop.command("exec", "db", "sh", "-c", "tty; exit 3"),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=shop.folder,
        env=shop.environment,
    ) as process:
        os.close(follower)
        text = b""
        try:
            while chunk := os.read(leader, 4096):
                text += chunk
        except OSError:
            pass  # how the other side's end shows on a pty
        finally:
            os.close(leader)
        assert process.wait(60) == 3
    assert b"/dev/pts/" in text


def test_where_the_stack_runs_is_remembered_until_down(shop: Shop, tmp_path: Path) -> None:
    (stack,) = (shop.folder / "state" / "zun-compose" / "stacks").iterdir()
    assert json.loads(stack.read_text())["working_dir"] == str(shop.folder)
    # No DOCKER_HOST any more, and a default that answers nobody: it is found where it was.
    environment = {**shop.environment, "DOCKER_CONTEXT": "", "DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}
    done = subprocess.run(
        shop.command("ps"), capture_output=True, text=True, cwd=shop.folder, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{shop.name}-db-1" in done.stdout
    assert "not where DOCKER_HOST or DOCKER_CONTEXT point to" in done.stderr


def test_ready_since_is_kept_between_calls(shop: Shop) -> None:
    (first,) = (json.loads(line) for line in shop("ps", "--format", "json").stdout.splitlines())
    (second,) = (json.loads(line) for line in shop("ps", "--format", "json").stdout.splitlines())
    assert first["Readiness"] == "ready"
    assert first["Listening"] == ["80/tcp"]
    assert first["ReadySince"] is not None
    assert first["ReadySince"] == second["ReadySince"]


RESTARTS = """
services:
  crash:
    image: busybox
    restart: always
    command: [sh, -c, 'echo start; sleep 0.5; echo end; exit 3']
  mute:
    image: busybox
    init: true
    logging: {driver: none}
    command: [sleep, "600"]
"""


@pytest.fixture
def restarting(docker_engine: str, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path, docker_engine)
    made.name = f"zccli-restarts-{os.getpid()}"
    (tmp_path / "compose.yaml").write_text(RESTARTS)
    yield made
    done = made("down", "-v", "-t", "1")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [["up", "-t", "1"], ["logs", "-f"]])
def test_what_restarts_is_followed_on_and_what_has_no_log_is_no_obstacle(
    restarting: Shop, command: list[str]
) -> None:
    attached = command[0] == "up"
    if not attached:
        assert restarting("up", "-d").returncode == 0
    process = subprocess.Popen(
        restarting.command(*command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=restarting.folder,
        env=restarting.environment,
    )
    told = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            told.append(line.strip())
            if told.count("crash-1  | end") == 3:
                break
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    text = "\n".join(told) + rest
    assert process.returncode == 130, text
    assert text.count(f"{restarting.name}-mute-1") >= 1
    assert text.count("cannot be read") == 1
    story = [line for line in told if line.startswith("crash-1")]
    between = ["crash-1 exited with code 3"] if attached else []
    life = ["crash-1  | start", "crash-1  | end"]
    assert story[:4] == [*life, *between, *life][:4], text
    assert story.count("crash-1  | start") == 3
