"""What an ordinary user in the docker group can see: no namespace to enter, no file descriptors of root's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from .conftest import Child, Cli, Run, docker

pytestmark = pytest.mark.docker

NOBODY = 65534
# Ours, and the one library that it cannot do without.
FOLDERS = (Path(__file__).parents[3], Path(msgspec.__file__).parents[1])
AS_NOBODY: dict[str, Any] = {
    "user": NOBODY,
    "group": NOBODY,
    "extra_groups": [],
    "cwd": "/",
    "env": {"PYTHONPATH": os.pathsep.join(map(str, FOLDERS)), "PYTHONDONTWRITEBYTECODE": "1"},
}
READER = """
import json, sys, time
from zun_compose.container import Observed, PortKey, State
from zun_compose.driver import EngineInfo
from zun_compose.observe.sockets import SocketReader
class Bare:
    name = "bare"
reader = SocketReader(Bare(), EngineInfo(id="x", driver="x", name="x"), connect=False)
for line in sys.stdin:
    seen = json.loads(line)
    wanted = frozenset(PortKey(port) for port in seen.pop("wanted"))
    observed = Observed(**{**seen, "state": State(seen["state"])})
    deadline = time.monotonic() + 10
    while True:
        reading = reader.read(observed, wanted)
        if reading.listening or observed.state is not State.RUNNING or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    print(json.dumps({
        "listening": [key.port for key in reading.listening],
        "foreign": [key.port for key in reading.foreign],
        "unattributed": [key.port for key in reading.unattributed],
        "complete": reading.complete, "source": reading.source, "note": reading.note,
    }), flush=True)
"""


class Reader:
    """A reader in a process of an ordinary user."""

    def __init__(self, python: str) -> None:
        self.process = subprocess.Popen(
            [python, "-c", READER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **AS_NOBODY,
        )

    def read(self, container: str, *wanted: int) -> dict[str, object]:
        seen = Cli().inspect(container)
        fields = {
            "id": seen.id, "name": seen.name, "service": "x", "number": 1, "state": seen.state,
            "pid": seen.pid, "detailed": True, "runtime": "runc", "network_mode": seen.network_mode,
            "wanted": wanted,
        }  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdin.write(json.dumps(fields) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return dict(json.loads(line))

    def end(self) -> None:
        self.process.communicate(timeout=20)


def _python() -> str:
    """A python that an ordinary user may run, with this package; ours may lie where only root may go."""
    why = ""
    for python in (sys.executable, shutil.which("python3", path=os.defpath)):
        try:
            subprocess.run(
                [
                    str(python),
                    "-c",
                    "import sys, zun_compose.observe.sockets; assert sys.version_info >= (3, 11)",
                ],
                **AS_NOBODY,
                capture_output=True,
                check=True,
                timeout=30,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            why = str(error)
        else:
            return str(python)
    pytest.skip(f"no python can be run by another user: {why}")


@pytest.fixture
def reader():
    if os.geteuid() != 0:
        pytest.skip("only root may become another user")
    made = Reader(_python())
    yield made
    made.end()


def test_a_containers_own_namespace_is_read_as_text(reader: Reader, run: Run) -> None:
    seen = run("sh", "-c", "sleep 0.3; exec httpd -f -p 80 -h /")
    reading = reader.read(seen.id, 80)
    assert (reading["listening"], reading["source"], reading["complete"]) == ([80], "proc", True)
    assert reading["unattributed"] == []


def test_on_the_hosts_network_the_order_of_events_decides(reader: Reader, run: Run) -> None:
    stranger = Child(namespaced=False)
    try:
        stranger.do("tcp(four, '0.0.0.0', 28072)")
        made = run("httpd", "-f", "-p", "28071", options=["--network", "host"], only_create=True)
        assert reader.read(made.id, 28071, 28072)["listening"] == []
        docker("start", made.id)
        reading = reader.read(made.id, 28071, 28072)
        assert (reading["listening"], reading["unattributed"]) == ([28071], [28071])
        assert reading["foreign"] == [28072]
    finally:
        stranger.end()
