"""Joins containers to the networks of their stack: bridges, veth pairs, addresses, routes.

Runs in the stack's network namespace, in a process of one thread that has CAP_NET_ADMIN and
CAP_SYS_ADMIN there and over the containers' namespaces. A container costs two sends: one makes its pairs,
the other, through a socket opened inside its namespace, its addresses and routes.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from zun_compose.drivers.local.network import rtnetlink
from zun_compose.drivers.local.network.addresses import mac
from zun_compose.drivers.local.network.rtnetlink import Request, Rtnetlink
from zun_compose.drivers.local.network.wiring import NetworkPlan, Nic
from zun_compose.errors import DriverError, NotFound, Rejected, Unavailable, Unsupported
from zun_compose.record import Mutable, field

# The kernel's BR_MAX_PORTS is 1024, number 0 unused (net/bridge/br_private.h). Containers beyond
# PER_BRIDGE go to further bridges, each linked to the first: the first needs a port for every one of them.
PER_BRIDGE = 1000
_BRIDGES = 1023 - PER_BRIDGE + 1
# Far above the numbers that the kernel gives out by itself, such as to the tap device of the way out.
_FIRST_INDEX = 1 << 16
_FIRST_PEER_INDEX = 100
_PORT = "zp"
_UNPRIVILEGED_PORTS = "/proc/sys/net/ipv4/ip_unprivileged_port_start"


class _Bridge(Mutable):
    """One bridge: its index and the ports that containers hold."""

    index: int
    ports: set[str] = field(default_factory=set)


class _Wired(Mutable):
    """A network that exists: what it was made of, and its bridges, the one with the addresses first."""

    plan: NetworkPlan
    bridges: list[_Bridge]


class _Port(Mutable, kw_only=True):
    """A port that a container holds, and what the bridge's neighbour table was told of it."""

    bridge: _Bridge
    neighbours: tuple[tuple[int, rtnetlink.Address], ...]


class StackNetwork:
    """All networks of one stack, in the network namespace that it was opened in. Not thread-safe."""

    def __init__(self) -> None:
        """Open it. Raises Unsupported where the namespace is not ours to change."""
        self._link = Rtnetlink()
        self._indexes = itertools.count(_FIRST_INDEX)
        self._wired: dict[str, _Wired] = {}
        self._ports: dict[str, _Port] = {}
        self._way_out = False
        # A port of a bridge needs no IPv6 address of its own; each would cost announcements.
        with suppress(OSError), open("/proc/sys/net/ipv6/conf/default/addr_gen_mode", "w") as file:
            file.write("1")
        with _translated("cannot bring loopback up"):
            self._link.ask([rtnetlink.set_up()])

    def adopt(self, networks: Iterable[NetworkPlan]) -> None:
        """Take over what an earlier owner of this namespace made of these networks, if it did.

        To be called before anything else is made. The ports found are counted, and go with their containers.
        """
        with _translated("cannot look at the networks that are there"):
            there = self._link.links()
        indexes = {name: socket.if_nametoindex(name) for name in there}
        self._indexes = itertools.count(max(_FIRST_INDEX, *indexes.values()) + 1)
        for plan in networks:
            bridges = []
            for at in range(_BRIDGES):
                index = indexes.get(_bridge(plan, at))
                if index is None:
                    break
                bridge = _Bridge(index)
                for port, master in there.items():
                    if master == index and port.startswith(_PORT):
                        bridge.ports.add(port)
                        self._ports[port] = _Port(bridge=bridge, neighbours=())
                bridges.append(bridge)
            if bridges:
                self._wired[plan.name] = _Wired(plan, bridges)

    def ensure(self, network: NetworkPlan) -> None:
        """Make the network's bridge, up, with its addresses; one that is there already stays as it is.

        Raises Rejected if it is there with other addresses.
        """
        known = self._wired.get(network.name)
        if known is not None:
            if known.plan != network:
                raise Rejected(f'network "{network.name}" exists with other settings: remove it first')
            return
        index = next(self._indexes)
        gateways = [gateway for gateway in (network.gateway4, network.gateway6) if gateway is not None]
        # With a MAC address of its own the bridge does not take over, and change with, those of its ports.
        own = gateway_mac(network)
        requests = [rtnetlink.add_bridge(network.bridge, index, mac=own, mtu=network.mtu)]
        # A new namespace inherits the machine's setting, which would join the stack's networks.
        requests.append(rtnetlink.set_forwarding(index, self._way_out and not network.internal))
        requests += [rtnetlink.add_address(index, gateway) for gateway in gateways]
        with _translated(f'cannot make network "{network.name}"'):
            try:
                self._link.ask(requests)
            except OSError:
                self._discard([network.bridge])
                raise
        self._wired[network.name] = _Wired(network, [_Bridge(index)])

    def remove(self, name: str) -> None:
        """Remove a network's bridges; one that is gone is success. Containers on it lose their link."""
        wired = self._wired.get(name)
        if wired is None:
            return
        for bridge in wired.bridges:
            self.detach(tuple(bridge.ports))
        with _translated(f'cannot remove network "{name}"'):
            self._link.ask(
                [rtnetlink.remove_link(_bridge(wired.plan, at)) for at in reversed(range(len(wired.bridges)))]
                + [rtnetlink.remove_link(_uplink(wired.plan, at)) for at in range(1, len(wired.bridges))],
                tolerate=(errno.ENODEV,),
            )
        del self._wired[name]

    def open_way_out(self, device: int) -> None:
        """Let what is not internal be routed to the device of this index, now and for later networks.

        The rules that keep networks apart must stand by then: see egress.guard.
        """
        self._way_out = True
        indexes = [wired.bridges[0].index for wired in self._wired.values() if not wired.plan.internal]
        with _translated("cannot open the way out"):
            self._link.ask([rtnetlink.set_forwarding(index, True) for index in (device, *indexes)])

    def attach(self, pid: int, nics: Sequence[Nic], *, loopback: bool = False) -> tuple[str, ...]:
        """Give the process's network namespace these interfaces, up, with addresses and routes.

        With `loopback` lo is brought up too, where whoever made the namespace has not done so.

        Returns the names of the ports that `detach` takes. Nothing is left when it fails: raises NotFound
        if a network or the process is not there, Rejected if a network has no port left.
        """
        subject = f"cannot join process {pid} to its networks"
        try:
            namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise NotFound(f"{subject}: it is gone", reason=str(error.strerror)) from None
        made: list[str] = []
        try:
            with _translated(subject):
                return self._attach(namespace, nics, made, [rtnetlink.set_up()] if loopback else [])
        except (OSError, DriverError):
            self.detach(made)
            raise
        finally:
            os.close(namespace)

    def _attach(
        self, namespace: int, nics: Sequence[Nic], made: list[str], there: list[Request]
    ) -> tuple[str, ...]:
        here: list[Request] = []
        for at, nic in enumerate(nics):
            wired = self._network(nic.network)
            bridge = self._bridge_with_room(wired)
            index = next(self._indexes)
            port = f"{_PORT}{index:x}"
            peer_index = _FIRST_PEER_INDEX + at
            here.append(
                rtnetlink.add_veth(
                    port,
                    index,
                    master=bridge.index,
                    mtu=nic.mtu,
                    peer=nic.name or f"eth{at}",
                    peer_index=peer_index,
                    peer_mac=nic.mac,
                    namespace=namespace,
                )
            )
            # Of a container that was restarted the last namespace may not be gone yet: it has the same
            # addresses and answers with resets.
            here.append(rtnetlink.claim(index, nic.mac))
            gate = wired.bridges[0].index
            neighbours = tuple((gate, own.ip) for own in (nic.ipv4, nic.ipv6) if own is not None)
            here += [rtnetlink.add_neighbour(gate, address, nic.mac) for _, address in neighbours]
            bridge.ports.add(port)
            self._ports[port] = _Port(bridge=bridge, neighbours=neighbours)
            made.append(port)
            there += _settings(peer_index, nic, wired.plan)
        self._link.ask(here)
        with rtnetlink.inside(namespace):
            link = Rtnetlink()
            # As Docker has it since 20.10: every user of a container may bind its ports below 1024.
            with suppress(OSError), open(_UNPRIVILEGED_PORTS, "w") as file:
                file.write("0")
        try:
            link.ask(there)
        finally:
            link.close()
        return tuple(made)

    def detach(self, ports: Iterable[str], *, ended: bool = False) -> None:
        """Remove ports; one that went with its container's namespace is success.

        `ended` says that the container's last process is gone: the kernel then takes the ports away by
        itself, in the background, and only our own record of them is cleared. Else it takes
        some 20 ms, for one port as for hundreds: hand over many at once.
        """
        links = []
        requests = []
        for name in ports:
            port = self._ports.pop(name, None)
            if port is None:
                continue
            port.bridge.ports.discard(name)
            links.append(name)
            requests += [rtnetlink.remove_neighbour(*neighbour) for neighbour in port.neighbours]
        if links and not ended:
            requests += rtnetlink.remove_group(links)
        with _translated("cannot remove ports"):
            self._link.ask(requests, tolerate=(errno.ENODEV, errno.ENOENT))

    def close(self) -> None:
        """Let go of the namespace; its bridges and ports end with its last process."""
        self._link.close()

    def _network(self, name: str) -> _Wired:
        try:
            return self._wired[name]
        except KeyError:
            raise NotFound(f'network "{name}" does not exist') from None

    def _bridge_with_room(self, wired: _Wired) -> _Bridge:
        for bridge in wired.bridges:
            if len(bridge.ports) < PER_BRIDGE:
                return bridge
        self._recount(wired)
        for bridge in wired.bridges:
            if len(bridge.ports) < PER_BRIDGE:
                return bridge
        return self._extend(wired)

    def _recount(self, wired: _Wired) -> None:
        """Forget ports that went with their namespaces without anybody telling us."""
        there = self._link.links()
        for bridge in wired.bridges:
            self.detach([name for name in bridge.ports if name not in there], ended=True)

    def _extend(self, wired: _Wired) -> _Bridge:
        at = len(wired.bridges)
        plan = wired.plan
        if at >= _BRIDGES:
            raise Rejected(
                f'network "{plan.name}" holds {PER_BRIDGE * _BRIDGES} containers, as many as it can: '
                "spread the services over several networks"
            )
        index = next(self._indexes)
        self._link.ask(
            [
                rtnetlink.add_bridge(_bridge(plan, at), index, mac=None, mtu=plan.mtu),
                rtnetlink.set_forwarding(index, False),
                rtnetlink.add_veth(
                    _uplink(plan, at),
                    next(self._indexes),
                    master=wired.bridges[0].index,
                    mtu=plan.mtu,
                    peer=f"{_uplink(plan, at)}p",
                ),
                rtnetlink.enslave(f"{_uplink(plan, at)}p", index),
            ]
        )
        wired.bridges.append(_Bridge(index))
        return wired.bridges[-1]

    def _discard(self, names: Iterable[str]) -> None:
        with suppress(OSError):
            self._link.ask([rtnetlink.remove_link(name) for name in names], tolerate=(errno.ENODEV,))


def gateway_mac(network: NetworkPlan) -> str | None:
    """Return the MAC address of a network's bridge, None where it has no address."""
    gateway = network.gateway4 or network.gateway6
    return None if gateway is None else mac(gateway.ip)


def _settings(index: int, nic: Nic, plan: NetworkPlan) -> Iterator[Request]:
    if nic.ipv6 is None:
        yield rtnetlink.no_link_local(index)
    yield rtnetlink.set_up(index)
    for interface in (nic.ipv4, nic.ipv6, *nic.extra):
        if interface is not None:
            yield rtnetlink.add_address(index, interface)
    own = gateway_mac(plan)
    for address, gateway in ((nic.ipv4, plan.gateway4), (nic.ipv6, plan.gateway6)):
        if own is not None and address is not None and gateway is not None:
            yield rtnetlink.add_neighbour(index, gateway.ip, own)
    for way in (nic.gateway4, nic.gateway6):
        if way is not None:
            yield rtnetlink.add_default_route(index, way)


def _bridge(plan: NetworkPlan, at: int) -> str:
    return plan.bridge if at == 0 else f"{plan.bridge}.{at}"


def _uplink(plan: NetworkPlan, at: int) -> str:
    # One letter less than the bridge's name has, so that ".23p" fits into the kernel's 15 bytes.
    return f"u{plan.bridge[2:]}.{at}"


@contextmanager
def _translated(subject: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP):
            raise Unsupported(
                f"{subject}: {reason} (does the kernel have bridges and veth pairs, "
                "and may this user make network namespaces?)",
                reason=reason,
            ) from None
        if error.errno in (errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN):
            raise Unavailable(f"{subject}: {reason}", reason=reason) from None
        if error.errno in (errno.ESRCH, errno.ENOENT):
            raise NotFound(f"{subject}: {reason}", reason=reason) from None
        raise Rejected(f"{subject}: {reason}", reason=reason) from None
