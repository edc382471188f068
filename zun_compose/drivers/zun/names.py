"""Names across hosts: each container has a hosts file of ours with all that share a network with it.

The engines' own names end at their host, and Neutron's are served where containers do not ask. A file is put
in when a container is created, so it holds from the first moment who was there by then; who comes later is
written into the files of those that run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Condition, Lock, Thread
from typing import Any

from zun_compose import labels
from zun_compose.container import ContainerSpec
from zun_compose.drivers.zun import creation, hosts
from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.ports import Reserved
from zun_compose.errors import DriverError

_LAST = 30.0
"""Seconds that a command waits at its end for files that are still being written."""

# An argument of a command travels in a URL; servers before Zun may allow no more than 8 KiB.
_LONGEST = 2000
_LOADED = "/.zun-compose.hosts"
_PRESENT = ("Created", "Running", "Paused", "Restarting", "Stopped")


class Names:
    """Who is found by which name in one cloud, and who was told."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._told: dict[str, str] = {}
        self._gone: dict[str, hosts.Place] = {}
        self._lock = Lock()
        self._written = Condition(self._lock)
        self._writing: set[str] = set()
        self._left: set[str] = set()
        self._asked: dict[str, set[str] | None] = {}
        self._worker: Thread | None = None

    def written(
        self, spec: ContainerSpec, reserved: Sequence[Reserved], containers: Iterable[Any]
    ) -> str | None:
        """Return the file for a new container; None where it has one of its own, or no network.

        `containers` are those that Zun lists.
        """
        own_file = any(mount.target == hosts.PATH for mount in spec.mounts)
        if not reserved or own_file or any(file.target == hosts.PATH for file in spec.files):
            return None
        return hosts.text(
            place_of(spec, reserved),
            self._places(containers),
            hostname=creation.hostname(spec),
            links=hosts.linked(spec.service.links),
            extra=spec.service.extra_hosts,
        )

    def created(self, container: str, name: str, written: str | None) -> None:
        """Note what a new container was told."""
        self._gone.pop(name, None)
        if written is not None:
            self._told[container] = written

    def removed(self, container: Any, others: Iterable[Any]) -> None:
        """Note that one is gone: the others of its service are then told; a last one is kept in mind.

        A container without successor is found under an address where nobody is; one whose successor comes has
        the same address again.
        """
        self._told.pop(str(container.id), None)
        place = _place(container)
        if place is None:
            return
        if any((one.labels or {}).get(labels.SERVICE) == place.service for one in others):
            self.changed(place.stack)
        else:
            self._gone[place.name] = place

    def changed(self, stack: str, container: str | None = None) -> None:
        """Have the files of a stack's running containers written anew, or one's alone; returns at once."""
        with self._lock:
            known = self._asked.get(stack, set())
            whole = container is None or known is None
            self._asked[stack] = None if whole else {*(known or ()), str(container)}
            if self._worker is None:
                self._worker = Thread(target=self._work, name="zun-names", daemon=True)
                self._worker.start()

    def close(self) -> None:
        """Wait until what was asked for is written, if that takes not too long."""
        worker = self._worker
        if worker is not None:
            worker.join(_LAST)

    @contextmanager
    def left_alone(self, container: str) -> Iterator[None]:
        """Let no command of ours run in a container: an engine that freezes it meanwhile hangs."""
        with self._written:
            self._left.add(container)
            self._written.wait_for(lambda: container not in self._writing, _LAST)
        try:
            yield
        finally:
            with self._lock:
                self._left.discard(container)

    def _work(self) -> None:
        try:
            while (asked := self._next()) is not None:
                stack, chosen = asked
                # who cannot be told keeps what it was told at its creation
                with (
                    suppress(DriverError),
                    translated(f'tell the containers of stack "{stack}" of each other'),
                ):
                    self._tell(stack, chosen)
        except BaseException:
            with self._lock:
                self._worker = None
            raise

    def _next(self) -> tuple[str, set[str] | None] | None:
        """Return a stack and which of its containers (None: all) are to be told; None ends the worker."""
        with self._lock:
            if not self._asked:
                self._worker = None
                return None
            stack = next(iter(self._asked))
            return stack, self._asked.pop(stack)

    def _tell(self, stack: str, chosen: set[str] | None) -> None:
        found = list(self._cloud.zun.containers())
        places = list(self._places(found))
        wanted = []
        for one in found:
            own = _place(one)
            if own is None or own.stack != stack or one.status != "Running" or not _told(one):
                continue
            if chosen is None or str(one.id) in chosen:
                new = self._text(one, own, places)
                known = self._told.get(str(one.id))
                # in which order the others stand says nothing
                if known is None or set(known.splitlines()) != set(new.splitlines()):
                    wanted.append((str(one.id), new))
        self._cloud.side_by_side(lambda pair: self._write(*pair), wanted)

    def _text(self, container: Any, own: hosts.Place, places: Sequence[hosts.Place]) -> str:
        memory = creation.memory(container.labels)
        return hosts.text(
            own,
            places,
            hostname=memory.get("hostname"),
            links=[(service, name) for service, name in memory.get("links", ())],
            extra=[(host, address) for host, address in memory.get("hosts", ())],
        )

    def _write(self, container: str, new: str) -> None:
        with self._lock:
            if container in self._left:
                return
            self._writing.add(container)
        try:
            self._put(container, new)
        finally:
            with self._written:
                self._writing.discard(container)
                self._written.notify_all()

    def _put(self, container: str, new: str) -> None:
        known = self._told.get(container, "")
        old, lines = known.splitlines(keepends=True), new.splitlines(keepends=True)
        # what only grows is never empty in between
        more = bool(old) and set(old) <= set(lines)
        piece, into = ("".join(line for line in lines if line not in old), ">>") if more else (new, ">")
        with suppress(DriverError), translated("write a hosts file"):
            if len(piece) <= _LONGEST:
                command = ["sh", "-c", f'printf %s "$0" {into} {hosts.PATH}', piece]
            else:
                self._load(container, piece)
                command = ["sh", "-c", f"cat {_LOADED} {into} {hosts.PATH} && rm {_LOADED}"]
            self._cloud.zun.execute_container(container, command)
            # whoever has no shell, or may not write, is not asked again for the same
            self._told[container] = known + piece if more else new

    def _load(self, container: str, piece: str) -> None:
        from zun_compose.container import FileContent
        from zun_compose.trees import packed

        file = FileContent(target=_LOADED, content=piece.encode())
        self._cloud.zun.put_container_archive(container, "/", packed([file]))

    def _places(self, containers: Iterable[Any]) -> list[hosts.Place]:
        found = [_place(one) for one in containers if one.status in _PRESENT]
        places = [place for place in found if place is not None]
        served = {(place.stack, place.service) for place in places}
        gone = [one for one in self._gone.values() if (one.stack, one.service) not in served]
        there = {place.name for place in places}
        coming = [place for place in self._cloud.still_coming() if place.name not in there]
        return [*places, *coming, *gone]


def place_of(spec: ContainerSpec, reserved: Sequence[Reserved]) -> hosts.Place:
    """Return where a container will be found."""
    return hosts.Place(
        name=spec.name,
        stack=spec.stack,
        service=spec.service.name,
        addresses={one.network: one.addresses for one in reserved},
        names={one.network: join.aliases for one, join in zip(reserved, spec.joins, strict=True)},
    )


def remembered(spec: ContainerSpec, reserved: Sequence[Reserved]) -> dict[str, Any]:
    """Return what a container's label is to tell of its names, which Zun does not keep."""
    service = spec.service
    told: dict[str, Any] = {
        "names": [
            [one.network, list(join.aliases)]
            for one, join in zip(reserved, spec.joins, strict=True)
            if join.aliases
        ],
        "links": [[name, alias] for name, alias in hosts.linked(service.links) if name != alias],
        "hosts": [[host, address] for host, address in service.extra_hosts],
        "hostname": creation.hostname(spec) if reserved else None,
    }
    return {key: value for key, value in told.items() if value}


def _told(container: Any) -> bool:
    """Whether its hosts file is one of ours."""
    return bool(creation.memory(container.labels).get("told"))


def _place(container: Any) -> hosts.Place | None:
    """Read where a container is found; None for one that is not ours."""
    carried = container.labels or {}
    if labels.PROJECT not in carried:
        return None
    names = creation.memory(carried).get("names", ())
    return hosts.Place(
        name=str(container.name or ""),
        stack=str(carried[labels.PROJECT]),
        service=str(carried.get(labels.SERVICE, "")),
        since=str(container.created_at or ""),
        addresses={
            str(network): tuple(str(row["addr"]) for row in rows)
            for network, rows in (container.addresses or {}).items()
        },
        names={str(network): tuple(map(str, known)) for network, known in names},
    )
