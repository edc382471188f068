"""Finds the way to a port of a container: its own address, never a published one that a proxy answers."""

from __future__ import annotations

import errno
import threading
import time
from collections import OrderedDict

from zun_compose.container import Observed, PortKey
from zun_compose.driver import Driver, EngineInfo
from zun_compose.errors import DriverError
from zun_compose.observe.inside import addresses
from zun_compose.observe.kernel import shared_mode
from zun_compose.observe.sockets import SocketReader
from zun_compose.record import Record
from zun_compose.sighting import Answer

_REMEMBERED = 4096
# A network that is still being set up is no way either, so the direct way is tried again after a while.
_CUT_OFF_FOR = 10.0
_HOPELESS = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class Route(Record, kw_only=True):
    """Where to ask. `inside` means from within the container; `refusal` is an answer already."""

    addresses: tuple[str, ...] = ()
    inside: bool = False
    refusal: Answer | None = None


class Reach:
    """Routes to containers. Safe from several threads."""

    def __init__(
        self, driver: Driver, info: EngineInfo, reader: SocketReader, *, connect: bool | None = None
    ) -> None:
        self._driver = driver
        self._reader = reader
        self._connect = info.local if connect is None else connect
        self._cut_off: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def route(self, observed: Observed, port: int) -> Route:
        """Return the way to a TCP port of a running container."""
        mode, target = shared_mode(observed)
        if mode or target:
            return self._shared(observed, port, target)
        return self._direct(observed.id, addresses(observed))

    def _shared(self, observed: Observed, port: int, target: str) -> Route:
        """Somebody else may answer at a port of a shared network; that would prove nothing."""
        joined = self._joined(target) if target else ()
        if not self._reader.attributed(observed):
            return Route(addresses=joined, inside=True)
        ends = self._reader.endpoints(observed, PortKey(port))
        if not ends:
            return Route(refusal=Answer(ok=False, text=f"the container does not listen on {port}/tcp"))
        if self._reader.in_our_network(observed):
            return Route(addresses=ends)
        return self._direct(observed.id, joined) if joined else Route(addresses=ends, inside=True)

    def _direct(self, container: str, own: tuple[str, ...]) -> Route:
        with self._lock:
            cut_off = time.monotonic() < self._cut_off.get(container, 0.0)
        return Route(addresses=own, inside=cut_off or not own or not self._connect)

    def unreachable(self, container: str) -> None:
        """Remember that a container's addresses cannot be reached from here (macvlan, overlay)."""
        with self._lock:
            self._cut_off[container] = time.monotonic() + _CUT_OFF_FOR
            while len(self._cut_off) > _REMEMBERED:
                self._cut_off.popitem(last=False)

    def forget(self, container: str) -> None:
        """Drop what is remembered of a container."""
        with self._lock:
            self._cut_off.pop(container, None)

    @staticmethod
    def hopeless(error: OSError) -> bool:
        """Whether a failure says nothing about the container, only that there is no way to it."""
        return error.errno in _HOPELESS

    def _joined(self, target: str) -> tuple[str, ...]:
        """Addresses of the container whose network is shared."""
        try:
            return addresses(self._driver.inspect(target))
        except DriverError:
            return ()
