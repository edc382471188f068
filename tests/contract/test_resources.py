"""Networks, volumes, images and host ports, and who holds them."""

from __future__ import annotations

import socket

import pytest

from tests.contract.lab import Lab
from zun_compose import labels
from zun_compose.container import Join, State
from zun_compose.driver import Images, Networks, Reserves, Volumes
from zun_compose.errors import Conflict, Unsupported
from zun_compose.model import Build, Mount, MountType, Network, Port, Volume


def test_a_network_lives_and_goes(lab: Lab) -> None:
    driver = lab.need(Networks)
    name = lab.network()
    seen = driver.network(name)
    assert (seen.name, seen.containers) == (name, 0)
    assert seen.id
    assert seen.labels[labels.NETWORK] == "net"
    assert [one.name for one in driver.networks(lab.stack)] == [name]
    assert driver.networks(f"{lab.stack}-other") == []
    driver.remove_network(name)
    driver.remove_network(name)
    assert driver.network(name) is None
    assert driver.networks(lab.stack) == []


def test_a_taken_network_name_is_a_conflict(lab: Lab) -> None:
    driver = lab.need(Networks)
    name = lab.network()
    before = driver.network(name)
    with pytest.raises(Conflict):
        driver.create_network(Network(key="other", name=name), {labels.PROJECT: lab.stack})
    assert driver.network(name) == before
    assert len(driver.networks(lab.stack)) == 1


def test_a_running_container_holds_its_networks(lab: Lab) -> None:
    driver = lab.need(Networks)
    first, second = lab.network("first"), lab.network("second")
    container = lab.running(joins=(Join(network=first, aliases=("web",)), Join(network=second)))
    assert set(lab.driver.inspect(container).addresses) == {first, second}
    for name in (first, second):
        with pytest.raises(Conflict):
            driver.remove_network(name)
    lab.driver.remove(container, force=True)
    for name in (first, second):
        driver.remove_network(name)
    assert driver.networks(lab.stack) == []


def test_a_volume_lives_and_goes(lab: Lab) -> None:
    driver = lab.need(Volumes)
    name = lab.volume()
    assert driver.volume(name).labels[labels.VOLUME] == "data"
    assert [one.name for one in driver.volumes(lab.stack)] == [name]
    assert driver.volumes(f"{lab.stack}-other") == []
    driver.remove_volume(name)
    driver.remove_volume(name)
    assert driver.volume(name) is None
    assert driver.volumes(lab.stack) == []


def test_a_taken_volume_name_is_a_conflict(lab: Lab) -> None:
    driver = lab.need(Volumes)
    name = lab.volume()
    with pytest.raises(Conflict):
        driver.create_volume(Volume(key="other", name=name), {labels.PROJECT: lab.stack})
    assert driver.volume(name).labels[labels.VOLUME] == "data"


def test_a_container_holds_its_volumes_even_stopped(lab: Lab) -> None:
    driver = lab.need(Volumes)
    name = lab.volume()
    mount = Mount(type=MountType.VOLUME, source=name, target="/data")
    container = lab.create(mounts=(mount,))
    seen = lab.driver.inspect(container).mounts
    assert [(one.type, one.name, one.target, one.anonymous) for one in seen] == [
        ("volume", name, "/data", False)
    ]
    with pytest.raises(Conflict):
        driver.remove_volume(name)
    lab.driver.remove(container, volumes=True)
    assert driver.volume(name) is not None
    driver.remove_volume(name)


def test_anonymous_volumes_go_only_when_asked(lab: Lab) -> None:
    driver = lab.need(Volumes)
    mount = Mount(type=MountType.VOLUME, target="/data")
    names = []
    for number in (1, 2):
        container = lab.create(number=number, mounts=(mount,))
        (seen,) = lab.driver.inspect(container).mounts
        assert seen.anonymous
        names.append(seen.name)
    lab.driver.remove(lab.name("web", 1))
    lab.driver.remove(lab.name("web", 2), volumes=True)
    try:
        assert driver.volume(names[0]) is not None
        assert driver.volume(names[1]) is None
    finally:
        driver.remove_volume(names[0])


def test_an_anonymous_volume_can_be_handed_on(lab: Lab) -> None:
    driver = lab.need(Volumes)
    first = lab.create(number=1, mounts=(Mount(type=MountType.VOLUME, target="/data"),))
    (kept,) = lab.driver.inspect(first).mounts
    if not lab.shares:
        lab.driver.remove(first)
    second = lab.create(number=2, mounts=(Mount(type=MountType.VOLUME, source=kept.name, target="/data"),))
    lab.driver.remove(first)
    (seen,) = lab.driver.inspect(second).mounts
    assert (seen.name, seen.anonymous) == (kept.name, True)
    lab.driver.remove(second)
    driver.remove_volume(kept.name)


def test_a_host_port_has_one_holder(lab: Lab) -> None:
    if not lab.publishes:
        pytest.skip("no ports of a host are to be had")
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        port = probe.getsockname()[1]
    published = (Port(target=80, published=str(port)),)
    first = lab.driver.create(lab.spec(lab.service("first", ports=published)))
    second = lab.driver.create(lab.spec(lab.service("second", ports=published)))
    lab.driver.start(first)
    assert {(one.target, one.host_port) for one in lab.driver.inspect(first).ports} == {(80, port)}
    with pytest.raises(Conflict):
        lab.driver.start(second)
    assert lab.driver.inspect(second).state is not State.RUNNING
    assert lab.driver.inspect(first).state is State.RUNNING
    lab.driver.stop(first, 0)
    lab.driver.start(second)
    assert lab.driver.inspect(second).state is State.RUNNING


def test_ephemeral_host_ports_differ(lab: Lab) -> None:
    if not lab.publishes:
        pytest.skip("no ports of a host are to be had")
    ports = set()
    for number in (1, 2):
        container = lab.driver.create(lab.spec(lab.service(ports=(Port(target=80),)), number))
        lab.driver.start(container)
        seen = {one.host_port for one in lab.driver.inspect(container).ports if one.target == 80}
        assert len(seen) == 1
        ports |= seen
    assert len(ports) == 2


def test_images_are_found_by_reference_and_id(lab: Lab) -> None:
    driver = lab.need(Images)
    seen = driver.image(lab.image)
    assert driver.image(lab.image.partition(":")[0]).id == seen.id
    assert driver.image(seen.id).id == seen.id
    assert driver.images()[lab.image] == seen.id
    assert driver.image("zun-compose-no-such-image:1") is None
    assert "zun-compose-no-such-image:1" not in driver.images()
    assert lab.driver.inspect(lab.create()).image_id == seen.id


def test_an_image_is_built_used_and_removed(lab: Lab, tmp_path) -> None:
    driver = lab.need(Images)
    if not lab.builds:
        with pytest.raises(Unsupported, match="image import"):
            driver.build(f"{lab.stack}:built", Build(context=str(tmp_path)), {}, print)
        return
    (tmp_path / "Dockerfile").write_text(f"FROM {lab.image}\nLABEL zun-compose-contract={lab.stack}\n")
    tag = f"{lab.stack}:built"
    lines: list[str] = []
    image = driver.build(tag, Build(context=str(tmp_path)), {labels.PROJECT: lab.stack}, lines.append)
    try:
        assert driver.image(tag).id == image
        assert driver.images()[tag] == image
        assert lines
        container = lab.create(image=tag)
        with pytest.raises(Conflict):
            driver.remove_image(tag)
        lab.driver.remove(container)
    finally:
        driver.remove_image(tag)
    driver.remove_image(tag)
    assert driver.image(tag) is None


def test_who_comes_has_its_reserved_place_and_the_others_give_theirs_back(lab: Lab) -> None:
    driver = lab.need(Reserves)
    comes, stays = (lab.spec(lab.service(name)) for name in ("comes", "stays"))
    assert set(driver.reserve([comes, stays])) == {comes.name, stays.name}
    container = lab.driver.create(comes)
    driver.release([comes.name, stays.name])
    driver.vacate(lab.stack)
    addresses = lab.driver.inspect(container).addresses
    assert set(addresses) == {join.network for join in comes.joins}
    lab.driver.start(container)
    assert lab.driver.inspect(container).addresses == addresses
    # who gave its place back finds another one
    assert lab.driver.inspect(lab.driver.create(stays)).addresses != addresses
