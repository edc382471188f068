"""Reads which ports a container listens on, by the best way that this machine and its engine allow.

In this order: the engine's own word, the kernel's table of the container's network namespace, the
same table read inside the container, a TCP connection to the container's address. A published port
that accepts on the machine proves nothing: Docker's proxy accepts before the container does.
"""

from __future__ import annotations

import threading

from zun_compose.container import Observed, PortKey, State
from zun_compose.driver import Doors, Driver, EngineInfo, ExecProbe, Listeners
from zun_compose.errors import DriverError
from zun_compose.observe import inside
from zun_compose.observe.kernel import KernelReader, shared_mode
from zun_compose.observe.namespaces import Vanished
from zun_compose.observe.process import in_kernel
from zun_compose.record import replace
from zun_compose.sighting import SocketReading

_OBSERVABLE = frozenset({"tcp", "udp"})
_RUNS = frozenset({State.RUNNING, State.PAUSED})


class SocketReader:
    """Reads the sockets of containers. Safe from several threads; `close` it at the end.

    `connect` tells whether container addresses mean the same machines from here as for the engine
    (None: yes if the engine is local); only then is anything learnt by connecting to them.
    """

    def __init__(self, driver: Driver, info: EngineInfo, *, connect: bool | None = None) -> None:
        self._driver = driver
        self._info = info
        self._connect = (info.local and not isinstance(driver, Doors)) if connect is None else connect
        self._kernel = KernelReader(driver)
        self._mute: dict[str, str | None] = {}
        self._lock = threading.Lock()

    def read(self, observed: Observed, wanted: frozenset[PortKey]) -> SocketReading:
        """Look at one container now. Raises nothing: `note` says what stood in the way.

        With `wanted` ports only these are sure to be told (and paid for); without any, all ports are.
        """
        if observed.state not in _RUNS:
            return self._at_rest(observed)
        if isinstance(self._driver, Listeners):
            reading = self._by_engine(self._driver, observed)
        else:
            reading = self._look(observed, wanted)
        deaf = sorted(key for key in wanted if key.protocol not in _OBSERVABLE)
        if deaf:
            names = ", ".join(map(str, deaf))
            reading = replace(reading, note=_joined(f"{names} cannot be observed", reading.note))
        return reading

    def glance(self, observed: Observed) -> SocketReading:
        """Look at all that a container has bound, if that is cheap and sure: in a network of its own."""
        if observed.state not in _RUNS or any(shared_mode(observed)):
            return SocketReading()
        if isinstance(self._driver, Listeners):
            return self._by_engine(self._driver, observed)
        return self._by_kernel(observed, frozenset())

    def baseline(self, observed: Observed | None) -> None:
        """Remember what is bound now in a shared namespace, before a container starts there.

        `observed` is the container that is about to start; None stands for the machine's own namespace and
        serves all containers that start later and have no baseline of their own. It only counts where
        /proc does not tell whose a socket is. Reading a container that does not run does the same.
        """
        if isinstance(self._driver, Listeners) or not self._info.local:
            return
        if observed is None:
            self._kernel.remember_host()
        else:
            self._kernel.remember(observed)

    def endpoints(self, observed: Observed, key: PortKey) -> tuple[str, ...]:
        """Addresses at which the container is bound to a port, to be used inside its own namespace.

        Empty if it is not bound, or if its table cannot be read from here.
        """
        return self._kernel.endpoints(observed, key) if observed.state in _RUNS else ()

    def attributed(self, observed: Observed) -> bool:
        """Whether the kernel's table of the container's namespace can be read from here."""
        return self._kernel.owner(observed) is not None

    def in_our_network(self, observed: Observed) -> bool:
        """Whether the container runs in the network namespace that we run in."""
        return self._kernel.in_our_network(observed)

    def forget(self, container_id: str) -> None:
        """Let go of all that is held for a container; it may be read again later."""
        with self._lock:
            self._mute.pop(container_id, None)
        self._kernel.forget(container_id)

    def close(self) -> None:
        """Let go of everything."""
        self._kernel.close()

    def _at_rest(self, observed: Observed) -> SocketReading:
        """Nothing of it runs, so nothing listens; what others hold meanwhile is not its own later."""
        self._kernel.rest(observed.id)
        self.baseline(observed)
        return SocketReading(complete=True, note=f"the container is {observed.state}")

    @staticmethod
    def _by_engine(driver: Listeners, observed: Observed) -> SocketReading:
        try:
            ports = driver.listening(observed.id)
        except DriverError as error:
            return SocketReading(source="engine", note=str(error))
        return SocketReading(listening=ports, complete=True, source="engine")

    def _look(self, observed: Observed, wanted: frozenset[PortKey]) -> SocketReading:
        reading = self._by_kernel(observed, wanted)
        if reading.complete or (wanted and wanted <= reading.listening):
            return reading
        if self._kernel.believed and self._in_kernel(observed):
            return reading  # nothing to ask inside: its process has ended, and the next look will tell
        reading, answered = self._by_command(observed, reading)
        missing = wanted - reading.listening
        if missing and not answered and self._connect and not any(shared_mode(observed)):
            found = inside.by_connecting(inside.addresses(observed), missing)
            reading = _merged(reading, found)
        return reading

    def _by_kernel(self, observed: Observed, wanted: frozenset[PortKey]) -> SocketReading:
        owner = self._kernel.owner(observed)
        if owner is None:
            return SocketReading(note="the engine's pid is not a process of this container here")
        try:
            reading = self._kernel.look(observed, owner, wanted)
        except Vanished:
            return SocketReading(note="the container's process has just ended")
        return replace(reading, complete=self._in_kernel(observed))

    def _by_command(self, observed: Observed, reading: SocketReading) -> tuple[SocketReading, bool]:
        """Add what the container's own table says, and whether it said anything."""
        with self._lock:
            mute = observed.id in self._mute and self._mute[observed.id] == observed.started_at
        if mute or not isinstance(self._driver, ExecProbe):
            return reading, False
        try:
            found = inside.by_command(self._driver, observed)
        except DriverError as error:
            return replace(reading, note=_joined(reading.note, str(error))), False
        if found is None:
            # An image without `cat` will not grow one before the container starts anew.
            with self._lock:
                self._mute[observed.id] = observed.started_at
            return reading, False
        complete = found.complete and self._in_kernel(observed)
        return _merged(reading, replace(found, complete=complete)), True

    def _in_kernel(self, observed: Observed) -> bool:
        return in_kernel(observed.runtime or self._info.default_runtime)


def _merged(first: SocketReading, second: SocketReading) -> SocketReading:
    """Join two looks at one container: each yes counts, the later look names the source."""
    listening = first.listening | second.listening
    sure = (first.listening - first.unattributed) | (second.listening - second.unattributed)
    return SocketReading(
        listening=listening,
        loopback=(first.loopback | second.loopback) - listening,
        foreign=(first.foreign | second.foreign) - listening,
        unattributed=listening - sure,
        complete=first.complete or second.complete,
        source=second.source if second.source != "none" else first.source,
        note=second.note if second.source != "none" else _joined(first.note, second.note),
    )


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
