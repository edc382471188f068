"""Processes of a cloud: found again, restarted when they change, stopped with all that they started."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import settings
from tests.cloud.errors import CloudError
from tests.cloud.processes import Process, Processes
from tests.cloud.settings import Settings


@pytest.fixture
def place(tmp_path: Path) -> Settings:
    made = settings.fresh(tmp_path)
    settings.save(made)
    return made


@pytest.fixture
def processes(place: Settings) -> Iterator[Processes]:
    made = Processes(place)
    yield made
    for name in made.names():
        made.stop(name)


def sleeper(place: Settings, words: str = "sleep 1000", **changes: Any) -> Process:
    """A process that is ready when it has written its file."""
    ready = place.run / "ready"
    argv = ("/bin/sh", "-c", f"touch {ready}; {words}")
    return Process("sleeper", argv, ready=ready.exists, patience=10)._replace(**changes)


def test_up_again_leaves_it_alone(place: Settings, processes: Processes) -> None:
    assert processes.bring_up(sleeper(place))
    before = processes.find("sleeper")
    assert not processes.bring_up(sleeper(place))
    assert processes.find("sleeper") == before
    # as another call of the command would see it
    assert Processes(place).find("sleeper") == before


def test_a_change_of_what_it_reads_starts_it_anew(place: Settings, processes: Processes) -> None:
    file = place.etc / "fruit.conf"
    file.write_text("apple")
    process = sleeper(place, files=(file,))
    processes.bring_up(process)
    before = processes.find("sleeper")
    file.write_text("pear")
    assert processes.bring_up(process)
    after = processes.find("sleeper")
    assert before is not None
    assert after is not None
    assert after.pid != before.pid


def test_stop_ends_what_it_started_too(place: Settings, processes: Processes) -> None:
    child = place.run / "child"
    processes.bring_up(sleeper(place, f"sleep 1000 & echo $! > {child}; wait"))
    deadline = time.monotonic() + 10
    while not (child.exists() and child.read_text().strip()):
        assert time.monotonic() < deadline
    pid = int(child.read_text())
    assert processes.stop("sleeper")
    assert processes.find("sleeper") is None
    assert not alive(pid)
    assert processes.names() == set()


def test_one_that_ignores_the_request_is_killed(place: Settings, processes: Processes) -> None:
    processes.bring_up(sleeper(place, "trap '' TERM; while :; do sleep 0.1; done", grace=0.3))
    found = processes.find("sleeper")
    assert found is not None
    assert processes.stop("sleeper")
    assert not alive(found.pid)


def test_a_pid_that_was_given_to_another_is_not_taken_for_ours(place: Settings, processes: Processes) -> None:
    stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        kept = {"pid": stranger.pid, "born": 1, "digest": "", "needs": [], "ports": [], "grace": 1.0}
        (place.run / "sleeper.pid").write_text(json.dumps(kept))
        assert processes.find("sleeper") is None
        assert not processes.stop("sleeper")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_one_that_was_killed_is_seen_to_be_down(place: Settings, processes: Processes) -> None:
    processes.bring_up(sleeper(place))
    found = processes.find("sleeper")
    assert found is not None
    os.kill(found.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while processes.find("sleeper") is not None:
        assert time.monotonic() < deadline
    assert processes.names() == {"sleeper"}


def test_one_that_ends_before_it_is_ready_is_told_with_the_end_of_its_log(
    place: Settings, processes: Processes
) -> None:
    broken = Process(
        "broken", ("/bin/sh", "-c", f"echo rotten {place.password}; exit 3"), ready=lambda: False
    )
    with pytest.raises(CloudError) as caught:
        processes.bring_up(broken)
    assert "rotten ***" in str(caught.value)
    assert place.password not in str(caught.value)


def test_a_port_that_is_taken_is_told_before_anything_starts(place: Settings, processes: Processes) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CloudError, match=f"port {port} .* is taken"):
            processes.bring_up(sleeper(place, ports=(port,)))
    assert not (place.run / "ready").exists()


def test_a_command_that_fails_is_told_with_what_it_wrote(processes: Processes) -> None:
    with pytest.raises(CloudError, match=r"exit code 4(.|\n)*sour"):
        processes.run("taste", ["/bin/sh", "-c", "echo sour; exit 4"])


def test_the_callers_environment_makes_no_difference(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_CLOUD", "another")
    monkeypatch.setenv("http_proxy", "http://nowhere")
    told = processes.run("env", ["/usr/bin/env"])
    assert "OS_CLOUD" not in told
    assert "http_proxy" not in told


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
