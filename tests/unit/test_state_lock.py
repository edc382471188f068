"""The lock: one at a time, named for people, released by death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zun_compose.errors import Cancelled, StateError
from zun_compose.state import StateStore

HOLD = """
import sys
from pathlib import Path
from zun_compose.state import StateStore
with StateStore(Path(sys.argv[1]), command="zun-compose up").lock("e", "shop"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(root: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "A_SECRET": "hunter2"}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def finish(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def lock_file(root: Path) -> Path:
    (found,) = (root / "locks").iterdir()
    return found


def test_without_waiting_the_holder_is_named(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        with pytest.raises(StateError) as caught, StateStore(tmp_path).lock("e", "shop", wait=False):
            pytest.fail("the lock was given twice")
        assert caught.value.code == "state.locked"
        assert f"zun-compose up (pid {process.pid})" in str(caught.value)
        text = lock_file(tmp_path).read_text()
        assert "hunter2" not in text
        assert json.loads(text)["pid"] == process.pid
        # Another stack and another engine are free.
        with (
            StateStore(tmp_path).lock("e", "other", wait=False),
            StateStore(tmp_path).lock("f", "shop", wait=False),
        ):
            pass
    finally:
        finish(process)


def test_waiting_is_said_once_and_ends_with_the_holder(tmp_path: Path) -> None:
    process = holder(tmp_path)
    said: list[str] = []

    def told(text: str) -> None:
        said.append(text)
        assert process.stdin is not None
        process.stdin.close()

    try:
        with StateStore(tmp_path, command="zun-compose down").lock("e", "shop", on_wait=told):
            assert json.loads(lock_file(tmp_path).read_text())["command"] == "zun-compose down"
        assert said == [f"waiting for zun-compose up (pid {process.pid})"]
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_death_releases_it(tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with StateStore(tmp_path).lock("e", "shop", wait=False):
        pass


def test_an_error_inside_releases_it_and_clears_the_name(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    with pytest.raises(ZeroDivisionError), store.lock("e", "shop"):
        raise ZeroDivisionError
    assert json.loads(lock_file(tmp_path).read_text())["pid"] is None
    with store.lock("e", "shop", wait=False):
        pass


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        with store.lock("e", "shop"):
            inside += 1
            most = max(most, inside)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert most == 1


def test_a_cancel_ends_the_wait(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    cancel = threading.Event()
    with (
        store.lock("e", "shop"),
        pytest.raises(Cancelled),
        store.lock("e", "shop", on_wait=lambda _: cancel.set(), cancel=cancel),
    ):
        pytest.fail("the lock was given twice")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', "null"])
def test_a_torn_lock_file_hinders_nobody(tmp_path: Path, text: str) -> None:
    store = StateStore(tmp_path)
    with store.lock("e", "shop"):
        lock_file(tmp_path).write_text(text)
        with pytest.raises(StateError, match="another zun-compose"), store.lock("e", "shop", wait=False):
            pytest.fail("the lock was given twice")
    lock_file(tmp_path).write_text(text)
    with store.lock("e", "shop", wait=False):
        assert json.loads(lock_file(tmp_path).read_text())["pid"] == os.getpid()


def test_a_newer_lock_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    with store.lock("e", "shop"):
        pass
    newer = '{"format": 9, "zun_compose": "9.0"}'
    lock_file(tmp_path).write_text(newer)
    with pytest.raises(StateError) as caught, store.lock("e", "shop"):
        pytest.fail("a newer lock was taken")
    assert caught.value.code == "state.newer"
    assert lock_file(tmp_path).read_text() == newer


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    with store.lock("e", "shop"):
        pass
    path = lock_file(tmp_path)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.unlink()
    path.symlink_to(victim)
    with pytest.raises(StateError), store.lock("e", "shop"):
        pytest.fail("a link was locked")
    assert victim.read_text() == "precious"
