"""Which subnets a stack's networks get and which address each container: pure, stable, quick.

Subnets live in the stack's own network namespace, so two stacks may have the same; only a clash with
the machine's own routes would hide something that a container may want to reach.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Set
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from zun_compose.errors import Rejected
from zun_compose.model import IpamPool, Network
from zun_compose.record import Record

AnyNetwork = IPv4Network | IPv6Network
AnyAddress = IPv4Address | IPv6Address

# RFC 1918, then RFC 6598. Each subnet holds at least 1,000 containers.
_SPACES4 = (("172.16.0.0/12", 16), ("10.0.0.0/8", 16), ("192.168.0.0/16", 20), ("100.64.0.0/10", 16))
# RFC 4193, with a global id of our own; the last 16 bits of the prefix count the networks.
_SPACES6 = (("fd7a:7563:6f6d::/48", 64),)


class Pool(Record, kw_only=True):
    """The addresses of one family that a network has to give.

    `first` to `last` (inclusive) is what is given out unasked; explicit addresses may lie anywhere in
    `subnet`. `reserved` are never given out: gateway, network, broadcast and auxiliary addresses.
    """

    network: str
    subnet: AnyNetwork
    gateway: AnyAddress
    first: AnyAddress
    last: AnyAddress
    reserved: frozenset[AnyAddress]


def host_routes(table: str) -> tuple[IPv4Network, ...]:
    """Return the networks that a machine routes, from /proc/net/route's text; the default route apart."""
    found = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7:
            # The kernel prints both in its own byte order.
            target, mask = (int.from_bytes(bytes.fromhex(fields[at])[::-1]) for at in (1, 7))
            if mask:
                found.add(IPv4Network((target, mask.bit_count())))
    return tuple(sorted(found))


def choose_subnet(taken: Collection[AnyNetwork], wanted: str | None = None) -> IPv4Network:
    """Return `wanted`, else the first private subnet that overlaps nothing in `taken`.

    `taken` holds the machine's routes and the stack's other networks; a default route in it is passed
    over. Raises Rejected if `wanted` is no IPv4 subnet or overlaps, or if no private space is left.
    """
    subnet = _choose(taken, wanted, 4)
    assert isinstance(subnet, IPv4Network)
    return subnet


def choose_subnet6(taken: Collection[AnyNetwork], wanted: str | None = None) -> IPv6Network:
    """Return `wanted`, else the first unique local /64 that overlaps nothing in `taken`: see above."""
    subnet = _choose(taken, wanted, 6)
    assert isinstance(subnet, IPv6Network)
    return subnet


def _choose(taken: Collection[AnyNetwork], wanted: str | None, version: int) -> AnyNetwork:
    others = [other for other in taken if other.version == version and other.prefixlen]
    if wanted is not None:
        subnet = _subnet(wanted)
        if subnet.version != version:
            raise Rejected(f'subnet "{wanted}" is not of IPv{version}')
        clash = _clash(subnet, others)
        if clash is not None:
            raise Rejected(
                f'subnet "{wanted}" overlaps {clash}, which is in use: choose another or leave it out'
            )
        return subnet
    for space, length in _SPACES4 if version == 4 else _SPACES6:
        for candidate in ip_network(space).subnets(new_prefix=length):
            if _clash(candidate, others) is None:
                return candidate
    raise Rejected("no private subnet is free: give the network a subnet under ipam.config")


def _clash(subnet: AnyNetwork, others: Collection[AnyNetwork]) -> AnyNetwork | None:
    low, high = int(subnet.network_address), int(subnet.broadcast_address)
    for other in others:
        if int(other.network_address) <= high and low <= int(other.broadcast_address):
            return other
    return None


def pools(network: Network, taken: Collection[AnyNetwork]) -> tuple[Pool | None, Pool | None]:
    """Return the IPv4 and the IPv6 pool of a declared network.

    IPv4 is there unless `enable_ipv4` is false; IPv6 where `enable_ipv6` or an IPv6 subnet is declared.
    Raises Rejected if what is declared does not hold together or overlaps something in `taken`.
    """
    declared: dict[int, IpamPool] = {}
    for pool in network.ipam:
        version = _version(pool)
        if version in declared:
            raise Rejected(
                f'network "{network.name}": more than one IPv{version} pool; '
                "the local driver takes one a family"
            )
        declared[version] = pool
    ipv4 = ipv6 = None
    if network.enable_ipv4 is not False:
        wanted = declared.get(4, IpamPool())
        ipv4 = _pool(network.name, choose_subnet(taken, wanted.subnet), wanted)
    if network.enable_ipv6 or 6 in declared:
        wanted = declared.get(6, IpamPool())
        ipv6 = _pool(network.name, choose_subnet6(taken, wanted.subnet), wanted)
    if ipv4 is None and ipv6 is None:
        raise Rejected(f'network "{network.name}" has neither IPv4 nor IPv6: enable one of them')
    return ipv4, ipv6


def _version(pool: IpamPool) -> int:
    for text in (pool.subnet, pool.ip_range):
        if text is not None:
            return _subnet(text).version
    return 4 if pool.gateway is None else _address(pool.gateway).version


def _pool(network: str, subnet: AnyNetwork, wanted: IpamPool) -> Pool:
    # Of a /31 or /127 both addresses count, as RFC 3021 and RFC 6164 have it: no room for a gateway
    # and a container beside the network's own address.
    if subnet.num_addresses < 4:
        raise Rejected(f'network "{network}": subnet "{subnet}" is too small for a gateway and a container')
    gateway = (
        subnet.network_address + 1 if wanted.gateway is None else _inside(network, subnet, wanted.gateway)
    )
    span = subnet
    if wanted.ip_range is not None:
        span = _subnet(wanted.ip_range)
        if span.version != subnet.version or not _holds(subnet, span):
            raise Rejected(f'network "{network}": ip_range "{span}" is not within subnet "{subnet}"')
    reserved = {gateway, subnet.network_address}
    if subnet.version == 4:
        reserved.add(subnet.broadcast_address)
    reserved.update(_inside(network, subnet, text) for text in wanted.aux_addresses.values())
    return Pool(
        network=network,
        subnet=subnet,
        gateway=gateway,
        first=span.network_address,
        last=span.broadcast_address,
        reserved=frozenset(reserved),
    )


class Allocator:
    """Gives out the addresses of one pool.

    Addresses come in rising order and begin again at the front only after the last one: what was
    just given back is not given out at once, and the same requests in the same order get the same answers.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._next = int(pool.first)

    def allocate(self, taken: Collection[AnyAddress], wanted: str | None = None) -> AnyAddress:
        """Return `wanted`, else the next address that is not in `taken` (best a set).

        Raises Rejected if `wanted` is outside of the subnet, reserved or taken, or if the pool is exhausted.
        """
        used = taken if isinstance(taken, Set) else frozenset(taken)
        if wanted is not None:
            return self._explicit(used, wanted)
        first, last = int(self.pool.first), int(self.pool.last)
        # One more look than addresses are in use is enough, however wide the range is.
        looks = min(last - first + 1, len(used) + len(self.pool.reserved) + 1)
        for _ in range(looks):
            address = self._at(self._next)
            self._next = first if self._next >= last else self._next + 1
            if address not in used and address not in self.pool.reserved:
                return address
        raise Rejected(
            f'network "{self.pool.network}" has no free address left in '
            f"{self.pool.first} to {self.pool.last}: give it a larger subnet or ip_range"
        )

    def _explicit(self, used: Set[AnyAddress], wanted: str) -> AnyAddress:
        address = _inside(self.pool.network, self.pool.subnet, wanted)
        if address in self.pool.reserved:
            raise Rejected(f'network "{self.pool.network}": address "{wanted}" is reserved: choose another')
        if address in used:
            raise Rejected(
                f'network "{self.pool.network}": address "{wanted}" is taken by another container: '
                "choose another, or leave it out where a service has replicas"
            )
        return address

    def _at(self, number: int) -> AnyAddress:
        return IPv4Address(number) if self.pool.subnet.version == 4 else IPv6Address(number)


def mac(address: AnyAddress) -> str:
    """Return the MAC address that belongs to an address: 02:42 and its four bytes, as Docker has it.

    An IPv6 address is too long for that; its digest stands in.
    """
    packed = address.packed if address.version == 4 else hashlib.sha256(address.packed).digest()[:4]
    return ":".join(f"{byte:02x}" for byte in b"\x02\x42" + packed)


def _inside(network: str, subnet: AnyNetwork, text: str) -> AnyAddress:
    address = _address(text)
    if address.version != subnet.version or address not in subnet:
        raise Rejected(f'network "{network}": address "{text}" is not within subnet "{subnet}"')
    return address


def _holds(outer: AnyNetwork, inner: AnyNetwork) -> bool:
    return inner.network_address in outer and inner.broadcast_address in outer


def _subnet(text: str) -> AnyNetwork:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise Rejected(f'"{text}" is no subnet: write it as 10.1.0.0/16') from None


def _address(text: str) -> AnyAddress:
    try:
        return ip_address(text)
    except ValueError:
        raise Rejected(f'"{text}" is no address') from None
