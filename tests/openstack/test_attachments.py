"""Networks, ports, volumes and security groups: Neutron and Cinder tell what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.openstack.conftest import Zun, speaking, unique, until
from zun_compose.openstack import errors
from zun_compose.openstack.container import Container

Gone = Callable[[Container], Container]


@pytest.fixture
def network(admin: Zun) -> Iterator[Any]:
    """A Neutron network with a subnet, gone afterwards."""
    made = admin.conn.network.create_network(name=unique())
    admin.conn.network.create_subnet(network_id=made.id, ip_version=4, cidr="10.91.7.0/24", name=unique())
    yield made
    for port in admin.conn.network.ports(network_id=made.id):
        admin.conn.network.delete_port(port)
    admin.conn.network.delete_network(made)


def test_a_second_network_or_port_is_taken_and_left(admin: Zun, network: Any, gone: Gone) -> None:
    made = gone(admin.run())
    (first,) = admin.proxy.container_networks(made)
    admin.proxy.attach_container_network(made, network=network.id, fixed_ip="10.91.7.77")
    until(lambda: len(list(admin.proxy.container_networks(made))) == 2)
    added = next(row for row in admin.proxy.container_networks(made) if row.net_id == network.id)
    assert [row["ip_address"] for row in added.fixed_ips] == ["10.91.7.77"]
    port = admin.conn.network.get_port(added.id)
    assert port.fixed_ips[0]["ip_address"] == "10.91.7.77"
    assert "10.91.7.77" in admin.proxy.execute_container(made, ["ip", "addr"]).output
    with pytest.raises(errors.BadRequest, match="already connected"):
        admin.proxy.attach_container_network(made, network=network.id)
    admin.proxy.detach_container_network(made, network=network.id)
    until(lambda: [row.id for row in admin.proxy.container_networks(made)] == [first.id])
    until(lambda: "10.91.7.77" not in admin.proxy.execute_container(made, ["ip", "addr"]).output)
    with pytest.raises(errors.BadRequest, match="not attached"):
        admin.proxy.detach_container_network(made, network=network.id)
    port = admin.conn.network.create_port(network_id=network.id, name=unique())
    admin.proxy.attach_container_network(made, port=port.id)
    until(lambda: port.id in {row.id for row in admin.proxy.container_networks(made)})
    admin.proxy.detach_container_network(made, port=port.id)
    until(lambda: port.id not in {row.id for row in admin.proxy.container_networks(made)})


def test_a_container_starts_on_the_network_asked(admin: Zun, network: Any, gone: Gone) -> None:
    made = gone(admin.run(nets=[{"network": network.id, "v4-fixed-ip": "10.91.7.50"}]))
    assert {net: [row["addr"] for row in rows] for net, rows in made.addresses.items()} == {
        network.id: ["10.91.7.50"]
    }


def test_security_groups_reach_the_ports(admin: Zun, gone: Gone) -> None:
    made = gone(admin.run())
    group = admin.conn.network.create_security_group(name=unique())
    (row,) = admin.proxy.container_networks(made)

    def held() -> bool:
        return group.id in admin.conn.network.get_port(row.id).security_group_ids

    try:
        admin.proxy.add_container_security_group(made, group.name)
        until(held)
        until(lambda: admin.proxy.get_container(made.id).security_groups == [group.id])
        admin.proxy.remove_container_security_group(made, group.id)
        until(lambda: not held())
    finally:
        admin.proxy.delete_container(made.id, force=True)
        admin.proxy.wait_for_delete(made, interval=0.2)
        admin.conn.network.delete_security_group(group)


def test_a_call_that_needs_more_than_is_configured_names_it(admin: Zun) -> None:
    with pytest.raises(errors.MicroversionNotSupported, match=r"1\.18 or newer, 1\.1 to 1\.14"):
        list(speaking(admin, "1.14").container_networks("any"))


def test_the_engine_learns_and_forgets_a_network(admin: Zun, network: Any, engine: Any) -> None:
    record = admin.proxy.create_network(network.id, unique())
    assert record.neutron_net_id == network.id
    assert engine.api.inspect_network(network.id)["Driver"] == "kuryr"
    admin.proxy.delete_network(network.id)
    assert network.id not in {found["Name"] for found in engine.api.networks()}
    admin.proxy.delete_network(network.id)
    with pytest.raises(errors.NotFound):
        admin.proxy.delete_network(network.id, ignore_missing=False)


def test_a_cinder_volume_keeps_what_a_container_wrote(admin: Zun) -> None:
    storage: Any = admin.conn.block_storage
    volume = storage.create_volume(size=1, name=unique())
    storage.wait_for_status(volume, "available", wait=30, interval=1)
    mounts = [{"type": "volume", "source": volume.id, "destination": "/data"}]
    try:
        for command, output in (("echo kept >/data/file", ""), ("cat /data/file", "kept\n")):
            made = admin.run(mounts=mounts)
            assert storage.get_volume(volume).status == "in-use"
            assert admin.proxy.execute_container(made, ["sh", "-c", command]) == (output, 0, None, None, None)
            admin.proxy.delete_container(made, force=True)
            admin.proxy.wait_for_delete(made, interval=0.2)
            until(lambda: storage.get_volume(volume).status == "available")
    finally:
        storage.delete_volume(volume)


def test_a_volume_of_its_own_goes_with_the_container(admin: Zun) -> None:
    before = {volume.id for volume in admin.conn.block_storage.volumes()}
    made = admin.create(mounts=[{"type": "volume", "size": "1", "destination": "/data"}])
    admin.proxy.wait_for_status(made, "Created", interval=0.2)
    (own,) = {volume.id for volume in admin.conn.block_storage.volumes()} - before
    admin.proxy.delete_container(made)
    admin.proxy.wait_for_delete(made, interval=0.2)
    until(lambda: own not in {volume.id for volume in admin.conn.block_storage.volumes()})
