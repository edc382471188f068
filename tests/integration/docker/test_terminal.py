"""Commands joined to our own streams, in processes of their own behind pipes and a pseudo-terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.integration.docker.conftest import Bench, until
from zun_compose.errors import NotFound

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys, json
from zun_compose.driver import Session
from zun_compose.drivers.docker import connect
driver = connect(sys.argv[1])
verb, container, command = sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
session = Session(**json.loads(sys.argv[5]))
if verb == "exec":
    code = driver.execute_attached(container, command, session)
else:
    code = driver.start_attached(container, session)
driver.close()
sys.exit(code)
"""


def _arguments(
    bench: Bench, verb: str, container: str, command: list[str], session: dict[str, object]
) -> list[str]:
    return [
        sys.executable,
        "-c",
        PROGRAM,
        bench.url,
        verb,
        container,
        json.dumps(command),
        json.dumps(session),
    ]


def _run(
    bench: Bench, verb: str, container: str, *command: str, fed: bytes = b"", **session: object
) -> subprocess.CompletedProcess[bytes]:
    arguments = _arguments(bench, verb, container, list(command), session)
    return subprocess.run(arguments, cwd=ROOT, input=fed, capture_output=True, timeout=60, check=False)


def test_streams_stay_apart_and_the_code_comes_back(bench: Bench) -> None:
    container = bench.running()
    done = _run(bench, "exec", container, "sh", "-c", "echo out; echo err >&2; exit 42")
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 42)


def test_the_end_of_our_input_reaches_the_command(bench: Bench) -> None:
    container = bench.running()
    data = b"x" * 500_000
    done = _run(bench, "exec", container, "sh", "-c", "wc -c; echo done", fed=data, stdin=True)
    assert done.stdout.split() == [b"500000", b"done"]
    assert done.returncode == 0


def test_a_command_that_ignores_its_input_ends(bench: Bench) -> None:
    container = bench.running()
    read, write = os.pipe()
    try:
        done = subprocess.run(
            _arguments(bench, "exec", container, ["echo", "bye"], {"stdin": True}),
            cwd=ROOT,
            stdin=read,
            capture_output=True,
            timeout=30,
            check=False,
        )
    finally:
        os.close(read)
        os.close(write)
    assert (done.stdout, done.returncode) == (b"bye\n", 0)


def test_environment_user_and_folder(bench: Bench) -> None:
    container = bench.running()
    done = _run(
        bench,
        "exec",
        container,
        "sh",
        "-c",
        "id -u; pwd; echo $A",
        environment={"A": "b"},
        user="7",
        working_dir="/tmp",
    )
    assert done.stdout.split() == [b"7", b"/tmp", b"b"]


def test_detached_returns_at_once(bench: Bench) -> None:
    container = bench.running()
    waits = "until test -e /go; do sleep 0.1; done; touch /made"
    done = _run(bench, "exec", container, "sh", "-c", waits, detach=True)
    assert done.returncode == 0
    assert bench.driver.execute(container, ["touch", "/go"], timeout=10).exit_code == 0
    until(lambda: bench.driver.execute(container, ["test", "-e", "/made"], timeout=10).exit_code == 0)


def test_nothing_of_a_short_life_is_lost(bench: Bench) -> None:
    for number in range(3):
        container = bench.create(
            "sh", "-c", f"echo first {number}; echo wrong >&2; exit 9", name=f"job{number}"
        )
        done = _run(bench, "start", container)
        assert (done.stdout, done.stderr, done.returncode) == (f"first {number}\n".encode(), b"wrong\n", 9)


def test_what_removes_itself_still_gives_its_code(bench: Bench) -> None:
    container = bench.create(
        "sh", "-c", "cat; exit 11", stdin_open=True, asked={"auto_remove": True, "oneoff": True}
    )
    done = _run(bench, "start", container, fed=b"fed\n", stdin=True)
    assert (done.stdout, done.returncode) == (b"fed\n", 11)
    until(lambda: _gone(bench, container))


def _gone(bench: Bench, container: str) -> bool:
    try:
        bench.driver.inspect(container)
    except NotFound:
        return True
    return False


class Screen:
    """A pseudo-terminal with a process behind it."""

    def __init__(self, arguments: list[str]) -> None:
        self.master, slave = pty.openpty()
        self.resize(30, 100, tell=False)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(
            arguments, cwd=ROOT, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        self.seen = b""

    def resize(self, rows: int, columns: int, *, tell: bool = True) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            self.process.send_signal(signal.SIGWINCH)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def read_until(self, words: bytes, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.seen:
            assert time.monotonic() < deadline, f"never saw {words!r} in {self.seen!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                self.seen += os.read(self.master, 4096)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def test_an_interactive_shell(bench: Bench) -> None:
    container = bench.running()
    screen = Screen(_arguments(bench, "exec", container, ["sh"], {"tty": True, "stdin": True}))
    try:
        screen.read_until(b"# ")
        screen.type("echo sum $((40+2)); tty\r")
        screen.read_until(b"sum 42")
        screen.read_until(b"/dev/pts/")
        until(lambda: _size(screen, b"30 100"))
        screen.resize(41, 77)
        until(lambda: _size(screen, b"41 77"))
        # the terminal is raw: Ctrl-C belongs to the shell inside
        screen.type("sleep 1000\r")
        time.sleep(0.3)
        screen.type("\x03")
        screen.type("exit 6\r")
        assert screen.process.wait(20) == 6
        assert termios.tcgetattr(screen.slave) == screen.before
    finally:
        screen.close()


def _size(screen: Screen, words: bytes) -> bool:
    screen.seen = b""
    screen.type("stty size; echo as''ked\r")
    screen.read_until(b"asked")
    return words in screen.seen


def test_a_container_with_a_terminal_of_its_own(bench: Bench) -> None:
    container = bench.create("sh", "-c", "read line; echo got $line; exit 5", tty=True, stdin_open=True)
    screen = Screen(_arguments(bench, "start", container, [], {"tty": True, "stdin": True}))
    try:
        until(lambda: bench.driver.inspect(container).pid)
        screen.type("words\r")
        screen.read_until(b"got words")
        assert screen.process.wait(20) == 5
        assert termios.tcgetattr(screen.slave) == screen.before
    finally:
        screen.close()
