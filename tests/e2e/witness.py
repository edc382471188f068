"""Witnesses beside an operation: the engine's event stream, and the kernel's socket tables."""

from __future__ import annotations

import ipaddress
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from docker import DockerClient
from docker.errors import NotFound

from tests.e2e.site import PROJECT, SERVICE, anonymous_volumes, until

LISTEN = "0A"  # state of a TCP socket in the kernel's tables
BOUND = "07"  # what an unconnected UDP socket has in its place
PERIOD = 0.02  # seconds between two looks at the tables


@dataclass(frozen=True, kw_only=True)
class Happened:
    """One event of the engine; `at` is the engine's clock, which on one machine is ours."""

    at: float
    action: str
    service: str
    container: str


class Witness:
    """Writes down the engine's events of one stack's containers, and which anonymous volumes they held."""

    def __init__(self, engine: DockerClient, stack: str) -> None:
        self._engine = engine
        self._stack = stack
        self._events: list[Happened] = []
        self.anonymous: set[str] = set()

    def __enter__(self) -> Self:
        # From now on: the engine has taken the subscription when the call returns.
        filters = {"label": f"{PROJECT}={self._stack}", "type": "container"}
        self._stream = self._engine.api.events(filters=filters, decode=True)
        self._thread = threading.Thread(target=self._read, name=f"witness {self._stack}", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._thread.join(10)

    def all(self, action: str, service: str) -> list[Happened]:
        """Return the events of one kind so far."""
        return [one for one in list(self._events) if one.action == action and one.service == service]

    def pid(self, service: str) -> int:
        """Return the first process of a service's container that was started, 0 if none was."""
        started = self.all("start", service)
        if not started:
            return 0
        return int(self._engine.api.inspect_container(started[0].container)["State"]["Pid"])

    def wait(self, action: str, service: str) -> Happened:
        """Wait until an event has come, and with it all that came before it."""
        return until(lambda: self.all(action, service), f"{service}: {action}", limit=60)[0]

    def _read(self) -> None:
        for event in self._stream:
            self._note(event)

    def _note(self, event: dict[str, Any]) -> None:
        attributes = event["Actor"]["Attributes"]
        one = Happened(
            at=event["timeNano"] / 1e9,
            action=str(event["Action"]),
            service=str(attributes.get(SERVICE, "")),
            container=str(event["Actor"]["ID"]),
        )
        self._events.append(one)
        if one.action in ("create", "start"):
            try:
                self.anonymous |= anonymous_volumes(self._engine.api.inspect_container(one.container))
            except NotFound:
                return


@dataclass(frozen=True, order=True)
class Bound:
    """A socket that takes connections or datagrams."""

    protocol: str
    address: str
    port: int


def bound(pid: int) -> frozenset[Bound]:
    """Read the tables of a process's network namespace; empty once it is gone."""
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        wanted = LISTEN if table.startswith("tcp") else BOUND
        for line in lines:
            _, local, _, state, *_ = line.split()
            if state == wanted:
                address, port = local.split(":")
                found.add(Bound(table.removesuffix("6"), _address(address), int(port, 16)))
    return frozenset(found)


def _address(text: str) -> str:
    """Turn the kernel's words, each in the machine's byte order, into an address."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    return str(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words)))


class Tables:
    """Looks at a service's sockets from its container's start on, beside everything else.

    `find` returns a process of the container, 0 as long as there is none. `closed_until` is when it was last
    seen that nothing was bound to the port at an address that others can reach; `opened_by` when that was
    first seen to have changed.
    """

    def __init__(self, find: Callable[[], int], protocol: str, port: int) -> None:
        self._find = find
        self._protocol = protocol
        self._port = port
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"tables of port {port}", daemon=True)
        self.closed_until = 0.0
        self.opened_by = 0.0
        self.seen: set[Bound] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._ended.wait(PERIOD):
            pid = self._find()
            if pid:
                self._sample(pid)
                return

    def _sample(self, pid: int) -> None:
        while not self._ended.is_set():
            began = time.time()
            mine = {one for one in bound(pid) if one.port == self._port and one.protocol == self._protocol}
            self.seen |= mine
            if any(not ipaddress.ip_address(one.address).is_loopback for one in mine):
                self.opened_by = self.opened_by or time.time()
                return
            self.closed_until = began
            self._ended.wait(PERIOD)
