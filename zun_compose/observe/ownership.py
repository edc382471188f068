"""Whose a socket is, in a network namespace that several containers or the machine itself share.

A socket counts for a container if one of its processes holds it. Where /proc does not let us look,
only the order of events is left: what was bound before the container started is not its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

from zun_compose.linux.proc import everyone, network_namespace
from zun_compose.observe.process import Process, held, members
from zun_compose.observe.table import Bound
from zun_compose.record import Mutable, Record, field


class Shares(Record, kw_only=True):
    """Sockets sorted by owner: the container's `own`, `others`', and those that could not be told."""

    own: tuple[Bound, ...] = ()
    others: tuple[Bound, ...] = ()
    untold: tuple[Bound, ...] = ()


class Owner(Mutable):
    """Remembers for one container which sockets were found to be its own. Safe from several threads."""

    container: str
    process: Process
    _own: set[int] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def sort(self, sockets: Iterable[Bound], *, shared: bool) -> Shares:
        """Sort sockets of the container's namespace by who holds them.

        In a namespace that is not `shared` as far as is known, a socket is only denied to the container
        when another process is found to hold it, such as a sidecar that nobody told us of.
        """
        rows = tuple(sockets)
        inodes = frozenset(row.inode for row in rows)
        with self._lock:
            self._own &= inodes
            known = frozenset(self._own)
        fresh = inodes - known
        if not fresh:
            return Shares(own=rows)
        mine, readable = held(members(self.process, self.container), fresh)
        others: frozenset[int] = frozenset()
        if shared:
            others = fresh - mine if readable else others
        else:
            # Even here a socket is not looked at again once it has been given to the container.
            others = self._elsewhere(fresh - mine) if readable and fresh - mine else others
            mine = fresh - others
        with self._lock:
            self._own |= mine
        mine |= known
        untold = inodes - mine - others if shared else frozenset()
        return Shares(
            own=tuple(row for row in rows if row.inode in mine),
            others=tuple(row for row in rows if row.inode in others),
            untold=tuple(row for row in rows if row.inode in untold),
        )

    def _elsewhere(self, inodes: frozenset[int]) -> frozenset[int]:
        """Which of these sockets some other process of the same namespace holds."""
        own = set(members(self.process, self.container))
        space = self.process.namespace
        rest = (pid for pid in everyone() if pid not in own and network_namespace(pid) == space)
        return held(rest, inodes)[0]
