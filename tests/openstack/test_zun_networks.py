"""Names, addresses, security groups and published ports of stacks on a real cloud, as a tenant has them."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import rest, switch
from tests.cloud.fixture import Cloud, command, running
from tests.cloud.neutron import AGENT, PUBLIC
from tests.e2e.site import Workplace
from tests.openstack.conftest import IMAGE, Zun, until

pytestmark = pytest.mark.timeout(900)

SERVE = "trap exit TERM; httpd -f -p 8080 -h /etc & wait"
LIMIT = 300.0


class Site:
    """One stack of a test."""

    def __init__(self, place: Workplace, demo: Zun) -> None:
        self.place = place
        self.demo = demo

    def zun(self, *words: str, code: int = 0) -> str:
        """Return all that the program says."""
        ran = self.place.begin("--driver", "zun", *words).end(limit=LIMIT)
        assert ran.code == code, ran.said
        return ran.said

    def id(self, name: str) -> str:
        return str(self.demo.proxy.find_container(f"{self.place.name}-{name}", ignore_missing=False).id)

    def inside(self, name: str, *command: str) -> str:
        """Return what a command says in a container, however it ends."""
        return str(self.demo.proxy.execute_container(self.id(name), list(command)).output)

    def addresses(self, name: str) -> list[str]:
        """Return a container's addresses, those of its first network first."""
        found = self.demo.proxy.get_container(self.id(name)).addresses
        return [str(row["addr"]) for rows in found.values() for row in rows]

    def found(self, name: str, of: str) -> list[str]:
        """Return the addresses that a container finds by a name."""
        lines = self.inside(name, "cat", "/etc/hosts").splitlines()
        return [line.split()[0] for line in lines if of in line.split()[1:]]


@pytest.fixture
def sites(cloud: Cloud, demo: Zun, tmp_path: Path) -> Iterator[Callable[[str], Site]]:
    made: list[Site] = []

    def make(text: str) -> Site:
        number = len(made)
        folder = tmp_path / f"stack{number}"
        folder.mkdir()
        environment = {"OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml), "OS_CLOUD": "demo"}
        place = Workplace(folder, f"zcnet{os.getpid()}x{number}", tmp_path / f"state{number}", environment)
        place.write(text)
        made.append(Site(place, demo))
        return made[-1]

    before = holdings(demo)
    yield make
    for site in reversed(made):
        site.place.begin("--driver", "zun", "down", "-v", "-t", "1").end(limit=LIMIT)
        site.place.end_commands()
    ours = tuple(site.place.name for site in made)
    assert not [one for one in holdings(demo) - before if one[1].startswith(ours) or ours[0] in one[2]]


def holdings(demo: Zun) -> set[tuple[str, str, str]]:
    """Return all that a stack could leave: kind, name and description."""
    network = demo.conn.network
    kinds: dict[str, Any] = {
        "network": network.networks(),
        "port": network.ports(),
        "group": network.security_groups(),
        "router": network.routers(),
        "address": network.ips(),
        "container": demo.proxy.containers(),
    }
    return {
        (kind, str(one.name), str(getattr(one, "description", "") or ""))
        for kind, found in kinds.items()
        for one in found
    }


def page(host: str, port: int, path: str = "/hostname") -> str:
    """Return a page, "" while it is not to be had."""
    try:
        return str(rest.call(port, "GET", path, host=host, timeout=2).body).strip()
    except OSError:
        return ""


NAMES = f"""
services:
  db:
    image: {IMAGE}
    command: sh -c '{SERVE}'
    expose: ["8080"]
    environment: {{ROUND: "ROUND"}}
    networks: {{back: {{aliases: [store, vault.internal]}}}}
  migrate:
    image: {IMAGE}
    # its first act is to look its dependency up, by a name that no engine knows
    command: sh -c 'wget -q -O - http://store:8080/hostname && wget -q -O - http://base:8080/hostname'
    depends_on: {{db: {{condition: service_started, x-condition: service_listening}}}}
    networks: [back]
    links: ["db:base"]
  web:
    image: {IMAGE}
    command: sh -c '{SERVE}'
    networks: [back, front]
    extra_hosts: ["far.example:192.0.2.7"]
    scale: SCALE
  apart:
    image: {IMAGE}
    command: sh -c '{SERVE}'
    networks: [front]
networks: {{back: {{}}, front: {{}}}}
"""


def test_names_hold_from_the_first_moment_and_after_every_change(sites: Callable[[str], Site]) -> None:
    site = sites(NAMES.replace("SCALE", "1"))
    site.zun("up", "-d", "--wait")
    said = site.zun("logs", "--no-log-prefix", "migrate")
    assert [line for line in said.splitlines() if line] == ["db", "db"]

    (db,) = site.addresses("db-1")
    assert site.found("web-1", "vault.internal") == [db]
    assert site.found("web-1", "far.example") == ["192.0.2.7"]
    # a name reaches as far as its network, and `migrate`, linked, is the only one with the further name
    assert site.found("apart-1", "store") == []
    assert site.found("web-1", "base") == []
    web = site.addresses("web-1")
    assert sorted(site.found("web-1", "web")) == sorted(web)
    # what nobody depends on is found too, each on the network that they share
    front = [address for address in web if address in site.found("apart-1", "web")]
    assert len(front) == 1
    assert "web" in site.inside("apart-1", "wget", "-q", "-O", "-", "http://web:8080/hostname")

    # more of one, and one of another anew: it keeps its address, and those who run know both
    site.place.write(NAMES.replace("SCALE", "2").replace('"ROUND"', '"second"'))
    site.zun("up", "-d", "--wait")
    assert site.addresses("db-1") == [db]
    assert site.found("web-1", "store") == [db]
    assert len(site.found("apart-1", "web")) == 2
    assert len(site.found("db-1", "web")) == 2

    # stopped and started, it knows what it knew; one less is one less
    site.zun("stop", "-t", "1", "apart")
    site.zun("start", "apart")
    assert len(site.found("apart-1", "web")) == 2
    site.place.write(NAMES.replace("SCALE", "1").replace('"ROUND"', '"second"'))
    site.zun("up", "-d", "--wait")
    assert site.found("apart-1", "web") == front


ADDRESSES = f"""
services:
  fixed:
    image: {IMAGE}
    command: sh -c '{SERVE}'
    networks:
      low: {{ipv4_address: 10.92.8.50, ipv6_address: "fd92:8::50", priority: 10}}
      plain: {{}}
      private: {{priority: 1}}
networks:
  plain: {{internal: true}}
  low:
    enable_ipv6: true
    driver_opts: {{mtu: "1380"}}
    ipam:
      config:
        - {{subnet: 10.92.8.0/24, ip_range: 10.92.8.128/25, gateway: 10.92.8.9}}
        - {{subnet: "fd92:8::/64"}}
  private: {{external: true}}
"""


def test_addresses_order_and_size_are_as_declared(sites: Callable[[str], Site], demo: Zun) -> None:
    site = sites(ADDRESSES)
    site.zun("up", "-d", "--wait")
    seen = demo.proxy.get_container(site.id("fixed-1"))
    by_name = {
        str(demo.conn.network.get_network(key).name).removeprefix(f"{site.place.name}_"): rows
        for key, rows in seen.addresses.items()
    }
    assert {name: sorted(row["addr"] for row in rows) for name, rows in by_name.items()}["low"] == [
        "10.92.8.50",
        "fd92:8::50",
    ]
    assert sorted(by_name) == ["low", "plain", "private"]
    links = site.inside("fixed-1", "ip", "-o", "addr").splitlines()
    first = next(line for line in links if "10.92.8.50" in line)
    assert any("fd92:8::50" in line for line in links)
    device = first.split()[1]
    assert "mtu 1380" in site.inside("fixed-1", "ip", "link", "show", device)
    # the fixed address is in nobody's range
    low = demo.conn.network.find_network(f"{site.place.name}_low", ignore_missing=False)
    v4 = next(one for one in demo.conn.network.subnets(network_id=low.id) if one.ip_version == 4)
    assert (v4.gateway_ip, v4.allocation_pools[0]["start"]) == ("10.92.8.9", "10.92.8.128")
    assert low.mtu == 1380

    # ended between its ports and its containers, an attempt leaves a port that has the very address
    site.zun("down", "-t", "1")
    site.zun("up", "--no-start")
    fixed = demo.proxy.get_container(site.id("fixed-1"))
    left = next(row for rows in fixed.addresses.values() for row in rows if row["addr"] == "10.92.8.50")
    port = demo.conn.network.get_port(left["port"])
    demo.proxy.delete_container(fixed.id)
    until(lambda: not demo.proxy.find_container(fixed.name))
    assert not demo.conn.network.get_port(port.id).device_id
    site.zun("up", "-d", "--wait")
    assert "10.92.8.50" in site.addresses("fixed-1")
    assert demo.conn.network.find_port(port.id) is None

    # a network that is gone: the plan says which
    taken = sites(
        ADDRESSES.replace("private: {external: true}", "private: {external: true, name: zcnet-none}")
    )
    assert "zcnet-none" in taken.zun("up", "-d", code=2)


def test_after_an_up_that_had_ports_and_no_containers_yet_down_leaves_nothing(
    sites: Callable[[str], Site], demo: Zun
) -> None:
    """What there is of the stack carries no network of its own: nothing else leads to it."""
    site = sites(VISITOR.replace("networks: [private]", "networks: [private]\n    scale: 3"))
    before = holdings(demo)
    attempt = site.place.begin("--driver", "zun", "up", "-d")
    until(lambda: [port for port in demo.conn.network.ports() if port.name.startswith(site.place.name)])
    attempt.process.kill()
    attempt.process.wait()
    assert holdings(demo) > before
    site.zun("down", "-t", "1")
    assert holdings(demo) == before


PORTS = f"""
services:
  shown:
    image: {IMAGE}
    command: sh -c 'httpd -p 9090 -h /etc; {SERVE}'
    expose: ["9090"]
    ports: [PUBLISHED]
    networks: [private]
networks: {{private: {{external: true}}}}
"""
VISITOR = f"""
services:
  visitor:
    image: {IMAGE}
    command: sh -c 'trap exit TERM; sleep 1000 & wait'
    networks: [private]
networks: {{private: {{external: true}}}}
"""
REFUSED = "refused-or-silent"


def test_expose_is_for_the_stack_and_ports_for_everybody(sites: Callable[[str], Site], demo: Zun) -> None:
    site = sites(PORTS.replace("PUBLISHED", '"8080"'))
    assert "is not the stack's" in site.zun("up", "-d", "--wait")
    visitor = sites(VISITOR)
    visitor.zun("up", "-d", "--wait")
    (address,) = site.addresses("shown-1")

    def visit(port: int) -> str:
        ask = f"timeout 2 wget -q -O - http://{address}:{port}/hostname 2>/dev/null || echo {REFUSED}"
        return visitor.inside("visitor-1", "sh", "-c", ask).strip()

    def groups() -> set[str]:
        return {
            str(one.name)
            for one in demo.conn.network.security_groups()
            if one.name.startswith(f"{site.place.name}_")
        }

    assert visit(8080) == "shown"
    assert visit(9090) == REFUSED
    before = groups()
    assert len(before) == 2

    # the other way round: another group takes the place of the first, and none stays behind
    site.place.write(PORTS.replace("PUBLISHED", '"9090"').replace('expose: ["9090"]', 'expose: ["8080"]'))
    site.zun("up", "-d", "--wait")
    (address,) = site.addresses("shown-1")
    assert visit(9090) == "shown"
    assert visit(8080) == REFUSED
    assert len(groups()) == 2
    assert groups() != before


FORWARDED = f"""
services:
  web:
    image: {IMAGE}
    command: sh -c '{SERVE}'
    ports: ["18080:8080"]
  many:
    image: {IMAGE}
    command: sh -c '{SERVE}'
    ports: ["18090-18099:8080", "127.0.0.1:7000:8080"]
    scale: 2
"""


@pytest.fixture
def routed(cloud: Cloud) -> Iterator[None]:
    """Have the cloud's routers carry packets."""
    before = AGENT in running(cloud.settings)
    done = command("up", "--routing")
    assert done.returncode == 0, done.stderr
    yield
    if not before:
        command("down", AGENT)


@pytest.mark.usefixtures("routed")
def test_published_ports_are_reached_by_a_floating_ip(sites: Callable[[str], Site], demo: Zun) -> None:
    site = sites(FORWARDED)
    said = site.zun("up", "-d", "--wait")
    assert "own address only" not in said
    assert "loopback" in said
    shown = [json.loads(line) for line in site.zun("ps", "--format", "json").splitlines() if line[:1] == "{"]
    told = {row["Name"].removeprefix(f"{site.place.name}-"): row["Publishers"] for row in shown}
    where = {
        name: (row["URL"], row["PublishedPort"]) for name, rows in told.items() for row in rows if row["URL"]
    }
    (address,) = {str(host) for host, _ in where.values()}
    assert ipaddress.ip_address(address) in switch.FLOATING
    assert where["web-1"][1] == 18080
    assert {where["many-1"][1], where["many-2"][1]} == {18090, 18091}

    # packets go there and come back: the router's namespace forwards them
    until(lambda: page(address, 18080) == "web", 60)
    for number in (18090, 18091):
        until(partial(lambda port: page(address, port) == "many", number), 60)

    floating = next(one for one in demo.conn.network.ips() if one.floating_ip_address == address)
    outside = demo.conn.network.find_network(PUBLIC, ignore_missing=False)
    assert floating.floating_network_id == outside.id
    # one that changes keeps the stack's address; one that goes takes its ports along
    site.place.write(FORWARDED.replace("18080:8080", "18081:8080").replace("scale: 2", "scale: 1"))
    site.zun("up", "-d", "--wait")
    forwardings = demo.conn.network.floating_ip_port_forwardings(floating.id)
    assert {one.external_port for one in forwardings} & {18080, 18081} == {18081}
    until(lambda: page(address, 18081) == "web", 60)
    assert len(list(demo.conn.network.floating_ip_port_forwardings(floating.id))) == 2
    site.zun("down", "-t", "1")
    assert not [one for one in demo.conn.network.ips() if one.id == floating.id]
    assert not [one for one in demo.conn.network.routers() if site.place.name in one.name]


def test_the_plan_says_where_a_published_port_is_not_forwarded(sites: Callable[[str], Site]) -> None:
    inside = sites(FORWARDED + "networks: {default: {internal: true}}\n")
    said = inside.zun("plan")
    assert "published" in said
    assert "own address only, because its networks are internal" in said
    nowhere = sites(FORWARDED + "networks: {default: {driver_opts: {external_network: nowhere}}}\n")
    assert 'because the cloud has no external network "nowhere"' in nowhere.zun("plan")
