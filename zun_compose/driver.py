"""What an engine must be able to do, as small Protocols declared beside their consumer.

Every call is synchronous, bounded by a timeout of the driver's, safe from several threads, and
raises only `DriverError`s. `Driver` is required; the others are capabilities that a driver has by
having the methods (`isinstance` works on each). Core never names an implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from socket import socket
from typing import IO, Protocol, runtime_checkable

from zun_compose.capability import Finding, Table
from zun_compose.container import (
    ContainerSpec,
    ExecResult,
    Hint,
    ImageSeen,
    LogLine,
    NetworkSeen,
    Observed,
    PathSeen,
    PortKey,
    VolumeSeen,
)
from zun_compose.errors import Fault
from zun_compose.model import Build, Network, Service, Stack, Volume
from zun_compose.record import Record, field


class EngineInfo(Record, kw_only=True):
    """Who answered. `id` identifies the engine whatever address it was reached by.

    `local` is True when the engine runs on this machine, so that bind mounts mean our files and
    container pids may be ours. `runs_healthchecks` is False where no daemon runs declared checks.
    `copies_files` is True where configs and secrets can be put in whatever the service asks for, so that
    their owner and mode always hold: none is then mounted from our disk.
    `observes_kernel` names the runtimes whose sockets are in the kernel's tables.
    """

    id: str
    driver: str
    name: str
    version: str = ""
    local: bool = True
    runs_healthchecks: bool = True
    copies_files: bool = False
    default_runtime: str = "runc"
    warnings: tuple[str, ...] = ()


class PullProgress(Record, kw_only=True):
    """How far one image is; bytes, 0 where unknown."""

    image: str
    status: str
    current: int = 0
    total: int = 0


class Driver(Protocol):
    """The required part: CRUD on containers."""

    name: str

    def engine(self) -> EngineInfo:
        """Answer who the engine is; raises Unavailable if it does not answer. Cached."""
        ...

    def create(self, spec: ContainerSpec) -> str:
        """Create a container, never start it; returns its id. A taken name raises Conflict.

        All joins are in place and all files put in when it returns; when it fails, nothing is left.
        """
        ...

    def start(self, container: str) -> None:
        """Start it; starting a running container does nothing."""
        ...

    def inspect(self, container: str) -> Observed:
        """Look at one container now (detailed); by id or name. Raises NotFound."""
        ...

    def list(self, stack: str) -> Sequence[Observed]:
        """All containers of a stack, stopped and one-off ones too, ordered by service then number.

        One call to the engine where it can do so: summaries (detailed False) are enough.
        """
        ...

    def stop(self, container: str, grace: float | None = None) -> None:
        """Stop with the declared signal, kill after `grace` seconds (None: as declared, else 10).

        Something already stopped or gone is success.
        """
        ...

    def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it; running ones raise Conflict unless `force`. `volumes` takes its anonymous ones too.

        Something gone is success.
        """
        ...

    def close(self) -> None:
        """Let go of connections and threads."""
        ...


@runtime_checkable
class Stacks(Protocol):
    """Engines that tell which stacks they hold."""

    def everywhere(self) -> Sequence[Observed]:
        """All containers that carry any stack's label, as `list` gives them, stack by stack."""
        ...


class ProcessTable(Record, kw_only=True):
    """The processes of one container as rows under titles, both in the engine's own words."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@runtime_checkable
class Processes(Protocol):
    """Engines that tell which processes run in a container."""

    def processes(self, container: str) -> ProcessTable:
        """Tell them now, with their pids on the engine's machine; one that does not run raises Conflict."""
        ...


@runtime_checkable
class Networks(Protocol):
    """Networks of a stack."""

    def networks(self, stack: str) -> Sequence[NetworkSeen]:
        """Those that carry the stack's label."""
        ...

    def network(self, name: str) -> NetworkSeen | None:
        """One by its engine name, whoever owns it."""
        ...

    def create_network(self, network: Network, labels: Mapping[str, str]) -> None:
        """Create it; a taken name raises Conflict."""
        ...

    def remove_network(self, name: str) -> None:
        """Remove it; gone is success, in use raises Conflict."""
        ...


@runtime_checkable
class Volumes(Protocol):
    """Named volumes."""

    def volumes(self, stack: str) -> Sequence[VolumeSeen]:
        """Those that carry the stack's label."""
        ...

    def volume(self, name: str) -> VolumeSeen | None:
        """One by its engine name, whoever owns it."""
        ...

    def create_volume(self, volume: Volume, labels: Mapping[str, str]) -> None:
        """Create it; creating an existing one raises Conflict."""
        ...

    def remove_volume(self, name: str) -> None:
        """Remove it; gone is success, in use raises Conflict."""
        ...


@runtime_checkable
class Images(Protocol):
    """Images: look, pull, build, remove."""

    def image(self, reference: str) -> ImageSeen | None:
        """The local image of that reference or id, if there is one."""
        ...

    def images(self) -> Mapping[str, str]:
        """All local references ("name:tag", as the engine prints them) to image ids, in one call."""
        ...

    def pull(self, reference: str, platform: str | None, progress: Callable[[PullProgress], None]) -> None:
        """Pull it; NotFound if the registry has none, Rejected if it refuses us."""
        ...

    def build(
        self, tag: str, build: Build, labels: Mapping[str, str], progress: Callable[[str], None]
    ) -> str:
        """Build and tag an image; returns its id. `progress` gets the build's output line by line."""
        ...

    def remove_image(self, reference: str) -> None:
        """Remove it; gone is success, in use raises Conflict."""
        ...


@runtime_checkable
class ImageIds(Protocol):
    """Engines that pull by themselves what they run, and tell which image some names mean now."""

    def image_ids(self, references: Collection[str]) -> Mapping[str, str]:
        """Return the ids of those that can be told, "" for one that does not exist; the others are left out.

        Raises Conflict for a name that several images have.
        """
        ...


@runtime_checkable
class Saves(Protocol):
    """Engines that give their images away as archives."""

    def save_image(self, reference: str) -> Iterator[bytes]:
        """Yield the archive that docker save writes; NotFound for an image that is not here.

        Closing the iterator ends it.
        """
        ...


class Changes(Record, kw_only=True):
    """What a plan will make and take away.

    `containers` has the service of each one to be made, with the targets of the anonymous volumes that it
    takes over; `leaving` the ids of those to be removed, `networks_leaving` the names of such networks.
    """

    stack: str
    containers: tuple[tuple[Service, tuple[str, ...]], ...] = ()
    leaving: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    networks_leaving: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()


@runtime_checkable
class Foresees(Protocol):
    """Engines that tell beforehand what they would refuse: quotas, and names of things that must be there."""

    def objections(self, changes: Changes) -> Sequence[Fault]:
        """Return what stands in the way; what cannot be found out is left out, so none is no promise."""
        ...


class Subscription(Protocol):
    """A running event stream."""

    def close(self) -> None:
        """Stop it; returns once its thread has ended or cannot call the sink any more."""
        ...


@runtime_checkable
class EventSource(Protocol):
    """A stream of hints."""

    def events(
        self,
        stack: str,
        sink: Callable[[Hint], None],
        *,
        since: float | None = None,
        until: float | None = None,
    ) -> Subscription:
        """Call `sink` from one reader thread for each event of the stack's containers.

        Events from the moment this returns on are not lost while the engine answers; a broken stream
        reconnects by itself. Exec events are not reported. `since` and `until` are engine times in
        seconds; with `until` the stream ends by itself (the sink gets action "end").
        """
        ...


@runtime_checkable
class LogSource(Protocol):
    """Logs of a container."""

    def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        until: float | None = None,
        timestamps: bool = False,
    ) -> Iterator[LogLine]:
        """Lines in order; with `follow` until the container ends. Closing the iterator closes the stream."""
        ...


@runtime_checkable
class ExecProbe(Protocol):
    """Commands inside a running container."""

    def execute(
        self,
        container: str,
        command: Sequence[str],
        *,
        timeout: float,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        working_dir: str | None = None,
        privileged: bool = False,
    ) -> ExecResult:
        """Run to the end; DriverTimeout after `timeout` seconds (it may still run inside)."""
        ...


class Session(Record, kw_only=True):
    """How an interactive or attached command is to run. Streams are file descriptors of ours."""

    unshown = ("environment",)

    tty: bool = False
    stdin: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    working_dir: str | None = None
    privileged: bool = False
    detach: bool = False


@runtime_checkable
class Terminal(Protocol):
    """Commands and containers attached to our own stdin, stdout, stderr."""

    def execute_attached(self, container: str, command: Sequence[str], session: Session) -> int:
        """Run a command with our streams joined to it; returns its exit code (0 at once if detached)."""
        ...

    def start_attached(self, container: str, session: Session) -> int:
        """Attach, start the container, join our streams until it ends; returns its exit code."""
        ...


@runtime_checkable
class Signals(Protocol):
    """Signals, pausing, renaming."""

    def kill(self, container: str, signal: str) -> None:
        """Send a signal; a container that does not run raises Conflict."""
        ...

    def pause(self, container: str) -> None:
        """Freeze it; paused already is success."""
        ...

    def unpause(self, container: str) -> None:
        """Thaw it; running already is success."""
        ...


@runtime_checkable
class Reserves(Protocol):
    """Engines where containers have addresses before they exist: each can be told of all at its creation."""

    def reserve(self, coming: Sequence[ContainerSpec]) -> Collection[str]:
        """Make ready the places of containers that are about to be created; returns the names of who has one.

        Of each only name, service and networks count; who joins a network that is not there yet is left for
        another call.
        """
        ...

    def release(self, names: Collection[str]) -> None:
        """Give back the places of those that were not created after all."""
        ...

    def vacate(self, stack: str) -> None:
        """Remove what an attempt that was ended made ready for a stack, if the stack has no container."""
        ...


@runtime_checkable
class Renames(Protocol):
    """Renaming, which lets a replacement be made before the old one goes."""

    def rename(self, container: str, name: str) -> None:
        """Rename it; a taken name raises Conflict."""
        ...


@runtime_checkable
class Listeners(Protocol):
    """Engines that tell by themselves which ports a container listens on."""

    def listening(self, container: str) -> frozenset[PortKey]:
        """Ports bound on an address that others can reach, now."""
        ...


@runtime_checkable
class Capable(Protocol):
    """Engines that tell what they do with each attribute of the language."""

    def capabilities(self) -> Table:
        """Return the table of all attributes that are an engine's to carry out. Works without the engine."""
        ...

    def findings(self, stack: Stack) -> Sequence[Finding]:
        """What the stack asks for in vain here. What is refused fails the plan, what is ignored it tells."""
        ...


@runtime_checkable
class Doors(Protocol):
    """Engines whose networks only they can enter: an address of theirs means nothing, or a stranger, here."""

    def stream_socket(self, container: str, family: int) -> socket:
        """Return a fresh TCP socket (AF_INET or AF_INET6) that reaches the container by its own addresses."""
        ...


@runtime_checkable
class Admits(Protocol):
    """Engines whose published ports refuse until the engine has seen the container's own ports bound."""

    def admit(self, container: str) -> None:
        """Look now: whatever the container has bound by this moment accepts by its published port on return.

        Something that does not run is success; gone raises NotFound.
        """
        ...


@runtime_checkable
class Waits(Protocol):
    """Waiting for the end."""

    def wait(self, container: str, timeout: float | None = None) -> int:
        """Block until it does not run; returns its exit code. DriverTimeout after `timeout` seconds."""
        ...


@runtime_checkable
class Copies(Protocol):
    """Files of containers, running or stopped. Paths are absolute and mean what they mean inside.

    All raise NotFound for a path or container that is not there.
    """

    def look(self, container: str, path: str) -> PathSeen:
        """Tell what lies at a path."""
        ...

    def get_archive(self, container: str, path: str) -> Iterator[bytes]:
        """Yield a tar of what lies at a path and below; its entries begin with the path's last part.

        Closing the iterator ends the copying.
        """
        ...

    def put_archive(self, container: str, folder: str, stream: IO[bytes]) -> None:
        """Unpack a tar into a folder that exists, read to its end, with the owners that it tells.

        A folder is never replaced by a file, nor a file by a folder: Rejected.
        """
        ...


@runtime_checkable
class VirtualTime(Protocol):
    """Engines whose clock is ours to move: simulations and tests."""

    def now(self) -> float:
        """Seconds since the simulation began."""
        ...

    def advance(self, until: float) -> None:
        """Move the clock forward to `until`; what was due by then has happened."""
        ...

    def next_event(self) -> float | None:
        """When the next scripted thing happens, if anything is due."""
        ...

    def latency(self, verb: str, container: str) -> float:
        """How long the call (create, start, stop, remove, execute) takes, in virtual seconds."""
        ...
