"""What /proc tells of processes: here of the test's own and of its children."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zun_compose.linux import proc
from zun_compose.linux.proc import start_time
from zun_compose.observe.process import Process, held, trusted

ID = "0123456789abcdef" * 4


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    made = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield made
    made.communicate(b"\n")


def claim(monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    """Let /proc/PID/NAME read as given."""
    real = proc.text

    def text(path: str) -> str:
        return files.get(Path(path).name, real(path))

    monkeypatch.setattr(proc, "text", text)


def test_a_stranger_is_not_trusted(sleeper: subprocess.Popen[bytes]) -> None:
    assert trusted(sleeper.pid, ID) is None


def test_the_cgroup_names_the_container(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(monkeypatch, cgroup=f"0::/system.slice/docker-{ID}.scope\n", mountinfo="")
    found = trusted(sleeper.pid, ID)
    assert found is not None
    assert (found.pid, found.alive) == (sleeper.pid, True)
    assert trusted(sleeper.pid, ID[:12]) is None, "a short id could stand in any path"
    assert trusted(sleeper.pid, "f" * 64) is None


@pytest.mark.parametrize(
    ("line", "believed"),
    [
        (f"90 72 254:0 /var/lib/docker/containers/{ID}/hosts /etc/hosts rw - ext4 /dev/vda rw\n", True),
        # What every process of the machine sees while the container runs:
        (f"90 72 0:50 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n", False),
        (f"90 72 254:0 /var/lib/docker/containers/{ID}/hosts /mnt/hosts rw - ext4 /dev/vda rw\n", False),
    ],
)
def test_a_mount_names_the_container_only_in_its_place(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, line: str, believed: bool
) -> None:
    claim(monkeypatch, cgroup="0::/\n", mountinfo=line)
    assert (trusted(sleeper.pid, ID) is not None) is believed


def test_no_pid_is_no_process() -> None:
    assert trusted(None, ID) is None
    assert trusted(0, ID) is None
    assert trusted(-1, ID) is None
    assert trusted(2**22 + 1, ID) is None


def test_an_ended_process_is_not_alive() -> None:
    made = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = start_time(made.pid)
    assert start is not None
    seen = Process(pid=made.pid, start=start, namespace=None)
    assert seen.alive
    assert made.stdin is not None
    made.stdin.close()
    os.waitid(os.P_PID, made.pid, os.WEXITED | os.WNOWAIT)
    assert not seen.alive, "a zombie serves nobody"
    made.wait()
    assert not seen.alive
    assert not Process(pid=os.getpid(), start=start, namespace=None).alive, "another process of that pid"


def test_who_holds_a_socket() -> None:
    import socket

    with socket.socket() as mine:
        inode = os.fstat(mine.fileno()).st_ino
        assert held([os.getpid()], [inode, 1]) == (frozenset({inode}), True)
    assert held([os.getpid()], [inode]) == (frozenset(), True)
    assert held([2**22 + 1], [inode]) == (frozenset(), True), "a process that has ended hides nothing"
