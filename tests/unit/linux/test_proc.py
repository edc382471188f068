"""Kin of real processes, by the kernel's lists and without them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from zun_compose.linux import proc

# Has one child by its first thread and one by another, and one that has ended and is not reaped.
FAMILY = """
import os, subprocess, threading
def child(found):
    found.append(subprocess.Popen(["sh", "-c", "sleep 60 & echo; wait"], stdout=subprocess.PIPE))
    found[-1].stdout.readline()
children = []
child(children)
done = threading.Event()
def elsewhere():
    child(children)
    done.set()
    input()
thread = threading.Thread(target=elsewhere)
thread.start()
done.wait()
ended = subprocess.Popen(["true"])
os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
print(*(one.pid for one in children), ended.pid, flush=True)
thread.join()
os.killpg(0, 9)
"""


class Family:
    """The pid of the eldest, its living children, and the one that has ended."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", FAMILY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        *living, self.ended = map(int, self.process.stdout.readline().split())
        self.living = set(living)
        self.pid = self.process.pid


@pytest.fixture(params=["lists", "no lists"])
def family(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    if request.param == "no lists":
        # a kernel without CONFIG_PROC_CHILDREN
        monkeypatch.setattr(proc, "_listed", lambda pid: None)
    made = Family()
    yield made
    made.process.communicate(b"\n")


def test_children_are_those_of_all_threads_and_those_not_reaped(family: Family) -> None:
    assert set(proc.children(family.pid)) == {*family.living, family.ended}


def test_descendants_are_all_that_live(family: Family) -> None:
    found = proc.descendants(family.pid)
    grandchildren = {pid for one in family.living for pid in proc.children(one)}
    assert len(grandchildren) == 2
    assert len(found) == len(set(found))
    assert set(found) == family.living | grandchildren


def test_what_is_gone_has_no_kin() -> None:
    made = subprocess.Popen(["true"])
    made.wait()
    assert proc.children(made.pid) == ()
    assert proc.descendants(made.pid) == ()
    assert proc.start_time(made.pid) is None


def test_a_process_is_itself_by_its_pid_its_start_and_the_boot() -> None:
    pid, start = os.getpid(), proc.start_time(os.getpid())
    assert proc.alive(pid, start, proc.boot_id())
    assert not proc.alive(pid, start, "another boot")
    assert not proc.alive(pid, (start or 0) + 1, proc.boot_id())
    assert not proc.alive(None, start, proc.boot_id())
