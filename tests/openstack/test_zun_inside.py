"""What users do inside containers on a real cloud: exec, run, cp, logs, signals, attached up."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cloud.fixture import Cloud
from tests.conftest import MINUTES
from tests.e2e.site import Workplace, clean_environment, program
from tests.openstack import door
from tests.openstack.conftest import IMAGE, Zun

pytestmark = [*MINUTES, pytest.mark.timeout(600)]

LIMIT = 200.0
STACK = f"""
services:
  box:
    image: {IMAGE}
    working_dir: /var
    command: sh -c 'trap "exit 0" TERM; echo up; sleep 100000 & wait'
  bare:
    image: {IMAGE}
    entrypoint: ["/bin/sleep"]
    command: ["100000"]
    environment: {{PATH: /nowhere}}
  job:
    image: {IMAGE}
    command: sh -c 'echo out; echo err >&2; exit 4'
    profiles: [more]
  flap:
    image: {IMAGE}
    command: sh -c 'echo begins; sleep 3; echo ends; exit 1'
    restart: on-failure:1
    profiles: [more]
  tick:
    image: {IMAGE}
    command: sh -c 'trap "echo bye; exit" TERM; k=0; while :; do echo tick $$((k+=1)); sleep 1; done'
    profiles: [more]
"""


class Place(Workplace):
    """The stack's folder, with the cloud's driver in each command."""

    def zun(self, *words: str, expect: int = 0, stdin: str | None = None) -> tuple[str, str]:
        """Run a command to its end; return its stdout and stderr."""
        ran = self.run("--driver", "zun", *words, expect=expect, stdin=stdin or "", limit=LIMIT)
        return ran.out, ran.err

    def raw(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run a command with bytes."""
        return subprocess.run(
            [*program(), "--driver", "zun", *words],
            cwd=self.folder, env=clean_environment(self.state, self.environment),
            input=stdin, capture_output=True, timeout=LIMIT, check=False,
        )  # fmt: skip

    def oneoffs(self) -> list[str]:
        """Return the names of one-off containers."""
        rows = [json.loads(line) for line in self.zun("ps", "-a", "--format", "json")[0].splitlines()]
        return [row["Name"] for row in rows if "-run-" in row["Name"]]


@pytest.fixture(scope="module")
def place(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A stack of which `box` and `bare` run."""
    root = tmp_path_factory.mktemp("inside")
    environment = {"OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml), "OS_CLOUD": "demo"}
    (root / "stack").mkdir()
    made = Place(root / "stack", f"zcinside{os.getpid()}", root / "state", environment)
    made.write(STACK)
    made.zun("up", "-d")
    yield made
    made.begin("--driver", "zun", "--profile", "*", "down", "-v", "-t", "1").end(limit=300)
    made.end_commands()


@pytest.fixture(scope="module")
def joined() -> Iterator[None]:
    """The cloud's websocket proxy reaches the engine."""
    with door.opened():
        yield


class Screen:
    """A command of ours at a terminal of 33 lines and 101 columns."""

    def __init__(self, place: Place, *words: str) -> None:
        self.end, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
        environment = clean_environment(place.state, place.environment)
        self.process = subprocess.Popen(
            [*program(), "--driver", "zun", *words],
            cwd=place.folder, env=environment, stdin=other, stdout=other, stderr=other,
            start_new_session=True,
        )  # fmt: skip
        os.close(other)
        self.shown = b""

    def until(self, text: bytes, times: int = 1) -> None:
        """Read until a text was shown so many times in all."""
        deadline = time.monotonic() + LIMIT
        while self.shown.count(text) < times:
            assert time.monotonic() < deadline, self.shown
            assert self._read(1.0), f"it ended: {self.shown!r}"

    def type(self, text: bytes) -> None:
        os.write(self.end, text)

    def code(self) -> int:
        """Read to the end; return the exit code."""
        deadline = time.monotonic() + LIMIT
        while self._read(1.0):
            assert time.monotonic() < deadline, self.shown
        os.close(self.end)
        return self.process.wait(30)

    def _read(self, patience: float) -> bool:
        ready, _, _ = select.select([self.end], [], [], patience)
        if not ready:
            return self.process.poll() is None
        try:
            data = os.read(self.end, 65536)
        except OSError:
            return False
        self.shown += data
        return bool(data)


def eventually(true: Callable[[], bool], what: str) -> None:
    """Look until something holds."""
    deadline = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def test_a_command_lasts_as_long_as_it_likes_with_its_streams_apart(place: Place) -> None:
    done = place.raw("exec", "-T", "box", "sh", "-c", r"pwd; sleep 7; printf 'a\377\n'; echo bad >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"/var\na\xff\n", b"bad\n")


def test_input_goes_into_a_command_and_its_bytes_come_back(place: Place) -> None:
    data = os.urandom(300_000)
    done = place.raw("exec", "-T", "box", "cat", stdin=data)
    assert (done.returncode, done.stdout == data) == (0, True)


def test_the_environment_and_the_folder_are_the_commands_own(place: Place) -> None:
    words = ("-e", 'A=it\'s "so"', "-w", "/etc", "box", "sh", "-c", 'echo "$A"; pwd')
    assert place.zun("exec", "-T", *words)[0] == 'it\'s "so"\n/etc\n'


def test_what_cannot_be_had_is_refused_before_anything_runs(place: Place) -> None:
    for asked, word in (
        (("-u", "somebody"), '"somebody"'),
        (("-u", "1000"), '"setpriv"'),
        (("--privileged",), "rights"),
    ):
        assert word in place.zun("exec", "-T", *asked, "box", "touch", "/ran", expect=1)[1]
    place.zun("exec", "-T", "box", "test", "!", "-e", "/ran")


def test_without_a_shell_a_command_has_the_time_that_zun_gives(place: Place) -> None:
    assert place.zun("exec", "-T", "bare", "/bin/echo", "hello")[0] == "hello\n"
    assert 'no "sh"' in place.zun("exec", "-T", "bare", "/bin/sleep", "20", expect=1)[1]
    assert 'no "sh"' in place.zun("exec", "-T", "-w", "/", "bare", "/bin/pwd", expect=1)[1]


def test_ctrl_c_ends_the_command_inside(place: Place) -> None:
    running = place.begin("--driver", "zun", "exec", "-T", "box", "sh", "-c", "sleep 4321; echo over")

    def inside() -> str:
        return place.zun("exec", "-T", "box", "sh", "-c", "ps -o args; ls -A /tmp")[0]

    eventually(lambda: "sleep 4321\n" in inside(), "it runs")
    running.send(signal.SIGINT)
    ended = running.end(limit=LIMIT)
    assert (ended.code, ended.out) == (130, "")
    left = inside()
    assert "sleep 4321" not in left
    assert len(set(re.findall(r"zun-compose-\w+", left))) == 1, "only this look's own folder"


def test_a_detached_command_runs_on(place: Place) -> None:
    place.zun("exec", "-d", "box", "sh", "-c", "sleep 2; echo on > /detached")
    eventually(
        lambda: place.zun("exec", "-T", "box", "sh", "-c", "cat /detached || :")[0] == "on\n", "it ends"
    )


def test_files_go_in_and_out(place: Place, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "data").write_bytes(os.urandom(50_000))
    (tree / "link").symlink_to("data")
    place.zun("cp", str(tree), "box:/srv")
    place.zun("cp", "box:/srv", str(tmp_path / "back"))
    assert (tmp_path / "back" / "data").read_bytes() == (tree / "data").read_bytes()
    assert os.readlink(tmp_path / "back" / "link") == "data"
    assert '"/no/such"' in place.zun("cp", "box:/no/such", str(tmp_path), expect=1)[1]


def test_no_way_to_the_engine_is_told_and_leaves_nothing(place: Place) -> None:
    if door.is_open():
        pytest.skip("the engine can be reached here")
    screen = Screen(place, "exec", "box", "sh")
    assert screen.code() == 1
    assert b"does not reach the container's engine" in screen.shown
    assert b"token" not in screen.shown


@pytest.mark.usefixtures("joined")
def test_a_command_at_a_terminal_has_its_size_keys_and_code(place: Place) -> None:
    screen = Screen(place, "exec", "-e", "WORD=said", "box", "sh")
    screen.until(b"# ")
    screen.type(b"stty size; echo $WORD; echo be''gun; sleep 1000\r")
    screen.until(b"begun")
    screen.type(b"\x03")
    screen.until(b"^C")
    screen.until(b"# ", 3)
    screen.type(b"exit 7\r")
    assert screen.code() == 7
    assert b"33 101\r\nsaid\r\n" in screen.shown


def test_run_gives_output_and_code_and_removes_what_it_made(place: Place) -> None:
    done = place.raw("run", "--rm", "-T", "job")
    assert (done.returncode, done.stdout) == (4, b"out\n")
    assert b"err\n" in done.stderr
    assert place.oneoffs() == []


@pytest.mark.usefixtures("joined")
def test_run_joins_our_input(place: Place) -> None:
    asked = ("job", "sh", "-c", 'read x; echo "got $x"; cat; echo end; exit 6')
    done = place.raw("run", "--rm", "-T", *asked, stdin=b"one\ntwo\n")
    assert (done.returncode, done.stdout) == (6, b"got one\ntwo\nend\n")


def test_run_hands_ctrl_c_on_and_removes_what_it_made(place: Place) -> None:
    asked = ("job", "sh", "-c", "trap 'echo caught; exit 42' INT; echo begun; while :; do sleep 0.2; done")
    running = place.begin("--driver", "zun", "run", "--rm", "-T", *asked)
    assert running.process.stdout is not None
    assert running.process.stdout.readline() == "begun\n"
    running.send(signal.SIGINT)
    ended = running.end(limit=LIMIT)
    assert (ended.code, ended.out) == (42, "caught\n")
    assert place.oneoffs() == []


@pytest.mark.usefixtures("joined")
def test_run_at_a_terminal(place: Place) -> None:
    screen = Screen(place, "run", "--rm", "job", "sh", "-c", "echo first; exec sh")
    screen.until(b"/ # ")
    screen.type(b"stty size\r")
    screen.until(b"33 101")
    screen.type(b"exit 9\r")
    assert screen.code() == 9
    assert screen.shown.count(b"first\r\n") == 1, "what it wrote before we came, once"
    assert place.oneoffs() == []


def test_signals_and_processes_by_the_commands(place: Place, demo: Zun) -> None:
    place.zun("pause", "box")
    assert demo.proxy.find_container(f"{place.name}-box-1", ignore_missing=False).status == "Paused"
    place.zun("unpause", "box")
    assert demo.proxy.find_container(f"{place.name}-box-1", ignore_missing=False).status == "Running"
    assert "sleep 100000" in place.zun("top", "box")[0]
    place.zun("kill", "-s", "TERM", "box")
    place.zun("wait", "box")
    place.zun("start", "box")


def test_up_shows_logs_follows_restarts_and_stops_on_ctrl_c(place: Place, demo: Zun) -> None:
    running = place.begin("--driver", "zun", "--profile", "more", "up", "tick", "job", "flap")
    lines: list[str] = []
    assert running.process.stdout is not None
    while sum("ends" in line for line in lines) < 2:
        lines.append(running.process.stdout.readline())
        assert lines[-1], f"it ended: {lines}"
    logs = place.zun("logs", "--no-log-prefix", "flap")[0]
    assert logs == "begins\nends\n" * 2
    shown, told = place.zun("logs", "--tail", "2", "tick", "job")
    assert [line.count("job-1") for line in (shown, told)] == [1, 1], "each stream's lines go to ours"
    assert shown.count("tick ") == 2
    stamped = [line for line in place.zun("logs", "-t", "tick")[0].splitlines() if "tick 3" in line]
    third = re.split(r"[| ]+", stamped[0])[1]
    assert re.search(r"tick 2$", place.zun("logs", "--since", third, "tick")[0], re.MULTILINE) is None
    assert re.search(r"tick 3$", place.zun("logs", "--until", third, "tick")[0], re.MULTILINE) is None
    # who only wants what comes is not told again what is there
    (known,) = map(int, re.findall(r"tick (\d+)$", place.zun("logs", "-n", "1", "tick")[0], re.MULTILINE))
    following = place.begin("--driver", "zun", "logs", "-f", "-n", "0", "tick")
    assert following.process.stdout is not None
    assert int(following.process.stdout.readline().split()[-1]) > known
    following.send(signal.SIGINT)
    following.end(limit=LIMIT)
    running.send(signal.SIGINT)
    ended = running.end(limit=LIMIT)
    assert ended.code == 130
    assert "job-1 exited with code 4" in ended.err
    shown = "".join(lines) + ended.out
    assert re.search(r"tick-1 +\| bye", shown)
    assert re.findall(r"job-1 +\| (\w+)", shown) == ["out"]
    assert re.findall(r"job-1 +\| (\w+)", ended.err) == ["err"]
    for name in ("tick", "job", "flap"):
        one = demo.proxy.find_container(f"{place.name}-{name}-1", ignore_missing=False)
        assert one.status == "Stopped"
