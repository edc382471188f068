"""Reads a container's sockets from the kernel's tables, where the engine's pid is really the container's.

Keeps for each container its checked process and what was bound before it started; decides whose a
socket is, never what that means for a gate.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict

from zun_compose.container import Observed, PortKey
from zun_compose.driver import Driver
from zun_compose.errors import DriverError
from zun_compose.linux.proc import network_namespace, start_time
from zun_compose.observe.namespaces import Namespaces, Vanished
from zun_compose.observe.ownership import Owner, Shares
from zun_compose.observe.process import Process, trusted
from zun_compose.record import Mutable, Record, replace
from zun_compose.sighting import SocketReading

_REMEMBERED = 20_000


class Before(Record, kw_only=True):
    """Sockets that were bound at the moment `taken` (clock ticks since boot) in a shared namespace."""

    inodes: frozenset[int] = frozenset()
    taken: int = 0

    def counts_for(self, process: Process) -> bool:
        """Whether the process started after this was taken, so that nothing in it can be its own."""
        return bool(self.inodes) and process.start > self.taken


class _Known(Mutable):
    """What is remembered of one container between two readings."""

    owner: Owner | None = None
    before: Before = Before()


class KernelReader:
    """Kernel tables by container. Safe from several threads.

    `believed` turns True with the first pid of the engine's that was found to be its container's.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._namespaces = Namespaces()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._living: dict[int, dict[str, Process]] = {}
        self._lock = threading.Lock()
        self._host_before = Before()
        self.believed = False

    def owner(self, observed: Observed) -> Owner | None:
        """Return the container's checked process; None if the engine's pid is not its process here."""
        known = self._of(observed.id)
        owner = known.owner
        if owner is not None:
            # While its first process lives a container has no other, whatever an older look said.
            if owner.process.alive:
                return owner
            known.owner = None
            self._release(observed.id, owner.process)
        pid = observed.pid
        if not pid and not observed.detailed:
            pid = self._claimed(observed.id)
        process = trusted(pid, observed.id)
        if process is None and pid and self.believed:
            # The engine's pids are good here, so this one is of an earlier life.
            process = trusted(self._claimed(observed.id), observed.id)
        if process is not None:
            self.believed = True
            known.owner = Owner(container=observed.id, process=process)
            self._settle(observed.id, process)
        return known.owner

    def look(self, observed: Observed, owner: Owner, wanted: frozenset[PortKey]) -> SocketReading:
        """Read the table of the container's namespace and keep what is the container's. Raises Vanished."""
        shares, source = self._sorted(observed, owner, wanted)
        taken = sorted({row.key for row in shares.others if not row.loopback})
        names = ", ".join(map(str, taken))
        return replace(
            self._told(observed.id, owner.process, shares),
            source=source,
            note=f"{names} is held by another process of the shared network" if names else "",
        )

    def endpoints(self, observed: Observed, key: PortKey) -> tuple[str, ...]:
        """Addresses at which the container is bound to a port, as its own namespace reaches them."""
        owner = self.owner(observed)
        if owner is None:
            return ()
        try:
            shares, _ = self._sorted(observed, owner, frozenset({key}))
        except Vanished:
            return ()
        return tuple(row.dial for row in (*shares.own, *shares.untold) if row.key == key)

    def in_our_network(self, observed: Observed) -> bool:
        """Whether the container runs in the network namespace that we run in."""
        owner = self.owner(observed)
        return owner is not None and owner.process.namespace == self._namespaces.own is not None

    def remember_host(self) -> None:
        """Remember what is bound in our own namespace now, for the containers that start after this."""
        self._host_before = self._before(_ourselves())

    def remember(self, observed: Observed) -> None:
        """Remember what is bound now in the namespace that a container is going to share."""
        mode, target = shared_mode(observed)
        if mode == "host":
            self._of(observed.id).before = self._before(_ourselves())
        elif target:
            self._of(observed.id).before = self._before(self._process_of(target))

    def forget(self, container: str) -> None:
        """Let go of all that is held for a container."""
        with self._lock:
            known = self._known.pop(container, None)
        if known is not None and known.owner is not None:
            self._release(container, known.owner.process)

    def rest(self, container: str) -> None:
        """The container does not run: let its namespace go, keep what was bound before its next start."""
        known = self._of(container)
        owner, known.owner = known.owner, None
        if owner is not None:
            self._release(container, owner.process)

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._known.clear()
            self._living.clear()
        self._namespaces.close()

    def _of(self, container: str) -> _Known:
        with self._lock:
            known = self._known.pop(container, None) or _Known()
            self._known[container] = known
            while len(self._known) > _REMEMBERED:
                oldest, dropped = self._known.popitem(last=False)
                if dropped.owner is not None:
                    self._unsettle(oldest, dropped.owner.process)
        return known

    def _settle(self, container: str, process: Process) -> None:
        if process.namespace is not None:
            with self._lock:
                self._living.setdefault(process.namespace, {})[container] = process

    def _unsettle(self, container: str, process: Process) -> None:
        if process.namespace is not None:
            there = self._living.get(process.namespace, {})
            there.pop(container, None)
            if not there:
                self._living.pop(process.namespace, None)

    def _peers(self, container: str, namespace: int | None) -> bool:
        """Whether another known container lives in this namespace."""
        if namespace is None:
            return False
        with self._lock:
            there = dict(self._living.get(namespace, {}))
        return any(name != container and process.alive for name, process in there.items())

    def _release(self, container: str, process: Process) -> None:
        with self._lock:
            self._unsettle(container, process)
        if not self._peers(container, process.namespace):
            self._namespaces.forget(process)

    def _sorted(self, observed: Observed, owner: Owner, wanted: frozenset[PortKey]) -> tuple[Shares, str]:
        try:
            table = self._namespaces.table(owner.process)
        except Vanished:
            self.rest(observed.id)
            raise
        if self._shared(observed, owner.process):
            rows = (row for row in table.sockets if not wanted or row.key in wanted)
            return owner.sort(rows, shared=True), table.source
        # What holds no gate needs no owner: loopback sockets, and ports that nobody asked for.
        asked = [row for row in table.sockets if not row.loopback and (not wanted or row.key in wanted)]
        rest = [row for row in table.sockets if row.loopback or (wanted and row.key not in wanted)]
        shares = owner.sort(asked, shared=False)
        return replace(shares, own=(*shares.own, *rest)), table.source

    def _shared(self, observed: Observed, process: Process) -> bool:
        if any(shared_mode(observed)):
            return True
        if process.namespace is None:
            return False
        return process.namespace == self._namespaces.own or self._peers(observed.id, process.namespace)

    def _told(self, container: str, process: Process, shares: Shares) -> SocketReading:
        own_before = self._of(container).before
        before = own_before if own_before.counts_for(process) else self._host_before
        earlier = before.inodes if before.counts_for(process) else frozenset()
        untold = [row for row in shares.untold if row.inode not in earlier]
        own = frozenset(row.key for row in shares.own if not row.loopback)
        unattributed = frozenset(row.key for row in untold if not row.loopback) - own
        listening = own | unattributed
        return SocketReading(
            listening=listening,
            loopback=frozenset(row.key for row in (*shares.own, *untold) if row.loopback) - listening,
            foreign=frozenset(row.key for row in shares.untold if row.inode in earlier) - listening,
            unattributed=unattributed,
        )

    def _before(self, process: Process | None) -> Before:
        taken = int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))
        if process is None:
            return Before()
        try:
            table = self._namespaces.table(process)
        except Vanished:
            return Before()
        return Before(inodes=frozenset(row.inode for row in table.sockets), taken=taken)

    def _process_of(self, container: str) -> Process | None:
        try:
            observed = self._driver.inspect(container)
        except DriverError:
            return None
        return trusted(observed.pid, observed.id)

    def _claimed(self, container: str) -> int | None:
        try:
            return self._driver.inspect(container).pid
        except DriverError:
            return None


def shared_mode(observed: Observed) -> tuple[str, str]:
    """Return ("host", ""), ("", the other container or service), or ("", "") for a network of its own."""
    mode, _, target = observed.network_mode.partition(":")
    if mode == "host":
        return "host", ""
    return "", target if mode in ("container", "service") else ""


def _ourselves() -> Process | None:
    pid = os.getpid()
    start = start_time(pid)
    return None if start is None else Process(pid=pid, start=start, namespace=network_namespace())
