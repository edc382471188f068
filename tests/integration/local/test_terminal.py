"""Commands and containers joined to the streams of the one who asks."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

from tests.integration.local.bench import Bench, until

ROOT = Path(__file__).parents[3]

ATTACHED = """
import sys
from pathlib import Path
from zun_compose.driver import Session
from zun_compose.drivers.local import connect
driver = connect(sys.argv[1])
session = Session(tty=sys.argv[3] == "tty", stdin=True)
if sys.argv[2] == "exec":
    code = driver.execute_attached(sys.argv[4], sys.argv[5:], session)
else:
    code = driver.start_attached(sys.argv[4], session)
sys.exit(code)
"""


def attached(bench: Bench, *words: str) -> list[str]:
    return [sys.executable, "-c", ATTACHED, str(bench.root), *words]


def test_a_command_has_our_streams_and_gives_its_code(bench: Bench) -> None:
    container = bench.run("sleep", "60")
    words = attached(bench, "exec", "plain", container, "sh", "-c", "cat; echo err >&2; exit 5")
    done = subprocess.run(words, input="typed", capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (5, "typed", "err\n")


def test_a_container_has_our_streams_and_gives_its_code(bench: Bench) -> None:
    container = bench.create("sh", "-c", "read word; echo got $word; echo err >&2; exit 6", stdin_open=True)
    done = subprocess.run(
        attached(bench, "start", "plain", container),
        input="word\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (6, "got word\n", "err\n")
    assert {line.text for line in bench.driver.logs(container)} == {"got word", "err"}


def test_one_that_removes_itself_gives_its_code_too(bench: Bench) -> None:
    container = bench.create("sh", "-c", "exit 7", auto_remove=True, oneoff=True)
    done = subprocess.run(attached(bench, "start", "plain", container), cwd=ROOT, check=False)
    assert done.returncode == 7
    until(lambda: bench.driver.list("bench") == [])


class Screen:
    """A terminal with a program in it."""

    def __init__(self, words: list[str]) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execv(words[0], words)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def shows(self, text: str, seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} does not show in {self.seen!r}"
            if select.select([self.master], [], [], left)[0]:
                try:
                    self.seen += os.read(self.master, 4096).decode()
                except OSError:
                    assert text in self.seen, f"{text!r} does not show in {self.seen!r}"

    def code(self) -> int:
        until(lambda: os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.master)
        return os.waitstatus_to_exitcode(status)


def test_a_command_in_a_terminal_is_in_control_of_it(bench: Bench) -> None:
    container = bench.run("sleep", "60")
    screen = Screen(
        attached(bench, "exec", "tty", container, "sh", "-c", "tty; stty size; sleep 50 || echo cut")
    )
    screen.shows("/dev/pts/")
    time.sleep(0.3)
    screen.type("\x03")
    assert screen.code() == 130


def test_a_shell_in_a_container_started_in_a_terminal(bench: Bench) -> None:
    container = bench.create("sh", tty=True, stdin_open=True)
    screen = Screen(attached(bench, "start", "tty", container))
    screen.type("echo $((40 + 2))\n")
    screen.shows("42")
    screen.type("sleep 55\n")
    time.sleep(0.5)
    screen.type("\x03")
    screen.type("echo still $((1 + 1))\n")
    screen.shows("still 2")
    screen.type("exit 9\n")
    assert screen.code() == 9


def test_an_interrupt_reaches_a_plain_program_in_a_terminal(bench: Bench) -> None:
    script = "import signal,sys\ntry:\n print('up', flush=True); signal.pause()\n"
    script += "except KeyboardInterrupt: sys.exit(11)"
    container = bench.create("python3", "-c", script, tty=True, stdin_open=True)
    screen = Screen(attached(bench, "start", "tty", container))
    screen.shows("up")
    screen.type("\x03")
    assert screen.code() == 11
