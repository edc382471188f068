"""What a cloud is asked to be: its folder, ports and options, remembered in settings.json of that folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from tests.cloud.errors import CloudError

ADDRESS = "127.0.0.1"
REGION = "RegionOne"
DEFAULT_FOLDER = "/var/tmp/zun-compose-cloud"
DEFAULT_NETWORK = "10.77.0.0/24"
LOCK = ".lock"
PATIENCE = 1200.0
# A Unix socket's path holds 107 bytes; the longest below the folder are those of privsep helpers.
LONGEST_FOLDER = 60


class Port(StrEnum):
    """What listens; the values are the names that `--port NAME=NUMBER` takes."""

    CINDER = "cinder"
    DATABASE = "database"
    EPMD = "epmd"
    GLANCE = "glance"
    HEAT = "heat"
    KEYSTONE = "keystone"
    KURYR = "kuryr"
    NEUTRON = "neutron"
    OPENFLOW = "openflow"
    OVSDB = "ovsdb"
    PLACEMENT = "placement"
    RABBIT = "rabbit"
    RABBIT_PEERS = "rabbit-peers"
    REGISTRY = "registry"
    WEBSOCKETS = "websockets"
    ZUN = "zun"


PORTS: Mapping[Port, int] = {
    Port.CINDER: 8776,
    Port.DATABASE: 3307,
    Port.EPMD: 15673,
    Port.GLANCE: 9292,
    Port.HEAT: 8004,
    Port.KEYSTONE: 5000,
    Port.KURYR: 23750,
    Port.NEUTRON: 9696,
    Port.OPENFLOW: 6633,
    Port.OVSDB: 6640,
    Port.PLACEMENT: 8778,
    Port.RABBIT: 5673,
    Port.RABBIT_PEERS: 25673,
    Port.REGISTRY: 5001,
    Port.WEBSOCKETS: 6784,
    Port.ZUN: 9517,
}


class Settings(NamedTuple):
    """One cloud. Everything that it writes lies in `folder`, but for what docs/cloud.md lists."""

    folder: Path
    venv: Path
    password: str
    ports: Mapping[Port, int]
    network: str = DEFAULT_NETWORK
    heat_plugins: tuple[str, ...] = ()
    routing: bool = False
    """Whether this `up` starts the L3 agent; not remembered."""

    @property
    def bin(self) -> Path:
        """Where the programs of the virtual environment are."""
        return self.venv / "bin"

    @property
    def etc(self) -> Path:
        """Configuration files."""
        return self.folder / "etc"

    @property
    def log(self) -> Path:
        """One log a process and a task."""
        return self.folder / "log"

    @property
    def run(self) -> Path:
        """Pid files and sockets."""
        return self.folder / "run"

    @property
    def stamps(self) -> Path:
        """Which tasks are done."""
        return self.folder / "stamps"

    @property
    def state(self) -> Path:
        """What the services keep."""
        return self.folder / "state"

    @property
    def host(self) -> str:
        """The name that Neutron, Zun and Cinder know this machine by; kuryr takes it from the kernel."""
        return socket.gethostname()

    def url(self, port: Port) -> str:
        """Where the HTTP service of that port is, without a slash at its end."""
        return f"http://{ADDRESS}:{self.ports[port]}"


def folder() -> Path:
    """Return the cloud's folder: ZUN_COMPOSE_CLOUD, else the default. Raises CloudError if it is unfit."""
    chosen = Path(os.environ.get("ZUN_COMPOSE_CLOUD") or DEFAULT_FOLDER)
    if not chosen.is_absolute() or len(str(chosen)) > LONGEST_FOLDER:
        raise CloudError(
            f'folder "{chosen}" must be an absolute path of at most {LONGEST_FOLDER} characters, '
            "for Unix sockets lie below it: set ZUN_COMPOSE_CLOUD to another"
        )
    return chosen


def load(place: Path) -> Settings | None:
    """Read what a former `up` settled; None where is no cloud. Raises CloudError for a foreign folder."""
    file = place / "settings.json"
    try:
        kept = json.loads(file.read_text())
        return Settings(
            folder=place,
            venv=Path(kept["venv"]),
            password=kept["password"],
            ports={**PORTS, **{Port(name): int(number) for name, number in kept["ports"].items()}},
            network=kept["network"],
            heat_plugins=tuple(kept["heat_plugins"]),
        )
    except FileNotFoundError:
        _check_ours(place)
        return None
    except PermissionError as error:
        raise CloudError(f'the cloud in "{place}" is root\'s: use sudo') from error
    except (ValueError, KeyError, TypeError) as error:
        raise CloudError(f'"{file}" cannot be read ({error}): run wipe, then up') from error


def fresh(place: Path) -> Settings:
    """Return the settings of a new cloud."""
    venv = os.environ.get("ZUN_COMPOSE_CLOUD_VENV")
    return Settings(
        folder=place,
        venv=Path(venv) if venv else place / "venv",
        password=secrets.token_hex(12),
        ports=PORTS,
    )


def save(settings: Settings) -> None:
    """Remember the settings; who may read the folder is root alone."""
    kept: dict[str, Any] = {
        "venv": str(settings.venv),
        "password": settings.password,
        "ports": dict(settings.ports),
        "network": settings.network,
        "heat_plugins": list(settings.heat_plugins),
    }
    for made in (settings.etc, settings.log, settings.run, settings.stamps, settings.state):
        made.mkdir(exist_ok=True)
    written = settings.folder / "settings.json.new"
    written.touch(mode=0o600)
    written.write_text(json.dumps(kept, indent=1) + "\n")
    written.replace(settings.folder / "settings.json")


@contextlib.contextmanager
def locked(place: Path) -> Iterator[None]:
    """Hold the folder, making it where it is missing, so that two calls do not cross. Raises CloudError."""
    deadline = time.monotonic() + PATIENCE
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_ours(place)
    with _held(place / LOCK, deadline):
        yield


@contextlib.contextmanager
def _held(file: Path, deadline: float) -> Iterator[None]:
    while True:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file.open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise CloudError(f'another call holds "{file}"') from None
                time.sleep(0.1)
                continue
            # a wipe may have removed the file between our opening and locking it
            with contextlib.suppress(FileNotFoundError):
                if os.stat(file).st_ino == os.fstat(handle.fileno()).st_ino:
                    yield
                    return


def _check_ours(place: Path) -> None:
    try:
        inside = {entry.name for entry in place.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        raise CloudError(f'folder "{place}" cannot be read ({error.strerror}): choose another') from error
    # a wipe that keeps the virtual environment leaves just these
    if "settings.json" not in inside and inside - {LOCK, "venv", "settings.json.new"}:
        raise CloudError(
            f'folder "{place}" is not empty and no cloud of ours: set ZUN_COMPOSE_CLOUD to another'
        )
