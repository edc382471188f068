"""What is refused, and what is run without."""

from __future__ import annotations

import pytest

from zun_compose.capability import Verdict, told
from zun_compose.drivers.local.cgroups import EVERY, ONLY_1
from zun_compose.drivers.local.refusals import asked_in_vain, refusals
from zun_compose.model import Attachment, Build, FileMount, Logging, Port, Resources, Service, Stack


def service(**declared) -> Service:
    return Service(name="web", image="host", **declared)


@pytest.mark.parametrize(
    ("declared", "word"),
    [
        ({"user": "app"}, "uidmap"),
        ({"runtime": "runsc"}, "runtime"),
        ({"sysctls": {"kernel.shmmax": "1"}}, "kernel.shmmax"),
        ({"cgroup_parent": "x"}, "cgroup_parent"),
        ({"security_opt": ("systempaths=unconfined",)}, "systempaths"),
        ({"logging": Logging(driver="syslog")}, "syslog"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(declared, word) -> None:
    (reason,) = refusals(service(**declared), several_users=False)
    assert word in reason


def test_what_can_be_had_is_not() -> None:
    plain = service(user="0:0", sysctls={"net.core.somaxconn": "5"}, logging=Logging(driver="json-file"))
    assert refusals(plain, several_users=False) == ()
    assert refusals(service(user="app"), several_users=True) == ()
    assert refusals(service(), "app", several_users=False) != ()
    assert refusals(service(user="app"), "app", several_users=False) == refusals(
        service(user="app"), several_users=False
    )
    assert "group_add" in refusals(service(group_add=("5",)), several_users=False)[0]


def warnings(
    one: Service, *, several_users: bool = True, limits: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    stack = Stack(name="shop", services={"web": one})
    found = asked_in_vain(stack, several_users=several_users, limits=limits)
    return told(found, Verdict.IGNORES).get("web", ())


def test_limits_are_said_to_be_missing() -> None:
    limited = service(resources=Resources(memory=1 << 20, cpus=0.5, memory_swappiness=5))
    (sentence,) = warnings(limited)
    assert sentence.startswith("cpus, mem_limit, mem_swappiness: not enforced")
    assert sentence.endswith("the controllers cpu, memory, pids, cpuset")
    one_of_two = EVERY - ONLY_1 - {"cpus", "cpu_shares", "cpu_quota", "cpu_period"}
    sentences = warnings(limited, limits=one_of_two)
    assert sentences[0].startswith("cpus: ")
    assert sentences[0].endswith("the controllers cpu")
    assert sentences[1:] == ("mem_swappiness: not enforced: control groups of version 2 cannot",)
    assert warnings(limited, limits=EVERY) == ()
    assert warnings(service()) == ()


def test_owners_of_files_are_said_to_be_missing_where_there_is_one_user() -> None:
    use = FileMount(source="key", target="/run/secrets/key", uid="5")
    (sentence,) = warnings(service(secrets=(use,)), several_users=False)
    assert "key" in sentence
    assert warnings(service(secrets=(use,))) == ()
    assert (
        warnings(service(secrets=(FileMount(source="key", target="/k", uid="0"),)), several_users=False) == ()
    )


def test_one_network_and_equal_ports_go_without_isolation() -> None:
    one = service(networks=(Attachment(network="default"),), ports=(Port(target=80, published="80"),))
    assert refusals(one, isolated=False) == ()
    two = service(networks=(Attachment(network="a"), Attachment(network="b")))
    assert "several networks" in refusals(two, isolated=False)[0]
    other = service(ports=(Port(target=80, published="8080"),))
    assert "8080:80" in refusals(other, isolated=False)[0]
    assert "2 replicas" in refusals(service(ports=(Port(target=80),), replicas=2), isolated=False)[0]


def test_an_image_that_is_here_needs_no_builder() -> None:
    assert refusals(service(build=Build(context="/a"))) == ()
