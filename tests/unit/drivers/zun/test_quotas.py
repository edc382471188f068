"""What a plan takes of quotas, without a cloud; tests/openstack/test_zun_quotas.py asks a real one."""

from __future__ import annotations

from types import SimpleNamespace

from zun_compose.driver import Changes
from zun_compose.drivers.zun.groups import opened
from zun_compose.drivers.zun.quotas import compared, of_containers, of_networks, of_volumes
from zun_compose.foresight import changes_of
from zun_compose.model import (
    Attachment,
    IpamPool,
    Mount,
    MountType,
    Network,
    Port,
    Resources,
    Service,
    Stack,
    Volume,
)
from zun_compose.plan.steps import Plan, Step, Verb
from zun_compose.record import replace

NET = Network(key="default", name="s_default")
ON_NET = (Attachment(network="default"),)
# nobody is let in by what is declared for a host alone
PORTS = (Port(target=80), Port(target=80, protocol="udp"), Port(target=9, host_ip="127.0.0.1"))


def test_kinds_that_are_short_are_named_with_what_is_left() -> None:
    needs = {"containers": 12, "memory": 512, "cpu": 0.5, "disk": 0, "port": 1, "volumes_fast": 3}
    left = {"containers": 4, "memory": 512, "cpu": 0.2, "disk": -5, "volumes_fast": -1}
    assert compared(needs, left) == [
        "12 containers, 4 left",
        "0.5 CPUs, 0.2 left",
        '3 volumes of type "fast", 0 left',
    ]


def test_what_leaves_makes_room() -> None:
    web = Service(name="web", resources=Resources(cpus=1.5, memory=(64 << 20) + 1))
    gone = SimpleNamespace(memory="512", cpu=1.0, disk=10)
    needs = of_containers(Changes(stack="s", containers=((web, ()), (web, ()))), [gone])
    assert needs == {"containers": 1, "memory": 2 * 65 - 512, "cpu": 2.0, "disk": -10}
    assert not compared(needs, {"containers": 1, "memory": 0, "cpu": 2, "disk": 0})


def test_networks_come_with_subnets_groups_and_rules() -> None:
    web = Service(name="web", networks=ON_NET, ports=PORTS)
    log = Service(name="log", networks=ON_NET)
    changes = Changes(stack="s", containers=((web, ()), (web, ()), (log, ())), networks=(NET,))
    assert of_networks(changes) == {
        "network": 1,
        "subnet": 1,
        "port": 3,
        "security_group": 2,
        # both let all out; the stack's lets its members in, the service's everybody by two ports
        "security_group_rule": (2 + 2) + (2 + 4),
    }
    there = of_networks(changes, ("s_members", opened("s", web)), 3)
    assert (there["security_group"], there["security_group_rule"], there["port"]) == (0, 0, 0)
    # other ports take another group, while the old one stands; a service of a longer name has its own
    for other in (replace(web, ports=PORTS[:1]), Service(name="web_admin", ports=PORTS)):
        beside = of_networks(changes, ("s_members", opened("s", other)))
        assert (beside["security_group"], beside["security_group_rule"]) == (1, 2 + 4)
    both = Network(key="b", name="b", enable_ipv6=True, ipam=(IpamPool(subnet="10.1.0.0/24"),))
    assert of_networks(Changes(stack="s", networks=(both,)))["subnet"] == 2


def test_volumes_count_by_size_and_type() -> None:
    scratch = Mount(type=MountType.VOLUME, target="/scratch")
    kept = Mount(type=MountType.VOLUME, target="/kept")
    changes = Changes(
        stack="s",
        containers=((Service(name="web", mounts=(scratch, kept)), ("/kept",)),),
        volumes=(
            Volume(key="a", name="a", driver_opts={"size": "5", "type": "fast"}),
            Volume(key="b", name="b"),
        ),
    )
    assert of_volumes(changes) == {
        "volumes": 3,
        "gigabytes": 7,
        "volumes_fast": 1,
        "gigabytes_fast": 5,
    }


def test_a_plan_says_what_it_makes_and_takes_away() -> None:
    web = Service(name="web", networks=ON_NET)
    stack = Stack(
        name="s",
        services={"web": web},
        networks={"default": NET},
        volumes={"data": Volume(key="data", name="s_data")},
    )

    def step(verb: Verb, handle: str, **more: object) -> Step:
        return Step(id=f"{verb} {handle}", verb=verb, subject="", cause="", handle=handle, **more)  # type: ignore[arg-type]

    kept = Mount(type=MountType.VOLUME, source="v", target="/kept")
    plan = Plan(
        stack="s",
        steps=(
            step(Verb.REMOVE_NETWORK, "s_default"),
            step(Verb.CREATE_NETWORK, "default"),
            step(Verb.CREATE_VOLUME, "data"),
            step(Verb.REMOVE, "id-1"),
            step(Verb.CREATE, "s-web-1", service="web", mounts=(kept,)),
            step(Verb.START, "s-web-1", service="web"),
        ),
    )
    assert changes_of(stack, plan) == Changes(
        stack="s",
        containers=((web, ("/kept",)),),
        leaving=("id-1",),
        networks=(NET,),
        networks_leaving=("s_default",),
        volumes=(stack.volumes["data"],),
    )
