"""What is to be wired, as frozen data: networks with their addresses, and a container's place on them."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from zun_compose.record import Record

MTU = 1500


class NetworkPlan(Record, kw_only=True):
    """A network of a stack: `name` is the engine's name for it, the gateways are the bridge's addresses.

    `mtu` is in bytes. Containers of an `internal` network get no default route.
    """

    name: str
    gateway4: IPv4Interface | None = None
    gateway6: IPv6Interface | None = None
    internal: bool = False
    mtu: int = MTU

    @property
    def bridge(self) -> str:
        """The name of its first bridge: short enough for the kernel (15 bytes) and the same every time."""
        return f"zc{hashlib.sha256(self.name.encode()).hexdigest()[:9]}"


class Nic(Record, kw_only=True):
    """One interface of a container. `network` names a `NetworkPlan`; `name` None means eth0, eth1, ...

    `extra` are further addresses (link-local ones). A gateway that is set is where the default route
    of its family goes: at most one interface of a container should have it.
    """

    network: str
    mac: str
    ipv4: IPv4Interface | None = None
    ipv6: IPv6Interface | None = None
    extra: tuple[IPv4Interface | IPv6Interface, ...] = ()
    gateway4: IPv4Address | None = None
    gateway6: IPv6Address | None = None
    name: str | None = None
    mtu: int = MTU
