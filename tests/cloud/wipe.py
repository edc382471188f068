"""Nothing is left: process, container, network, image, mount, loop device, link, namespace, plug-in file."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cloud import assembly, cinder, docker, kuryr, rest, switch
from tests.cloud.processes import Process, Processes
from tests.cloud.service import found, inside
from tests.cloud.settings import ADDRESS, Port, Settings
from tests.engines import api, busybox

# Zun names its containers by their UUIDs, those that hold a capsule's namespaces too
_CONTAINER = re.compile(r"/zun-(sandbox-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def wipe(settings: Settings, *, keep_venv: bool = False) -> None:
    """Stop the cloud and remove all that it made. Raises CloudError, and OSError if Docker refuses."""
    processes = Processes(settings)
    if docker.answers():
        _empty_engine(settings, processes)
    engine = processes.kept(docker.NAME) is not None or docker.data(settings).exists()
    assembly.down(settings)
    if engine and not docker.answers():
        docker.clear()
    kuryr.forget(settings)
    _remove_links(settings)
    _release_volumes(settings)
    for point in sorted(_mounts(f"{settings.folder}/"), reverse=True):
        subprocess.run([found("umount"), "--lazy", point], check=False, capture_output=True)
    _remove_folder(settings, keep_venv=keep_venv)


def containers() -> list[dict[str, Any]]:
    """Return the engine's containers that Zun made."""
    known: list[dict[str, Any]] = api.ask(docker.URL, "GET", "/containers/json?all=1")
    return [one for one in known if any(_CONTAINER.fullmatch(name) for name in one["Names"])]


def images(settings: Settings) -> set[str]:
    """Return the names of the engine's images that came to or from our registry."""
    ours = f"localhost:{settings.ports[Port.REGISTRY]}/"
    names: set[str] = set()
    for one in api.ask(docker.URL, "GET", "/images/json"):
        names.update(
            name for key in ("RepoTags", "RepoDigests") for name in one[key] or () if name.startswith(ours)
        )
    return names


def _empty_engine(settings: Settings, processes: Processes) -> None:
    if containers() or kuryr.networks():
        _answer_for_kuryr(settings, processes)
    for container in containers():
        api.call(docker.URL, "DELETE", f"/containers/{container['Id']}?force=1&v=1")
    for network in kuryr.networks():
        api.call(docker.URL, "DELETE", f"/networks/{network['Id']}")
    for name in sorted(images(settings)):
        api.call(docker.URL, "DELETE", f"/images/{urllib.parse.quote(name, safe='/:@')}")
    if (settings.stamps / "made-busybox").exists():
        api.call(docker.URL, "DELETE", f"/images/{busybox.NAME}")


def _answer_for_kuryr(settings: Settings, processes: Processes) -> None:
    """Have Docker's questions about kuryr's networks answered: by kuryr, or by one who agrees."""
    number = settings.ports[Port.KURYR]
    if processes.find("kuryr") is not None and kuryr.announced(settings) and rest.answers(number):
        return
    processes.stop("kuryr")
    program = inside(settings, "agreeable.py")
    stand_in = Process(
        "kuryr",
        (sys.executable, str(program), ADDRESS, str(number)),
        ready=lambda: rest.answers(number),
        ports=(number,),
        grace=2,
    )
    processes.bring_up(stand_in)
    kuryr.announce(settings)


def _remove_links(settings: Settings) -> None:
    """Remove links that outlive the userspace switch: its bridges and the ends of containers' ports."""
    records = switch.records(settings)
    # without the switch's records the bridges are not known to be ours
    if not records.exists():
        return
    _remove_routers()
    ours = {*_ports(records), *switch.LINKS}
    for _, name in socket.if_nameindex():
        if name in ours:
            subprocess.run([found("ip"), "link", "delete", name], check=False, capture_output=True)


def _remove_routers() -> None:
    """Remove the namespaces of routers, with the links in them."""
    listed = subprocess.run([found("ip"), "netns", "list"], check=False, capture_output=True, text=True)
    for line in listed.stdout.splitlines():
        name = line.split()[0]
        if name.startswith("qrouter-"):
            subprocess.run([found("ip"), "netns", "delete", name], check=False, capture_output=True)


def _ports(records: Path) -> list[str]:
    question = '["Open_vSwitch",{"op":"select","table":"Interface","where":[],"columns":["name"]}]'
    asked = subprocess.run(
        [found("ovsdb-tool"), "query", str(records), question], check=False, capture_output=True, text=True
    )
    if asked.returncode != 0:
        return []
    names = [row["name"] for row in json.loads(asked.stdout)[0]["rows"]]
    return [name for name in names if name.startswith("tap")]


def _release_volumes(settings: Settings) -> None:
    """Unmount and detach what lies on volumes' files."""
    files = f"{cinder.volumes(settings)}/"
    for device in Path("/sys/block").glob("loop*"):
        backing = device / "loop/backing_file"
        if not backing.exists() or not backing.read_text().startswith(files):
            continue
        name = f"/dev/{device.name}"
        for point in sorted(_mounts_of(name), reverse=True):
            subprocess.run([found("umount"), point], check=False, capture_output=True)
        subprocess.run([found("losetup"), "--detach", name], check=False, capture_output=True)


def _mounts(below: str) -> list[str]:
    return [point for _, point in _mounted() if point.startswith(below)]


def _mounts_of(device: str) -> list[str]:
    return [point for source, point in _mounted() if source == device]


def _mounted() -> Iterator[tuple[str, str]]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        source, point = line.split()[:2]
        yield source, point.replace("\\040", " ")


def _remove_folder(settings: Settings, *, keep_venv: bool) -> None:
    kept = {settings.venv} if keep_venv else set()
    for entry in settings.folder.iterdir():
        if entry in kept:
            continue
        if entry.is_dir() and not entry.is_symlink():
            _remove(entry)
        else:
            entry.unlink()
    if not any(settings.folder.iterdir()):
        settings.folder.rmdir()


def _remove(folder: Path) -> None:
    """Remove a folder; what was just killed may still write its last file, so once more."""
    deadline = time.monotonic() + 5
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
