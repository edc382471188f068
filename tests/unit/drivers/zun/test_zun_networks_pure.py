"""Hosts files, published ports and what labels remember of them, without a cloud."""

from __future__ import annotations

from types import SimpleNamespace

from zun_compose.capability import Verdict
from zun_compose.drivers.zun import creation
from zun_compose.drivers.zun.capabilities import asked_in_vain
from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.hosts import Place, linked, text
from zun_compose.drivers.zun.ports import Reserved
from zun_compose.drivers.zun.publishing import EXTENSION, Publishing, chosen, network_tags, published
from zun_compose.drivers.zun.tags import is_mark, of_stack
from zun_compose.model import Attachment, Network, Port, Service, Stack

OWN = Place(
    name="s-web-1",
    stack="s",
    service="web",
    addresses={"front": ("10.0.0.2", "fd00::2"), "back": ("10.1.0.2",)},
    names={"front": ("s-web-1", "web"), "back": ("s-web-1", "web", "inner")},
)


def place(name: str, network: str, address: str, *names: str, since: str = "", stack: str = "s") -> Place:
    service = name.split("-")[1]
    return Place(
        name=name,
        stack=stack,
        service=service,
        since=since,
        addresses={network: (address,)},
        names={network: (name, *names)},
    )


def entries(file: str) -> list[str]:
    """Return the lines that are not the same in every file."""
    assert file.startswith("127.0.0.1\tlocalhost\n")
    return [line for line in file.splitlines()[6:] if line]


def test_a_container_finds_itself_on_all_its_networks() -> None:
    assert entries(text(OWN, (), hostname="web-host")) == [
        "10.0.0.2\tweb-host s-web-1 web",
        "fd00::2\tweb-host s-web-1 web",
        "10.1.0.2\tweb-host s-web-1 web inner",
    ]


def test_names_reach_as_far_as_their_network() -> None:
    others = [
        place("s-db-1", "back", "10.1.0.9", "db", "store"),
        place("s-far-1", "other", "10.9.0.9", "far"),
    ]
    assert entries(text(OWN, others))[3:] == ["10.1.0.9\ts-db-1 db store"]


def test_replicas_are_all_there_and_the_latest_is_last() -> None:
    first = place("s-db-2", "back", "10.1.0.9", "db", since="2026-01-01")
    later = place("s-db-1", "back", "10.1.0.8", "db", since="2026-01-02")
    assert entries(text(OWN, [later, first]))[3:] == ["10.1.0.9\ts-db-2 db", "10.1.0.8\ts-db-1 db"]
    # so a file that is told of one more only grows
    assert text(OWN, [first, later]).startswith(text(OWN, [first]))


def test_links_and_extra_hosts_are_this_container_s_alone() -> None:
    others = [
        place("s-db-1", "back", "10.1.0.9", "db"),
        place("t-db-1", "back", "10.1.0.7", "db", stack="t"),
    ]
    file = text(OWN, others, links=[("db", "base")], extra=[("far", "192.0.2.1")])
    assert entries(file)[3:] == ["192.0.2.1\tfar", "10.1.0.9\tbase s-db-1 db", "10.1.0.7\tt-db-1 db"]
    assert linked(("db:base", "app")) == [("db", "base"), ("app", "app")]


def test_labels_gain_memory_and_keep_the_rest() -> None:
    one = creation.with_memory({"mine": "yes"}, {"names": [["n", ["db"]]]})
    both = creation.with_memory(one, {"told": True})
    assert both["mine"] == "yes"
    assert creation.memory(both) == {"names": [["n", ["db"]]], "told": True}
    assert creation.with_memory({"mine": "yes"}, {}) == {"mine": "yes"}
    assert creation.memory({creation.MEMORY: "[1"}) == creation.memory(None) == {}


def test_zun_is_asked_for_a_port_or_for_an_address() -> None:
    ours = Reserved(network="n", network_name="net", port="p", addresses=("10.0.0.2",))
    theirs = Reserved(network="n", network_name="net", port=None, addresses=("fd00::2",))
    assert ours.asked() == {"port": "p"}
    assert theirs.asked() == {"network": "n", "v6-fixed-ip": "fd00::2"}


def test_a_published_port_takes_the_first_free_number() -> None:
    assert chosen(Port(target=80, published="8080"), set()) == 8080
    assert chosen(Port(target=80, published="8080"), {(8080, "tcp")}) is None
    assert chosen(Port(target=80, published="8080", protocol="udp"), {(8080, "tcp")}) == 8080
    assert chosen(Port(target=80, published="8080-8081"), {(8080, "tcp")}) == 8081
    free = chosen(Port(target=80), set())
    assert free is not None
    assert chosen(Port(target=80), {(free, "tcp")}) == free + 1


def test_what_is_for_a_host_s_loopback_is_published_to_nobody() -> None:
    own = [Port(target=1, host_ip="127.0.0.1"), Port(target=2, host_ip="::1")]
    open_ones = (Port(target=3), Port(target=4, host_ip="0.0.0.0"), Port(target=5, host_ip="192.0.2.1"))
    assert published((*own, *open_ones)) == open_ones
    found = asked_in_vain(Stack(name="s", services={"web": Service(name="web", ports=tuple(own))}))
    assert [(one.name, one.value, one.verdict) for one in found] == [
        ("ports.host_ip", "127.0.0.1", Verdict.IGNORES),
        ("ports.host_ip", "::1", Verdict.IGNORES),
    ]


def test_links_and_extra_hosts_are_carried_out_but_for_the_host_s_own_address() -> None:
    service = Service(name="web", links=("db:base",), extra_hosts=(("far", "192.0.2.1"),))
    assert not asked_in_vain(Stack(name="s", services={"web": service}))
    service = Service(name="web", extra_hosts=(("me", "host-gateway"),))
    (found,) = asked_in_vain(Stack(name="s", services={"web": service}))
    assert found.verdict is Verdict.REFUSES


def test_a_network_remembers_how_it_was_declared() -> None:
    network = Network(key="n", name="s_n", internal=True, driver_opts={"external_network": "public"})
    assert network_tags(network) == {
        "zun-compose.external_network": "public",
        "zun-compose.internal": "yes",
    }
    assert network_tags(Network(key="n", name="s_n")) == {}


def test_descriptions_tell_whose_a_thing_is() -> None:
    assert is_mark(of_stack("s"))
    assert not is_mark("router of the whole office")
    assert not is_mark(None)


class Neutron:
    """A cloud without routers, as the tests' own is not; any other call than these fails."""

    def find_extension(self, name: str, **_: object) -> None:
        assert name in ("router", EXTENSION)


def test_a_cloud_that_forwards_nothing_is_told_of_and_never_asked_to() -> None:
    cloud = Cloud()
    cloud.__dict__["connection"] = SimpleNamespace(network=Neutron())
    publishing = Publishing(cloud)
    network = Network(key="n", name="s_n")
    web = Service(name="web", ports=(Port(target=80, published="8080"),), networks=(Attachment(network="n"),))
    (found,) = publishing.findings(Stack(name="s", services={"web": web}, networks={"n": network}))
    assert str(found) == (
        'ports.published "8080": reached at the container\'s own address only, '
        "because the cloud's Neutron forwards no ports"
    )
    publishing.clear("s")
    publishing.shut("s", ["port"])
