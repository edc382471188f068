"""Runs readiness probes from outside the container and words what they answered."""

from __future__ import annotations

import errno
import re
import threading
import time
from collections.abc import Callable
from functools import partial
from socket import socket
from typing import assert_never

from zun_compose.container import Observed, PortKey, State
from zun_compose.driver import Doors, Driver, EngineInfo
from zun_compose.errors import DriverError
from zun_compose.model import Probe, ProbeKind
from zun_compose.observe import commands, relay, web
from zun_compose.observe.dial import Patience, Stopped, connect, family, reason, resolve
from zun_compose.observe.logs import LogSearch
from zun_compose.observe.reach import Reach
from zun_compose.observe.sockets import SocketReader
from zun_compose.observe.wording import shown
from zun_compose.record import replace
from zun_compose.sighting import Answer

Direct = Callable[[str, Patience], Answer]
Connect = Callable[[str, int, Patience], socket]

_RUNS = frozenset({State.RUNNING, State.PAUSED})


class Prober:
    """Asks probes. Safe from several threads; `close` it at the end.

    It shares the socket readings of `reader` if it is given one (and does not close it). `connect`
    is as for SocketReader: whether container addresses mean the same machines from here.
    """

    def __init__(
        self,
        driver: Driver,
        info: EngineInfo,
        reader: SocketReader | None = None,
        *,
        connect: bool | None = None,
    ) -> None:
        self._driver = driver
        self._owned = reader is None
        self._reader = reader or SocketReader(driver, info, connect=connect)
        self._reach = Reach(driver, info, self._reader, connect=connect)
        self._logs = LogSearch(driver)

    def ask(
        self,
        probe: Probe,
        observed: Observed | None,
        stop: threading.Event | None = None,
        *,
        declared: frozenset[PortKey] = frozenset(),
    ) -> Answer:
        """Ask once, for at most about `probe.timeout` seconds. Raises nothing.

        `observed` is None for an external, whose address is `probe.host`. `declared` are the ports
        that a `listening` probe without ports means; without these, what the image exposes. A set
        `stop` ends the asking early: `ran` is then False.
        """
        began = time.monotonic()
        patience = Patience.of(probe.timeout, stop)
        try:
            patience.left()
            answer = self._asked(probe, observed, patience, declared)
        except Stopped:
            answer = Answer(ok=False, ran=False, text="stopped")
        except TimeoutError as error:
            answer = Answer(ok=False, text=reason(error, patience))
        except web.Malformed as fault:
            answer = Answer(ok=False, ran=False, text=shown(str(fault)))
        except re.error as error:
            answer = Answer(ok=False, ran=False, text=shown(f"the pattern is wrong: {error}"))
        return replace(answer, seconds=time.monotonic() - began)

    def forget(self, container_id: str) -> None:
        """Let go of what is remembered of a container."""
        self._logs.forget(container_id)
        self._reach.forget(container_id)
        if self._owned:
            self._reader.forget(container_id)

    def close(self) -> None:
        """Let go of everything."""
        if self._owned:
            self._reader.close()

    def _asked(
        self, probe: Probe, observed: Observed | None, patience: Patience, declared: frozenset[PortKey]
    ) -> Answer:
        if observed is None:
            return self._external(probe, patience)
        if observed.state not in _RUNS:
            return Answer(ok=False, ran=False, text=f"the container is {observed.state}")
        match probe.kind:
            case ProbeKind.LISTENING:
                return self._listening(probe, observed, declared)
            case ProbeKind.TCP:
                return self._tcp(probe, observed, patience)
            case ProbeKind.HTTP:
                return self._http(probe, observed, patience)
            case ProbeKind.EXEC:
                return commands.probe(self._driver, observed.id, probe.command, patience.left())
            case ProbeKind.LOG:
                return self._logs.ask(observed, probe.pattern or "", patience)
        assert_never(probe.kind)

    def _listening(self, probe: Probe, observed: Observed, declared: frozenset[PortKey]) -> Answer:
        wanted = frozenset(PortKey(port) for port in probe.ports)
        groups = [{key} for key in sorted(wanted or declared)] or [set(observed.exposed)]
        wanted = frozenset().union(*groups)
        if not wanted:
            return Answer(ok=False, ran=False, text="no port is declared")
        reading = self._reader.read(observed, wanted)
        missing = [group for group in groups if not group & reading.listening]
        if not missing:
            return Answer(ok=True, text=f"listening on {_listed(reading.listening & wanted)}")
        lacking = frozenset().union(*missing)
        note = " (on loopback only)" if lacking <= reading.loopback else ""
        note = note or (f" ({reading.note})" if reading.note else "")
        ran = reading.source != "none" or reading.complete
        return Answer(ok=False, ran=ran, text=shown(f"not listening on {_listed(lacking)}{note}"))

    def _tcp(self, probe: Probe, observed: Observed, patience: Patience) -> Answer:
        if probe.port is None:
            return Answer(ok=False, ran=False, text="the probe names no port")
        port = probe.port

        def inside(address: str) -> Answer:
            return relay.tcp(self._driver, observed, address, port, patience)

        direct = partial(_accepts, port=port, way=self._way(observed))
        return self._through(observed, port, patience, direct, inside)

    def _http(self, probe: Probe, observed: Observed, patience: Patience) -> Answer:
        port = web.default_port(probe)

        def inside(address: str) -> Answer:
            return relay.http(self._driver, observed, address, port, probe, patience)

        direct = partial(_fetched, probe=probe, way=self._way(observed))
        return self._through(observed, port, patience, direct, inside)

    def _way(self, observed: Observed) -> Connect:
        """Return how connections to a container's addresses are made."""
        driver = self._driver
        if not isinstance(driver, Doors):
            return connect

        def by_its_door(address: str, port: int, patience: Patience) -> socket:
            try:
                made = driver.stream_socket(observed.id, family(address))
            except DriverError as error:
                raise OSError(errno.ENETUNREACH, str(error)) from error
            return connect(address, port, patience, made)

        return by_its_door

    def _through(
        self,
        observed: Observed,
        port: int,
        patience: Patience,
        direct: Direct,
        inside: Callable[[str], Answer],
    ) -> Answer:
        """Ask at the container's addresses; from inside it where none can be reached from here."""
        route = self._reach.route(observed, port)
        if route.refusal is not None:
            return route.refusal
        if not route.inside:
            answer = _first(route.addresses, patience, direct)
            if answer is not None:
                return answer
            self._reach.unreachable(observed.id)
        return inside(route.addresses[0] if route.addresses else "127.0.0.1")

    def _external(self, probe: Probe, patience: Patience) -> Answer:
        host = probe.host
        if not host or probe.kind in (ProbeKind.EXEC, ProbeKind.LOG):
            return Answer(ok=False, ran=False, text=f"an external can not be asked by {probe.kind}")
        try:
            addresses = resolve(host, patience)
        except OSError as error:
            return Answer(ok=False, text=reason(error, patience))
        nowhere = Answer(ok=False, text="there is no way to its address")
        if probe.kind is ProbeKind.HTTP:
            return _first(addresses, patience, partial(_fetched, probe=probe, host=host)) or nowhere
        ports = probe.ports if probe.kind is ProbeKind.LISTENING else (probe.port,)
        answer = Answer(ok=False, ran=False, text="the probe names no port")
        for number in ports:
            if number is not None:
                answer = _first(addresses, patience, partial(_accepts, port=number)) or nowhere
                if not answer.ok:
                    break
        return answer


def _first(addresses: tuple[str, ...], patience: Patience, direct: Direct) -> Answer | None:
    """The first good answer, else the last bad one; None if there is no way to any of the addresses."""
    last: Answer | None = None
    for index, address in enumerate(addresses):
        try:
            # One address that swallows what it is sent must not use up the time of the others.
            answer = direct(address, patience.share(len(addresses) - index))
        except OSError as error:
            if not Reach.hopeless(error):
                last = Answer(ok=False, text=reason(error, patience))
            continue
        if answer.ok:
            return answer
        last = answer
    return last


def _accepts(address: str, patience: Patience, *, port: int, way: Connect = connect) -> Answer:
    way(address, port, patience).close()
    return Answer(ok=True, text=f"{port}/tcp accepts")


def _fetched(
    address: str, patience: Patience, *, probe: Probe, host: str = "", way: Connect = connect
) -> Answer:
    connection = way(address, web.default_port(probe), patience)
    return web.exchange(connection, probe, host or address, patience)


def _listed(ports: frozenset[PortKey] | set[PortKey]) -> str:
    few = sorted(ports)
    more = f" and {len(few) - 8} more" if len(few) > 8 else ""
    return ", ".join(map(str, few[:8])) + more
