"""Open network namespaces and their socket tables: one reading a namespace and tick, whoever asks.

A socket opened inside a namespace keeps it alive, so it is closed as soon as the last container that
was read through it is forgotten; at most `limit` stay open.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from zun_compose.linux import sock_diag
from zun_compose.linux.proc import network_namespace
from zun_compose.observe.process import Process, read_counts, read_tables
from zun_compose.observe.table import Bound, Table, parse

_log = logging.getLogger(__name__)

OPEN_NAMESPACES = 256
SHARED_FOR = 0.002
# The text tables cost milliseconds; while the kernel's counts of sockets stand still they are kept this long.
KEPT_WHILE_QUIET = 0.25


class Vanished(Exception):
    """The process ended while its table was read; never leaves this package."""


class Namespaces:
    """Tables by namespace. Safe from several threads; readings within `SHARED_FOR` seconds are one."""

    def __init__(self, limit: int = OPEN_NAMESPACES, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._own = network_namespace()
        self._open: OrderedDict[object, _Namespace] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def own(self) -> int | None:
        """The inode of the network namespace that we run in."""
        return self._own

    @property
    def opened(self) -> int:
        """How many sockets are held open in namespaces."""
        with self._lock:
            return sum(namespace.opened for namespace in self._open.values())

    def table(self, process: Process) -> Table:
        """Return the sockets of the process's namespace, at most `SHARED_FOR` old. Raises Vanished."""
        key = self._key(process)
        dropped: list[_Namespace] = []
        with self._lock:
            namespace = self._open.pop(key, None) or _Namespace(own=process.namespace == self._own)
            self._open[key] = namespace
            while len(self._open) > self._limit:
                dropped.append(self._open.popitem(last=False)[1])
        for old in dropped:
            old.close()
        return namespace.read(process, self._clock)

    def forget(self, process: Process) -> None:
        """Let the namespace of a process go; it is opened again if another process asks."""
        with self._lock:
            namespace = self._open.pop(self._key(process), None)
        if namespace is not None:
            namespace.close()

    def close(self) -> None:
        """Close all sockets."""
        with self._lock:
            namespaces = list(self._open.values())
            self._open.clear()
        for namespace in namespaces:
            namespace.close()

    @staticmethod
    def _key(process: Process) -> object:
        # Without the right to see the inode, processes of one namespace cannot be told to share it.
        return (process.pid, process.start) if process.namespace is None else process.namespace


class _Namespace:
    """One namespace: its socket once opened, and its last table."""

    def __init__(self, *, own: bool) -> None:
        self._own = own
        self._lock = threading.Lock()
        self._diag: sock_diag.Diag | None = None
        self._denied = False
        self._closed = False
        self._table = Table()
        self._taken = float("-inf")
        self._counts = ""

    @property
    def opened(self) -> bool:
        return self._diag is not None

    def read(self, process: Process, clock: Callable[[], float]) -> Table:
        with self._lock:
            began = clock()
            if began - self._taken <= SHARED_FOR:
                return self._table
            table = self._by_netlink(process)
            if table is None:
                table = self._by_proc(process, began)
            if table is not self._table:
                self._table, self._taken = table, began
            if self._closed:
                self._shut()  # it was let go while we waited for our turn
            return table

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._shut()

    def _shut(self) -> None:
        if self._diag is not None:
            self._diag.close()
            self._diag = None
        self._taken = float("-inf")

    def _by_netlink(self, process: Process) -> Table | None:
        if self._denied:
            return None
        try:
            if self._diag is None:
                self._diag = self._connect(process)
            return Table(sockets=tuple(map(Bound.told, self._diag.dump())), source="netlink")
        except OSError as error:
            self._shut()
            if not process.alive:
                raise Vanished from error
            _log.debug("no socket diagnosis for process %d: %s", process.pid, error)
            self._denied = True
            return None

    def _connect(self, process: Process) -> sock_diag.Diag:
        if self._own:
            return sock_diag.connect_here()
        if process.namespace is None:
            raise PermissionError("the namespace is not ours to see")
        diag = sock_diag.connect_in(process.pid, process.namespace)
        if not process.alive:
            diag.close()
            raise ProcessLookupError(process.pid)
        return diag

    def _by_proc(self, process: Process, began: float) -> Table:
        try:
            counts = read_counts(process.pid)
            quiet = bool(counts) and counts == self._counts and began - self._taken <= KEPT_WHILE_QUIET
            text = "" if quiet else read_tables(process.pid)
        except OSError as error:
            raise Vanished from error
        if not process.alive:
            raise Vanished
        if quiet:
            return self._table
        self._counts = counts
        return Table(sockets=parse(text)[0], source="proc")
