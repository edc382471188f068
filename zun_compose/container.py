"""What is asked of a driver and what a driver saw: the vocabulary between plan, drivers and observers."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from zun_compose.model import Attachment, Healthcheck, Mount, Service
from zun_compose.record import Record, field


class State(StrEnum):
    """Life of a container, in Docker's words (Engine API 1.41, ContainerState.Status)."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    REMOVING = "removing"
    EXITED = "exited"
    DEAD = "dead"

    @property
    def ended(self) -> bool:
        """Whether it ran and will not come back by itself."""
        return self in (State.EXITED, State.DEAD, State.REMOVING)


class Health(StrEnum):
    """The engine's own verdict; NONE where no check is declared or the engine runs none."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class PortKey(Record, order=True):
    """A port inside a container."""

    port: int
    protocol: str = "tcp"

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}"


class Join(Record, kw_only=True):
    """One network a container joins: the engine's network name, all aliases, and the declared details."""

    network: str
    aliases: tuple[str, ...] = ()
    attachment: Attachment | None = None


class FileContent(Record, kw_only=True):
    """A file put into a container at creation (configs and secrets that have no host file)."""

    unshown = ("content",)

    target: str
    content: bytes
    uid: int = 0
    gid: int = 0
    mode: int = 0o444


class ContainerSpec(Record, kw_only=True):
    """All that a driver needs to create one container.

    `service` gives the process, limits and so on; the fields here are resolved and win over it:
    `image` (reference or id), `mounts` (volume sources are engine names), `joins` (first is primary),
    `network_mode` ("host", "none", "container:ID" or None), `labels` (complete, ours included),
    `files` (put in before the first start). `auto_remove` only for one-off runs.
    """

    name: str
    stack: str
    service: Service
    number: int
    image: str
    labels: Mapping[str, str]
    joins: tuple[Join, ...] = ()
    network_mode: str | None = None
    pid_mode: str | None = None
    ipc_mode: str | None = None
    mounts: tuple[Mount, ...] = ()
    volumes_from: tuple[str, ...] = ()
    files: tuple[FileContent, ...] = ()
    oneoff: bool = False
    auto_remove: bool = False


class Published(Record, kw_only=True):
    """A published port as the engine reports it."""

    target: int
    protocol: str
    host_ip: str
    host_port: int


class MountSeen(Record, kw_only=True):
    """A mount of an existing container. `name` is the engine's volume name (type volume only)."""

    type: str
    target: str
    name: str | None = None
    source: str | None = None
    anonymous: bool = False


class PathSeen(Record, kw_only=True):
    """What lies at a path in a container; a symbolic link at its end is not followed.

    `link` is where that link leads in the end, as an absolute path of the container; "" if it is none.
    """

    name: str
    folder: bool = False
    link: str = ""


class Observed(Record, kw_only=True):
    """One container as a driver saw it at one moment.

    From `list` only a summary may be filled in: `detailed` is then False and the fields after it
    hold their defaults (exit_code too, unless the engine's summary tells it). `started_at` and
    `finished_at` are the engine's own words for the moment: comparable with each other for equality,
    never with our clock. `pid` is the engine's claim; observers check it before they trust it.
    """

    id: str
    name: str
    service: str
    number: int
    state: State
    labels: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    image_id: str = ""
    oneoff: bool = False
    exit_code: int | None = None
    health: Health = Health.NONE
    status: str = ""
    command: str = ""
    created_at: str = ""
    ports: tuple[Published, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    detailed: bool = False
    started_at: str | None = None
    finished_at: str | None = None
    restart_count: int = 0
    pid: int | None = None
    runtime: str = ""
    oom_killed: bool = False
    error: str = ""
    healthcheck: Healthcheck | None = None
    health_log: str = ""
    exposed: tuple[PortKey, ...] = ()
    restart_policy: str = "no"
    network_mode: str = ""
    user: str = ""
    mounts: tuple[MountSeen, ...] = ()


class NetworkSeen(Record, kw_only=True):
    """A network as a driver saw it. `labels` tell whose it is."""

    id: str
    name: str
    driver: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    containers: int = 0


class VolumeSeen(Record, kw_only=True):
    """A volume as a driver saw it."""

    name: str
    driver: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


class ImageSeen(Record, kw_only=True):
    """What an image says of itself."""

    id: str
    reference: str
    exposed: tuple[PortKey, ...] = ()
    healthcheck: Healthcheck | None = None
    volumes: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()


class ExecResult(Record, kw_only=True):
    """End of a command run inside a container; `output` is stdout and stderr together, bounded."""

    exit_code: int
    output: str


class LogLine(Record, kw_only=True):
    """One line of a container's log, without its line end; `at` is the engine's RFC 3339 time, if asked."""

    text: str
    stream: str = "stdout"
    at: str | None = None


class Hint(Record, kw_only=True):
    """News from an engine's event stream. A hint moves the next look earlier; it is never the truth.

    `action` is Docker's word: create, start, die, stop, kill, destroy, oom, pause, unpause, restart,
    rename, health_status. `at` is the engine's time in seconds.
    """

    container: str
    action: str
    service: str = ""
    number: int = 0
    exit_code: int | None = None
    health: Health | None = None
    at: float = 0.0
    name: str = ""
    image: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
