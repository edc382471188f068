"""From nothing to a container and back to nothing, beside whatever cloud and engine this machine has.

It runs in a network and a mount namespace of its own, with an engine of its own and other ports.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud import kuryr
from tests.cloud.fixture import ROOT, Cloud

pytestmark = [
    pytest.mark.openstack,
    pytest.mark.soak,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        os.environ.get("ZUN_COMPOSE_SOAK") != "1", reason="a second cloud takes minutes: make soak"
    ),
]
ZUN = 19517
# /run is Docker's, /usr/lib/docker holds the plug-in's file: another cloud on this machine keeps its own
_HIDE = "ip link set lo up && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /usr/lib/docker"


class Elsewhere:
    """A place where no cloud is; commands run there."""

    def __init__(self, folder: Path, venv: Path) -> None:
        self.folder = folder
        self.venv = venv
        kuryr.SPEC.parent.parent.parent.mkdir(parents=True, exist_ok=True)
        hold = ["unshare", "--net", "--mount", "--propagation", "private", "--", "sh", "-c"]
        self._holder = subprocess.Popen(
            [*hold, f"{_HIDE} && echo held && exec sleep 3600"], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "held\n"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", f"--target={self._holder.pid}", "--net", "--mount", f"--wd={ROOT}", "--"]
        names = [f"ZUN_COMPOSE_CLOUD={self.folder}", f"ZUN_COMPOSE_CLOUD_VENV={self.venv}"]
        return subprocess.run(
            [*enter, "env", *names, *words], capture_output=True, text=True, timeout=900, check=False
        )

    def cloud(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "tests.cloud", *words)

    def openstack(self, *words: str) -> str:
        """What the cloud's own client says, without what it warns of."""
        told = self.run(
            f"OS_CLIENT_CONFIG_FILE={self.folder}/clouds.yaml",
            "OS_CLOUD=admin",
            f"{self.venv}/bin/openstack",
            *words,
        )
        assert told.returncode == 0, told.stderr
        return told.stdout.strip()

    def until(self, wanted: str, *words: str) -> None:
        deadline = time.monotonic() + 120
        while (seen := self.openstack(*words)) != wanted:
            assert time.monotonic() < deadline, seen
            assert seen != "Error"

    def close(self) -> None:
        self.cloud("wipe")
        assert self._holder.stdout is not None
        self._holder.stdout.close()
        self._holder.kill()
        self._holder.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def elsewhere(cloud: Cloud) -> Iterator[Elsewhere]:
    made = Elsewhere(Path(tempfile.mkdtemp(prefix="zcc-", dir="/var/tmp")), cloud.settings.venv)
    yield made
    made.close()


def test_from_nothing_to_a_container_and_back_to_nothing(elsewhere: Elsewhere) -> None:
    ports = ("--port", f"zun={ZUN}", "--port", "keystone=15000", "--port", "registry=15001")
    done = elsewhere.cloud("up", *ports)
    assert done.returncode == 0, done.stderr
    volume = elsewhere.openstack("volume", "create", "--size", "1", "kept", "-f", "value", "-c", "id")
    elsewhere.until("available", "volume", "show", "kept", "-f", "value", "-c", "status")
    use = ("--net", "network=private", "--mount", "source=kept,destination=/data")
    # ends at once when it is told to
    pause = ("sh", "-c", "trap exit TERM; while :; do sleep 1; done")
    elsewhere.openstack(
        "appcontainer", "run", "--name", "fruit", *use, "localhost:15001/busybox", "--", *pause
    )
    status = ("appcontainer", "show", "fruit", "-f", "value", "-c", "status")
    elsewhere.until("Running", *status)
    assert volume in backing_files()

    # down and up: a new engine finds the old container, and Zun its record
    assert elsewhere.cloud("down").returncode == 0
    assert elsewhere.cloud("status").returncode == 1
    assert processes_of(elsewhere.folder) == []
    again = elsewhere.cloud("up")
    assert again.returncode == 0, again.stderr
    assert f":{ZUN}" in elsewhere.cloud("status").stdout
    elsewhere.openstack("appcontainer", "start", "fruit")
    elsewhere.until("Running", *status)

    wiped = elsewhere.cloud("wipe")
    assert wiped.returncode == 0, wiped.stderr
    assert not elsewhere.folder.exists()
    assert processes_of(elsewhere.folder) == []
    assert str(elsewhere.folder) not in backing_files()
    assert str(elsewhere.folder) not in elsewhere.run("cat", "/proc/self/mounts").stdout
    links = [line.split(":")[1].strip() for line in elsewhere.run("ip", "-o", "link").stdout.splitlines()]
    assert links == ["lo"]
    assert elsewhere.run("ls", str(kuryr.SPEC.parent.parent)).stdout.split() in ([], ["kuryr"])
    assert not elsewhere.run("ls", str(kuryr.SPEC)).stdout
    assert elsewhere.run("ls", "/run/docker").returncode != 0


def test_a_wipe_while_kuryr_is_down_leaves_nothing_either(elsewhere: Elsewhere) -> None:
    assert elsewhere.cloud("up").returncode == 0
    elsewhere.openstack(
        "appcontainer", "run", "--name", "fruit", "localhost:5001/busybox", "--", "sleep", "1000"
    )
    elsewhere.until("Running", "appcontainer", "show", "fruit", "-f", "value", "-c", "status")
    assert elsewhere.cloud("down", "kuryr").returncode == 0
    wiped = elsewhere.cloud("wipe")
    assert wiped.returncode == 0, wiped.stderr
    assert not elsewhere.folder.exists()
    links = [line.split(":")[1].strip() for line in elsewhere.run("ip", "-o", "link").stdout.splitlines()]
    assert links == ["lo"]


def backing_files() -> str:
    """The files behind this machine's loop devices."""
    return "\n".join(file.read_text() for file in Path("/sys/block").glob("loop*/loop/backing_file"))


def processes_of(folder: Path) -> list[str]:
    """The command lines of processes that name the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{folder}/" in words:
            found.append(words)
    return found
