"""Ports, networks, volumes and images of the simulated engine."""

from __future__ import annotations

import pytest

from tests.unit.drivers.memory_stack import spec, up
from zun_compose.container import Join, State
from zun_compose.drivers.memory import MemoryDriver
from zun_compose.errors import (
    Conflict,
    NotFound,
)
from zun_compose.model import (
    Build,
    Mount,
    MountType,
    Network,
    Port,
    Restart,
    RestartName,
    Volume,
)


def test_host_ports_of_a_range_go_round() -> None:
    driver = MemoryDriver()
    ports = (Port(target=80, published="8000-8001"),)
    seen = [driver.inspect(up(driver, number=n, ports=ports)).ports[0].host_port for n in (1, 2)]
    assert seen == [8000, 8001]
    with pytest.raises(Conflict):
        up(driver, number=3, ports=ports)


def test_one_address_may_share_a_port_with_another_but_not_with_all() -> None:
    driver = MemoryDriver()
    up(driver, "a", ports=(Port(target=80, published="80", host_ip="127.0.0.1"),))
    up(driver, "b", ports=(Port(target=80, published="80", host_ip="127.0.0.2"),))
    up(driver, "c", ports=(Port(target=80, published="80", protocol="udp"),))
    with pytest.raises(Conflict):
        up(driver, "d", ports=(Port(target=80, published="80"),))


def test_a_start_that_fails_gives_back_the_ports_it_took() -> None:
    driver = MemoryDriver()
    first = up(driver, "a", ports=(Port(target=1, published="81"),))
    with pytest.raises(Conflict):
        up(driver, "b", ports=(Port(target=1, published="80"), Port(target=2, published="81")))
    up(driver, "c", ports=(Port(target=1, published="80"),))
    driver.stop(first)
    driver.stop("s-c-1")
    driver.start("s-b-1")


def test_a_life_that_loses_its_port_ends() -> None:
    driver = MemoryDriver({"a": {"exits_after": 1, "exit_code": 1}})
    a = up(driver, "a", ports=(Port(target=1, published="80"),), restart=Restart(name=RestartName.ALWAYS))
    driver.advance(1.0)
    up(driver, "b", ports=(Port(target=1, published="80"),))
    driver.advance(2.0)
    seen = driver.inspect(a)
    assert (seen.state, seen.exit_code) == (State.EXITED, 128)
    assert "already allocated" in seen.error


def test_sharing_a_network_needs_its_owner() -> None:
    driver = MemoryDriver()
    with pytest.raises(NotFound):
        driver.create(spec("side", network_mode="container:nobody"))
    owner = driver.create(spec("owner"))
    side = driver.create(spec("side", network_mode=f"container:{owner}"))
    with pytest.raises(Conflict):
        driver.start(side)
    driver.start(owner)
    driver.start(side)
    assert driver.inspect(side).network_mode == f"container:{owner}"


def test_a_network_that_went_away_keeps_a_container_from_starting() -> None:
    driver = MemoryDriver()
    driver.create_network(Network(key="n", name="s_n"), {})
    container = driver.create(spec(joins=(Join(network="s_n"),)))
    driver.remove_network("s_n")
    with pytest.raises(NotFound):
        driver.start(container)
    assert driver.inspect(container).state is State.CREATED


def test_missing_volumes_are_made_and_shared() -> None:
    driver = MemoryDriver()
    mount = Mount(type=MountType.VOLUME, source="data", target="/data")
    a = driver.create(spec("a", mounts=(mount,)))
    driver.create(spec("b", mounts=(mount,)))
    driver.remove(a, volumes=True)
    with pytest.raises(Conflict):
        driver.remove_volume("data")
    driver.remove("s-b-1")
    driver.remove_volume("data")
    assert driver.volume("data") is None
    driver.create_volume(Volume(key="v", name="v"), {})
    with pytest.raises(Conflict):
        driver.create_volume(Volume(key="v", name="v"), {})


def test_images_are_at_hand_unless_a_list_says_otherwise() -> None:
    everything = MemoryDriver()
    assert everything.image("anything") is not None
    assert everything.images()["anything:1"].startswith("sha256:")
    some = MemoryDriver(images=["busybox"], registry=["alpine"])
    assert dict(some.images()).keys() == {"busybox:latest"}
    with pytest.raises(NotFound):
        some.create(spec())
    progress: list[str] = []
    some.pull("alpine", None, lambda step: progress.append(step.status))
    assert some.image("alpine:latest") is not None
    assert progress == ["complete"]
    with pytest.raises(NotFound):
        some.pull("i", None, lambda step: None)


def test_building_the_same_gives_the_same() -> None:
    driver = MemoryDriver(images=[])
    recipe = Build(context="/src", args={"A": "1"}, tags=("app:stable",))
    first = driver.build("app", recipe, {}, lambda line: None)
    assert driver.build("app", recipe, {}, lambda line: None) == first
    other = driver.build("app", Build(context="/src", args={"A": "2"}), {}, lambda line: None)
    assert other != first
    stable = driver.image("app:stable")
    assert stable is not None
    assert stable.id == first
