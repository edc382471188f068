"""What is kept of a container: the blueprint, written when it is created, and the account of how it stands.

Both are plain JSON, so that whoever looks needs no daemon. Times are seconds, sizes bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from zun_compose.drivers.local.home import Place, read_json, write_json
from zun_compose.errors import NotFound
from zun_compose.record import Record, as_dict, field

FORMAT = 1


class Fixture(Record, kw_only=True):
    """One mount, resolved. `source` is an absolute path; `volume` the name where it is a volume.

    `kind` is bind, volume, tmpfs or device; `mode` None is the engine's default.
    """

    kind: str
    target: str
    source: str = ""
    volume: str | None = None
    anonymous: bool = False
    read_only: bool = False
    size: int | None = None
    mode: int | None = None


class Content(Record, kw_only=True):
    """A config or secret: the number of its file below `Place.files`, and whose it is to be in the container.

    No owner stands for the container's user, no mode for the one that the file has.
    """

    target: str
    number: int
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None


class Nic(Record, kw_only=True):
    """One network that the container joins."""

    network: str
    aliases: tuple[str, ...] = ()
    ipv4: str | None = None
    ipv6: str | None = None
    mac: str | None = None
    interface: str | None = None


class Publication(Record, kw_only=True):
    """One port to publish; `published` None asks for any free one, "8000-8010" for one of these."""

    target: int
    published: str | None = None
    protocol: str = "tcp"
    host_ip: str | None = None


class Check(Record, kw_only=True):
    """A healthcheck with all its times; `command` is what to execute, `test` how it was declared."""

    test: tuple[str, ...]
    command: tuple[str, ...]
    interval: float | None = None
    timeout: float | None = None
    retries: int | None = None
    start_period: float | None = None
    start_interval: float | None = None


class Blueprint(Record, kw_only=True):
    """All that is needed to run a container and to say what it is. Values of `environment` never show."""

    unshown = ("environment",)

    id: str
    name: str
    stack: str
    service: str
    number: int
    image: str
    image_id: str
    created_at: str
    argv: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    oneoff: bool = False
    auto_remove: bool = False
    isolated: bool = True
    layers: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "/"
    user: str = ""
    groups: tuple[str, ...] = ()
    hostname: str = ""
    init: bool = False
    tty: bool = False
    stdin_open: bool = False
    read_only: bool = False
    capabilities: tuple[str, ...] = ()
    mounts: tuple[Fixture, ...] = ()
    files: tuple[Content, ...] = ()
    shm_size: int | None = None
    network_mode: str | None = None
    pid_mode: str | None = None
    ipc_mode: str | None = None
    uts_mode: str | None = None
    nics: tuple[Nic, ...] = ()
    ports: tuple[Publication, ...] = ()
    exposed: tuple[tuple[int, str], ...] = ()
    extra_hosts: tuple[tuple[str, str], ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    ulimits: tuple[tuple[str, int, int], ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    oom_score: int | None = None
    restart: str = "no"
    restart_maximum: int | None = None
    stop_signal: str = "SIGTERM"
    stop_grace: float = 10.0
    check: Check | None = None
    log_size: int = 10 * 1024 * 1024
    log_files: int = 3
    log_kept: bool = True

    @property
    def host(self) -> bool:
        """Whether it runs on the machine's own root."""
        return not self.layers

    @property
    def beside(self) -> bool:
        """Whether its program is started beside an idle first process: in a terminal, or as another user.

        Only bubblewrap can start a program as number 1, but not in a session that has a terminal, nor as
        anybody but root, nor in further groups.
        """
        return self.tty or bool(self.groups) or self.user.partition(":")[0] not in ("", "0", "root")

    def save(self, place: Place) -> None:
        """Write it; raises OSError."""
        write_json(place.spec, {"format": FORMAT, **as_dict(self)})

    @classmethod
    def load(cls, place: Place) -> Self:
        """Read it; raises NotFound if there is none that can be read."""
        body = read_json(place.spec)
        if body is None:
            raise NotFound(f'container "{place.id[:12]}" does not exist')
        return cls.bound(body)

    @classmethod
    def bound(cls, body: Mapping[str, Any]) -> Self:
        """Return the blueprint that a JSON object holds; what a newer version added is left out."""
        known = set(cls.__struct_fields__)
        asked: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in body.items()
            if key in known
        }
        asked["mounts"] = tuple(Fixture(**one) for one in asked["mounts"])
        asked["files"] = tuple(Content(**one) for one in asked["files"])
        asked["nics"] = tuple(Nic(**{**one, "aliases": tuple(one["aliases"])}) for one in asked["nics"])
        asked["ports"] = tuple(Publication(**one) for one in asked["ports"])
        for key in ("exposed", "extra_hosts", "ulimits"):
            asked[key] = tuple(tuple(one) for one in asked[key])
        check = asked["check"]
        if check is not None:
            lists = {"test": tuple(check["test"]), "command": tuple(check["command"])}
            asked["check"] = Check(**{**check, **lists})
        return cls(**asked)


class Account(Record, kw_only=True):
    """How a container stands, as its supervisor last wrote it.

    `status` is one of created, running, paused, restarting, exited. `pid` is the container's first process,
    as the machine numbers it; with their start times and the boot it tells processes from strangers.
    """

    status: str = "created"
    boot: str = ""
    supervisor: int | None = None
    supervisor_start: int | None = None
    pid: int | None = None
    pid_start: int | None = None
    started_at: str | None = None
    finished_at: str | None = None
    exit_code: int | None = None
    restarts: int = 0
    error: str = ""
    health: str = "none"
    health_log: str = ""
    oom_killed: bool = False
    by_hand: bool = False
    ports: tuple[tuple[int, str, str, int], ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)

    @property
    def up(self) -> bool:
        """Whether there is a process, or will be one again without anybody's doing."""
        return self.status in ("running", "paused", "restarting")

    def save(self, place: Place) -> None:
        """Write it; raises OSError."""
        write_json(place.state, {"format": FORMAT, **as_dict(self)})

    @classmethod
    def load(cls, place: Place) -> Self:
        """Read it; one that never was written, or was torn by a crash of the machine, is as new."""
        body = read_json(place.state) or {}
        known = set(cls.__struct_fields__)
        told: dict[str, Any] = {key: value for key, value in body.items() if key in known}
        told["ports"] = tuple(tuple(one) for one in told.get("ports", ()))
        return cls(**told)
