"""What is left of the demo's stacks, asked of the engine or the kernel and not of zun-compose."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

PATIENCE = 5.0  # seconds in which a process that was told to end has to be gone


def of_docker(stacks: Iterable[str]) -> list[str]:
    """Return the names of containers, networks and volumes that the engine still has."""
    import docker

    client = docker.from_env()
    found: list[str] = []
    for stack in stacks:
        chosen: dict[str, str | list[str] | bool] | None = {"label": f"com.docker.compose.project={stack}"}
        found += [str(container.name) for container in client.containers.list(all=True, filters=chosen)]
        found += [str(network.name) for network in client.networks.list(filters=chosen)]
        found += [str(volume.name) for volume in client.volumes.list(filters=chosen)]
    client.close()
    return found


def of_local(state: Path) -> list[str]:
    """Return what the local driver still keeps in its folder, and the processes that know of it."""
    home = state / "zun-compose" / "local"
    found = [
        f"{kind}/{entry.name}"
        for kind in ("containers", "names", "networks", "stacks", "volumes")
        for entry in sorted((home / kind).glob("*"))
    ]
    deadline = time.monotonic() + PATIENCE
    while (alive := _processes(str(state).encode())) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found + alive


def _processes(state: bytes) -> list[str]:
    """Find processes that were started with the folder, or that have a part of it mounted."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        known = b""
        for name in ("cmdline", "environ", "mountinfo"):
            with suppress(OSError):  # it has just ended, or is somebody else's
                known += (entry / name).read_bytes()
        if state in known:
            found.append(f"process {entry.name}")
    return found
