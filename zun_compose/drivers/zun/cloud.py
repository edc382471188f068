"""The connection to one cloud, made on the first call, and what all parts of the driver share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.hosts import Place
from zun_compose.errors import Conflict, DriverTimeout, NotFound
from zun_compose.labels import belongs

if TYPE_CHECKING:
    from zun_compose.openstack.connection import Connection

_T = TypeVar("_T")
_R = TypeVar("_R")

AT_ONCE = 8
"""Calls in flight, at most."""

PATIENCE = 300.0
"""Seconds until a change that Zun has begun counts as stuck; a pull of an image is part of some."""


class Cloud:
    """A cloud by its name in clouds.yaml; None for what the environment says. Safe from several threads."""

    def __init__(self, name: str | None = None, *, patience: float = PATIENCE) -> None:
        self.name = name
        self.patience = patience
        self.lock = RLock()
        self.network_names: dict[str, str] = {}
        self.logins: dict[str, tuple[str, str] | None] = {}
        """Credentials by registry, as far as they were asked for."""
        self.told: set[str] = set()
        """Registry objects that have these credentials."""
        self.empty_networks: set[str] = set()
        """Names of networks that were just made: nobody is on them yet."""
        self.coming: dict[str, Place] = {}
        """Where containers will be found that have ports and do not exist yet, by their names."""
        self._first = RLock()
        self._claimed: dict[str, str] = {}

    @cached_property
    def connection(self) -> Connection:
        """The connection. Raises Rejected for an incomplete configuration, Unsupported without the SDK."""
        with self.lock, translated("connect to the cloud"):
            from zun_compose.openstack import connect

            return connect(self.name)

    @property
    def zun(self) -> Any:
        """Zun's proxy."""
        return self.connection.container

    @property
    def neutron(self) -> Any:
        """Neutron's proxy, openstacksdk's own."""
        return self.connection.network

    @property
    def cinder(self) -> Any:
        """Cinder's proxy, openstacksdk's own."""
        return self.connection.block_storage

    @property
    def glance(self) -> Any:
        """Glance's proxy, openstacksdk's own."""
        return self.connection.image

    @property
    def own(self) -> dict[str, str]:
        """What keeps a list of Neutron's to the project's own things; an admin's has everybody's else."""
        return {"project_id": str(self.connection.current_project_id)}

    def standing(self, stack: str) -> list[Any]:
        """Return the containers of a stack as Zun lists them, without those that are gone already."""
        return [
            one
            for one in self.zun.containers()
            if one.status != "Deleted" and belongs(one.labels or {}, stack)
        ]

    def side_by_side(self, work: Callable[[_T], _R], things: Sequence[_T]) -> list[_R]:
        """Do the same call for several things, a few at once; order is kept."""
        if len(things) <= 1:
            return [work(thing) for thing in things]
        with ThreadPoolExecutor(min(AT_ONCE, len(things))) as pool:
            return list(pool.map(work, things))

    def until(
        self, look: Callable[[], _T | None], doing: str, seconds: float | None = None, *, longest: float = 0.5
    ) -> _T:
        """Look until there is an answer that is not None, and return it. Raises DriverTimeout.

        `seconds` is for how long, `longest` what the time from the begin of a look to that of the next grows
        to. Zun answers before it has done what it was asked to, and tells nobody when it has.
        """
        begun = time.monotonic()
        end = begun + (self.patience if seconds is None else seconds)
        pause = 0.05
        while True:
            answer = look()
            if answer is not None:
                return answer
            now = time.monotonic()
            if now >= end:
                raise DriverTimeout(f"cannot {doing}: Zun has not done it in time")
            # an answer that took its time was waited for: Zun holds some back while it is at work
            time.sleep(max(0.0, begun + pause - now))
            begun = time.monotonic()
            pause = min(pause * 1.3, longest)

    @contextmanager
    def claimed(self, name: str, stack: str, doing: str) -> Iterator[None]:
        """Let one of those who ask at once have a name, and keep what the stack shares while it is made.

        Raises Conflict for the others.
        """
        with self.lock:
            if name in self._claimed:
                raise Conflict(f"cannot {doing}: the name is being taken")
            self._claimed[name] = stack
        try:
            yield
        finally:
            with self.lock:
                del self._claimed[name]

    def creating(self, stack: str) -> int:
        """Return how many containers of a stack come, or are being asked for: nothing lists them yet."""
        with self.lock:
            return [*self._claimed.values(), *(place.stack for place in self.coming.values())].count(stack)

    def still_coming(self) -> Sequence[Place]:
        """Return where containers will be found that have ports and do not exist yet, by name."""
        with self.lock:
            return [self.coming[name] for name in sorted(self.coming)]

    @contextmanager
    def first_on(self, networks: Iterable[str]) -> Iterator[None]:
        """Let one container alone be the first on a new network; with two at once, Zun fails one."""
        joined = frozenset(networks)
        if joined & self.empty_networks:
            with self._first:
                if joined & self.empty_networks:
                    yield
                    self.empty_networks -= joined
                    return
        yield

    def close(self) -> None:
        """Close idle connections."""
        if "connection" in self.__dict__:
            self.connection.close()


def only(found: Iterable[Any], name: str, kind: str) -> Any | None:
    """Return the one thing of that very name among what a service found; None if there is none.

    Names are not unique in OpenStack. Raises Conflict if several have it; `kind` says what they are.
    """
    named = [one for one in found if one.name == name]
    if len(named) > 1:
        raise Conflict(f'{len(named)} {kind}s have the name "{name}": give them names of their own')
    return named[0] if named else None


def id_of(found: Any | None, name: str, kind: str) -> str:
    """Return the id of what was found by its name. Raises NotFound for None."""
    if found is None:
        raise NotFound(f'{kind} "{name}" does not exist')
    return str(found.id)


class Part:
    """A part of the driver: methods over one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
