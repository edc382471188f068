"""An engine behind ssh://, with a program named ssh that carries bytes to the real engine."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tests.integration.docker.conftest import Bench, until
from zun_compose.container import Hint, State
from zun_compose.drivers.docker import connect
from zun_compose.errors import Unavailable

pytestmark = pytest.mark.docker

CARRIER = """#!{python}
import os, socket, sys, threading
open({log!r}, "a").write(repr(sys.argv[1:]) + "\\n")
engine = socket.socket(socket.AF_UNIX)
engine.connect({engine!r})
def there():
    while data := os.read(0, 65536):
        engine.sendall(data)
    engine.shutdown(socket.SHUT_WR)
threading.Thread(target=there, daemon=True).start()
while data := engine.recv(65536):
    os.write(1, data)
"""


@pytest.fixture
def carrier(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    log = tmp_path / "calls"
    program = tmp_path / "ssh"
    engine = bench.url.removeprefix("unix://")
    program.write_text(CARRIER.format(python=sys.executable, log=str(log), engine=engine))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return log


def test_an_engine_behind_ssh_does_all_that_a_local_one_does(bench: Bench, carrier: Path) -> None:
    driver = connect("ssh://me@far:2222")
    assert not driver.engine().local
    assert carrier.read_text() == "['-l', 'me', '-p', '2222', '--', 'far', 'docker system dial-stdio']\n"
    heard: list[Hint] = []
    subscription = driver.events(bench.stack, heard.append)
    beyond = Bench("ssh://", driver, bench.stack)
    container = beyond.running("sh", "-c", "echo hello; exit 3", asked={"network_mode": "none"})
    assert driver.wait(container, 30) == 3
    assert [line.text for line in driver.logs(container)] == ["hello"]
    until(lambda: [hint.exit_code for hint in heard if hint.action == "die"] == [3])
    running = beyond.running(name="second", asked={"network_mode": "none"})
    assert driver.execute(running, ["echo", "there"], timeout=10).output.strip() in ("there", b"there")
    driver.kill(running, "KILL")
    until(lambda: driver.inspect(running).state is State.EXITED)
    subscription.close()
    driver.close()


def test_an_ssh_that_fails_is_an_engine_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\nexit 255\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Unavailable, match="cannot reach the docker engine at ssh://far"):
        connect("ssh://far").engine()
