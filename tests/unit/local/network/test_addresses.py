from __future__ import annotations

import time
from ipaddress import ip_address, ip_network

import pytest

from zun_compose.drivers.local.network.addresses import (
    Allocator,
    choose_subnet,
    choose_subnet6,
    host_routes,
    mac,
    pools,
)
from zun_compose.errors import Rejected
from zun_compose.model import IpamPool, Network


def network(*ipam, **kwargs):
    return Network(key="n", name="s_n", ipam=ipam, **kwargs)


def nets(*texts):
    return [ip_network(text) for text in texts]


def test_the_default_subnet_is_private_roomy_and_free():
    taken = nets("0.0.0.0/0", "172.16.5.0/24", "172.17.0.0/16", "10.0.0.0/8")
    first = choose_subnet(taken)
    second = choose_subnet([*taken, first])
    assert first == ip_network("172.18.0.0/16")
    assert second == ip_network("172.19.0.0/16")
    assert choose_subnet(nets("172.16.0.0/12", "10.0.0.0/8", "192.168.1.0/24")) == ip_network(
        "192.168.16.0/20"
    )
    assert choose_subnet(nets("172.16.0.0/12", "10.0.0.0/8", "192.168.0.0/16")).num_addresses > 1000


def test_no_subnet_left_is_said():
    with pytest.raises(Rejected, match="ipam"):
        choose_subnet(nets("172.16.0.0/12", "10.0.0.0/8", "192.168.0.0/16", "100.64.0.0/10"))


@pytest.mark.parametrize(
    ("wanted", "why"),
    [("10.5.0.0/16", "overlaps 10.5.6.0/24"), ("fd00::/64", "not of IPv4"), ("nonsense", "is no subnet")],
)
def test_a_wanted_subnet_that_cannot_be(wanted, why):
    with pytest.raises(Rejected, match=why):
        choose_subnet(nets("10.5.6.0/24"), wanted)


def test_ipv6_subnets_are_unique_local():
    first = choose_subnet6([])
    assert first.is_private
    assert not first.overlaps(choose_subnet6([first]))


def test_routes_of_the_machine_are_read_without_its_default():
    table = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert host_routes(table) == (ip_network("172.17.0.0/16"),)


def test_the_gateway_is_the_first_address_and_containers_follow():
    ipv4, ipv6 = pools(network(), [])
    assert ipv6 is None
    assert ipv4 is not None
    allocator = Allocator(ipv4)
    assert ipv4.gateway == ipv4.subnet.network_address + 1
    assert [allocator.allocate([]) for _ in range(2)] == [ipv4.subnet[2], ipv4.subnet[3]]


def test_ipam_is_honoured():
    ipv4, ipv6 = pools(
        network(
            IpamPool(
                subnet="10.9.0.0/24",
                gateway="10.9.0.254",
                ip_range="10.9.0.16/30",
                aux_addresses={"printer": "10.9.0.17"},
            ),
            IpamPool(subnet="fd00:9::/64"),
        ),
        [],
    )
    assert ipv4 is not None
    assert ipv6 is not None
    assert ipv4.gateway == ip_address("10.9.0.254")
    allocator = Allocator(ipv4)
    used: set = set()
    for _ in range(3):
        used.add(allocator.allocate(used))
    assert sorted(map(str, used)) == ["10.9.0.16", "10.9.0.18", "10.9.0.19"]
    with pytest.raises(Rejected, match="no free address"):
        allocator.allocate(used)
    assert str(allocator.allocate(used, "10.9.0.200")) == "10.9.0.200"
    assert str(Allocator(ipv6).allocate([])) == "fd00:9::2"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("10.9.1.1", "not within"),
        ("10.9.0.1", "reserved"),
        ("10.9.0.0", "reserved"),
        ("10.9.0.255", "reserved"),
        ("10.9.0.7", "taken"),
        ("fd00::1", "not within"),
        ("me", "no address"),
    ],
)
def test_an_explicit_address_that_cannot_be(wanted, why):
    ipv4, _ = pools(network(IpamPool(subnet="10.9.0.0/24")), [])
    assert ipv4 is not None
    with pytest.raises(Rejected, match=why):
        Allocator(ipv4).allocate({ip_address("10.9.0.7")}, wanted)


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        (network(IpamPool(subnet="10.9.0.0/24", gateway="10.8.0.1")), "not within"),
        (network(IpamPool(subnet="10.9.0.0/24", ip_range="10.9.0.0/16")), "not within"),
        (network(IpamPool(subnet="10.9.0.0/31")), "too small"),
        (network(IpamPool(subnet="10.9.0.0/24"), IpamPool(subnet="10.8.0.0/24")), "one a family"),
        (network(enable_ipv4=False), "neither"),
    ],
)
def test_ipam_that_does_not_hold_together(declared, why):
    with pytest.raises(Rejected, match=why):
        pools(declared, [])


def test_what_was_given_back_waits_for_its_turn():
    ipv4, _ = pools(network(IpamPool(subnet="10.9.0.0/29")), [])
    assert ipv4 is not None
    allocator = Allocator(ipv4)
    one, two = allocator.allocate([]), allocator.allocate([])
    assert allocator.allocate({two}) not in (one, two)


def test_five_thousand_addresses_come_quickly():
    ipv4, ipv6 = pools(network(enable_ipv6=True), [])
    began = time.perf_counter()
    for pool in (ipv4, ipv6):
        assert pool is not None
        allocator = Allocator(pool)
        used: set = set()
        for _ in range(5000):
            used.add(allocator.allocate(used))
        assert len(used) == 5000
    assert time.perf_counter() - began < 2


def test_mac_addresses_are_dockers():
    assert mac(ip_address("172.18.0.2")) == "02:42:ac:12:00:02"
    assert mac(ip_address("fd00::2")) == mac(ip_address("fd00::2")) != mac(ip_address("fd00::3"))
