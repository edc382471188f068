"""The kernel's word of an exit: real processes, real containers, and who must not be believed."""

from __future__ import annotations

import os
import queue
import select
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.integration.observe.conftest import Cli, Run, docker
from zun_compose.observe.exits import ExitWatch, exit_code, first_process


def kernel_tells() -> bool:
    """PIDFD_GET_INFO with the exit status came with Linux 6.15."""
    major, minor = (int("".join(filter(str.isdigit, part))) for part in os.uname().release.split(".")[:2])
    return (major, minor) >= (6, 15)


pytestmark = pytest.mark.skipif(not kernel_tells(), reason="this kernel does not tell exits to bystanders")


@pytest.fixture
def told() -> queue.SimpleQueue[tuple[str, int, int]]:
    return queue.SimpleQueue()


@pytest.fixture
def exits(told: queue.SimpleQueue[tuple[str, int, int]]) -> Iterator[ExitWatch]:
    watch = ExitWatch(lambda *news: told.put(news))
    yield watch
    watch.close()


class TestExitCode:
    @pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
    def test_told_of_a_process_that_is_not_ours_to_wait_for(self, script: str, code: int) -> None:
        # A grandchild: its parent reaps it, as an engine's shim does.
        program = f"import subprocess; p = subprocess.Popen(['sh', '-c', 'read _; {script}'], stdin=0); "
        program += "print(p.pid, flush=True); p.wait()"
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as parent:
            assert parent.stdout is not None
            assert parent.stdin is not None
            pidfd = os.pidfd_open(int(parent.stdout.readline()))
            assert exit_code(pidfd) is None, "it still runs"
            parent.stdin.write(b"\n")
            parent.stdin.close()
            gone = select.poll()
            gone.register(pidfd, 0)
            assert gone.poll(10_000)
            assert exit_code(pidfd) == code
            os.close(pidfd)


class TestContainers:
    @pytest.mark.parametrize("code", [0, 3])
    def test_a_running_one_is_followed_by_its_pid(
        self, run: Run, exits: ExitWatch, told: queue.SimpleQueue[tuple[str, int, int]], code: int
    ) -> None:
        seen = run("sh", "-c", f"sleep 0.5; exit {code}")
        exits.follow(seen.id, seen.pid)
        assert told.get(timeout=10) == (seen.id, seen.pid, code)

    @pytest.mark.parametrize("options", [(), ("--init",), ("--network", "none")])
    def test_one_that_ends_at_once_is_found_while_it_is_started(
        self,
        run: Run,
        exits: ExitWatch,
        told: queue.SimpleQueue[tuple[str, int, int]],
        options: tuple[str, ...],
    ) -> None:
        created = run("true", options=options, only_create=True)
        exits.expect(created.id)
        docker("start", created.id)
        container, pid, code = told.get(timeout=10)
        assert (container, code) == (created.id, 0)
        assert pid > 0

    def test_one_that_stops_is_told_with_its_signal(
        self, run: Run, exits: ExitWatch, told: queue.SimpleQueue[tuple[str, int, int]]
    ) -> None:
        seen = run("sleep", "60")
        exits.follow(seen.id, seen.pid)
        docker("kill", seen.id)
        assert told.get(timeout=10) == (seen.id, seen.pid, 137)

    def test_what_is_executed_in_it_is_not_its_first_process(
        self, run: Run, exits: ExitWatch, told: queue.SimpleQueue[tuple[str, int, int]]
    ) -> None:
        seen = run("sleep", "60")
        exits.expect(seen.id)
        docker("exec", seen.id, "sh", "-c", "exit 0")
        docker("kill", seen.id)
        assert told.get(timeout=10)[2] == 137

    def test_a_strangers_pid_is_not_followed(
        self, run: Run, exits: ExitWatch, told: queue.SimpleQueue[tuple[str, int, int]]
    ) -> None:
        seen = run("sleep", "60")
        with subprocess.Popen(["sleep", "0.2"]) as stranger:
            exits.follow(seen.id, stranger.pid)
        exits.follow(seen.id, seen.pid)
        docker("kill", seen.id)
        assert told.get(timeout=10)[1] == seen.pid

    def test_with_the_machines_pids_there_is_no_first_process(self, run: Run) -> None:
        seen = run("sleep", "60", options=["--pid", "host"])
        assert first_process(seen.id) is None

    def test_told_before_the_engine_does(
        self, run: Run, driver: Cli, exits: ExitWatch, told: queue.SimpleQueue[tuple[str, int, int]]
    ) -> None:
        seen = run("sh", "-c", "sleep 0.5")
        exits.follow(seen.id, seen.pid)
        waits = subprocess.Popen(["docker", "wait", seen.id], stdout=subprocess.PIPE)
        told.get(timeout=10)
        early = waits.poll() is None
        waits.communicate(timeout=10)
        assert early

    def test_nothing_is_told_after_close(
        self, run: Run, told: queue.SimpleQueue[tuple[str, int, int]]
    ) -> None:
        before = set(os.listdir("/proc/self/fd"))
        watch = ExitWatch(lambda *news: told.put(news))
        seen = run("sleep", "60")
        watch.follow(seen.id, seen.pid)
        watch.close()
        docker("kill", seen.id)
        docker("wait", seen.id, check=False)
        watch.expect(seen.id)
        assert told.empty()
        deadline = time.monotonic() + 5
        while set(os.listdir("/proc/self/fd")) - before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert set(os.listdir("/proc/self/fd")) <= before
