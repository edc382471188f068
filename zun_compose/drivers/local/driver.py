"""The driver as a whole: who the engine is, and all capabilities joined over one home."""

from __future__ import annotations

import platform
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

from zun_compose import __version__
from zun_compose.capability import Finding, Table
from zun_compose.container import Hint
from zun_compose.driver import EngineInfo, Subscription
from zun_compose.drivers.local import keepers
from zun_compose.drivers.local.copies import Copies
from zun_compose.drivers.local.execute import Commands
from zun_compose.drivers.local.hints import Reader
from zun_compose.drivers.local.home import Home
from zun_compose.drivers.local.logs import Logs
from zun_compose.drivers.local.look import RUNTIME
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.drivers.local.pictures import Pictures
from zun_compose.drivers.local.resolve import Resolver
from zun_compose.drivers.local.resources import NetworksAndVolumes
from zun_compose.model import Service, Stack

_PLAIN = (
    "without isolation, services are plain processes of yours: they share the machine's files and network, "
    "and find each other at 127.0.0.1 rather than by name"
)


class LocalDriver(Commands, Copies, NetworksAndVolumes, Pictures, Logs):
    """Containers by the kernel's namespaces alone. Safe from several threads."""

    name = "local"

    def __init__(self, home: Home, resolver: Resolver, *, isolated: bool = True) -> None:
        super().__init__(home, resolver)
        self._isolated = isolated
        self._readers: list[Reader] = []
        self._readers_lock = Lock()
        self._engine: EngineInfo | None = None

    @property
    def home(self) -> Path:
        """The folder that holds all of it."""
        return self._home.root

    def engine(self) -> EngineInfo:
        """Say who answers. Raises Unavailable where the kernel does not let us make containers."""
        if self._engine is None:
            if self._isolated:
                from zun_compose.drivers.local.probe import check

                check(self._home.proved)
            self._engine = EngineInfo(
                id=f"local:{self._home.engine}",
                driver=self.name,
                name=socket.gethostname(),
                version=f"{__version__} on Linux {platform.release()}",
                default_runtime=RUNTIME,
                copies_files=True,
                warnings=() if self._isolated else (_PLAIN,),
            )
        return self._engine

    def capabilities(self) -> Table:
        """Return the table, which depends on whether there is isolation, and on the control groups."""
        from zun_compose.drivers.local import cgroups
        from zun_compose.drivers.local.capabilities import capabilities

        return capabilities(isolated=self._isolated, limits=cgroups.kept())

    def findings(self, stack: Stack) -> Sequence[Finding]:
        """What the stack asks for in vain; what is to be built may be here already."""
        from zun_compose.drivers.local.refusals import asked_in_vain, is_build

        return [
            found
            for found in asked_in_vain(stack, isolated=self._isolated)
            if not is_build(found) or self._absent(stack, stack.services[found.service])
        ]

    def _absent(self, stack: Stack, service: Service) -> bool:
        return self.store.resolve(service.image or f"{stack.name}-{service.name}") is None

    def events(
        self,
        stack: str,
        sink: Callable[[Hint], None],
        *,
        since: float | None = None,
        until: float | None = None,
    ) -> Subscription:
        """Follow the stack's container events from now (or `since`) on."""
        reader = Reader(self._home, stack, sink, since=since, until=until)
        with self._readers_lock:
            self._readers = [one for one in self._readers if one.alive] + [reader]
        return reader

    def stream_socket(self, container: str, family: int) -> socket.socket:
        """Return a fresh TCP socket of the network that the container is in: its stack's or the machine's."""
        blueprint = Blueprint.load(self._home.find(container))
        if keepers.mode_of(blueprint.network_mode, isolated=blueprint.isolated) == keepers.HOST:
            return socket.socket(family, socket.SOCK_STREAM)
        return keepers.borrow(self._home, blueprint.stack, family)

    def close(self) -> None:
        """End event streams, and wait for keepers that are just starting."""
        self._foresight.close()
        with self._readers_lock:
            readers, self._readers = self._readers, []
        for reader in readers:
            reader.close()
