"""The Docker engine below Zun: the one at the usual socket, or else one of our own at the same place."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task, found
from tests.cloud.settings import Settings
from tests.engines import api, busybox

# where Zun and kuryr's users look
SOCKET = "/var/run/docker.sock"
URL = f"unix://{SOCKET}"
RUN = "/var/run/docker"
# the engine below the engine: which of that pid runs, dockerd takes for its own
CONTAINERD = Path(f"{RUN}/containerd/containerd.pid")
NAME = "dockerd"
# the API that Zun 18 is written for
_WANTED = (1, 40)


def answers() -> bool:
    """Whether an engine is there."""
    return api.answers(URL)


def data(settings: Settings) -> Path:
    """Return where an engine of our own keeps what it has."""
    return settings.state / "docker"


def clear() -> None:
    """Remove what an ended engine of our own leaves outside its data: its bridge and run-time files."""
    subprocess.run([found("ip"), "link", "delete", "docker0"], check=False, capture_output=True)
    for line in Path("/proc/self/mounts").read_text().splitlines():
        point = line.split()[1]
        if point.startswith((f"{RUN}/", "/run/docker/")):
            subprocess.run([found("umount"), "--lazy", point], check=False, capture_output=True)
    shutil.rmtree(RUN, ignore_errors=True)


def api_version() -> str:
    """Return the API version that Zun shall speak: its own, or the engine's oldest if that is later."""
    try:
        told = api.ask(URL, "GET", "/version").get("MinAPIVersion", "1.0")
    except OSError:
        told = "1.0"
    oldest = tuple(int(part) for part in told.split("."))
    return ".".join(str(part) for part in max(oldest, _WANTED))


def steps(settings: Settings, processes: Processes) -> list[Process | Task]:
    """Return what makes an engine with a busybox available under the name "docker"."""
    made = settings.stamps / "made-busybox"

    def image() -> None:
        there = api.call(URL, "GET", f"/images/{busybox.NAME}/json")[0] == 200
        busybox.ensure(URL)
        if not there:
            made.touch()

    def ready() -> bool:
        return api.call(URL, "GET", f"/images/{busybox.NAME}/json")[0] == 200

    last = Task("docker", image, done=ready)
    claim = settings.run / "dockerd.own"
    if answers() and processes.find(NAME) is None:
        return [last]
    engine = Process(
        NAME,
        (
            found("dockerd"),
            f"--host={URL}",
            f"--data-root={data(settings)}",
            # kuryr takes containers' namespaces from here alone
            f"--exec-root={RUN}",
            f"--pidfile={claim}",
        ),
        ready=answers,
        # for each of kuryr's networks that it finds or leaves, it asks kuryr, and waits when nobody answers
        needs=("kuryr-announced",),
        # containers get ten seconds each to end
        grace=60,
        claims=(claim, CONTAINERD),
    )
    return [engine, last._replace(needs=(NAME,))]
