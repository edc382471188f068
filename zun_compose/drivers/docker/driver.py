"""The driver as a whole: who the engine is, and all capabilities joined over one wire."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from threading import Lock

from zun_compose.capability import Finding, Table
from zun_compose.container import Hint
from zun_compose.driver import EngineInfo, Subscription
from zun_compose.drivers.docker.containers import Containers
from zun_compose.drivers.docker.copies import Copies
from zun_compose.drivers.docker.events import Reader
from zun_compose.drivers.docker.execute import Commands
from zun_compose.drivers.docker.images import Images
from zun_compose.drivers.docker.logs import Logs
from zun_compose.drivers.docker.networks import NetworksAndVolumes
from zun_compose.drivers.docker.terminal import Terminals
from zun_compose.drivers.docker.wire import Wire
from zun_compose.errors import DriverTimeout, Unavailable
from zun_compose.model import Stack


class DockerDriver(Containers, Copies, NetworksAndVolumes, Images, Logs, Commands, Terminals):
    """All that the Docker Engine can do for zun-compose. Safe from several threads."""

    name = "docker"

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._readers: list[Reader] = []
        self._readers_lock = Lock()
        self._engine: EngineInfo | None = None

    def engine(self) -> EngineInfo:
        """Say who answers; costs the one call that also settles the API version."""
        if self._engine is None:
            self._engine = self._ask()
        return self._engine

    def _ask(self) -> EngineInfo:
        engine = self._wire.engine
        info = engine.info
        podman = engine.server.startswith("Libpod")
        name = str(info.get("Name") or "")
        version = str(info.get("ServerVersion") or "")
        return EngineInfo(
            # Podman invents a new id for each answer; its store on its host is what stays
            id=f"podman:{name}:{info.get('DockerRootDir')}" if podman else str(info.get("ID") or name),
            driver=self.name,
            name=name,
            version=f"podman {version}" if podman else version,
            local=self._wire.address.socket
            and info.get("KernelVersion") == platform.release()
            and info.get("OperatingSystem") != "Docker Desktop",
            # Podman leaves them to systemd timers, which a service without systemd has not
            runs_healthchecks=not podman,
            default_runtime=str(info.get("DefaultRuntime") or "runc"),
        )

    def events(
        self,
        stack: str,
        sink: Callable[[Hint], None],
        *,
        since: float | None = None,
        until: float | None = None,
    ) -> Subscription:
        """Follow the stack's container events from now (or `since`) on."""
        reader = Reader(self._wire, stack, sink, since=since, until=until)
        with self._readers_lock:
            self._readers = [one for one in self._readers if one.alive] + [reader]
        return reader

    def capabilities(self) -> Table:
        """Return the table for the engine's API version, or the newest if no engine answers."""
        from zun_compose.drivers.docker.capabilities import capabilities

        return capabilities(self._api())

    def findings(self, stack: Stack) -> Sequence[Finding]:
        """What the stack asks for in vain."""
        from zun_compose.drivers.docker.capabilities import asked_in_vain

        return asked_in_vain(stack, self._api())

    def _api(self) -> tuple[int, int]:
        try:
            return self._wire.api
        except (Unavailable, DriverTimeout):
            from zun_compose.drivers.docker.capabilities import NEWEST

            return NEWEST

    def close(self) -> None:
        """Close event streams and idle connections."""
        with self._readers_lock:
            readers, self._readers = self._readers, []
        for reader in readers:
            reader.close()
        self._wire.close()
