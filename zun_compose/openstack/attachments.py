"""A container's Neutron networks, ports and security groups; and Zun's own records of networks."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from openstack import resource

from zun_compose.openstack.container import Container
from zun_compose.openstack.resource import ZunResource, remove, segment
from zun_compose.openstack.session import ZunSession

_WITH_NEUTRON = "change the security groups of the container's Neutron ports instead"


class ContainerNetwork(ZunResource):
    """One port of a container. Its id is the port's. Since 1.18."""

    resources_key = "networks"
    base_path = "/containers/%(container_id)s/network_list"
    since = "1.18"
    paged = False
    allow_list = True

    id: str = resource.Body("port_id", alternate_id=True)
    container_id: str = resource.URI("container_id")
    net_id: str = resource.Body("net_id")
    """The Neutron network's id."""
    fixed_ips: list[dict[str, Any]] = resource.Body("fixed_ips", type=list)
    """Rows of ip_address, version (4 or 6), subnet_id."""


class Network(ZunResource):
    """Zun's record that the engine knows a Neutron network. Nothing lists or fetches it."""

    base_path = "/networks"
    allow_create = True

    name: str = resource.Body("name")
    network_id: str = resource.Body("network_id")
    """The engine's id."""
    neutron_net_id: str = resource.Body("neutron_net_id")
    project_id: str = resource.Body("project_id")
    user_id: str = resource.Body("user_id")


class AttachmentCalls(ZunSession):
    """Networks and security groups; all raise NotFound, and WrongState where the state forbids it."""

    def container_networks(self, container: str | Container) -> Generator[ContainerNetwork, None, None]:
        """Yield a container's ports with their addresses. Since 1.18."""
        ident = segment(self._get_resource(Container, container).id)
        return self._list(ContainerNetwork, container_id=ident)

    def attach_container_network(
        self,
        container: str | Container,
        *,
        network: str | None = None,
        port: str | None = None,
        fixed_ip: str | None = None,
    ) -> None:
        """Give a container a port on one more Neutron network. Since 1.8.

        Args:
            container: Which.
            network: The network, by id or name; else a port.
            port: A port that exists, by id or name.
            fixed_ip: The address wanted on `network`.

        Raises:
            BadRequest: The container is on that network already, or there is no such address.
        """
        params = {"network": network, "port": port, "fixed_ip": fixed_ip}
        self._get_resource(Container, container).act(self, "network_attach", params, since="1.8")

    def detach_container_network(
        self, container: str | Container, *, network: str | None = None, port: str | None = None
    ) -> None:
        """Take a container off a Neutron network, named itself (since 1.6) or by a port (since 1.17).

        Zun goes by the network: also with `port`, all of the container's ports there go.

        Raises:
            BadRequest: The container is not on that network.
        """
        since = "1.6" if port is None else "1.17"
        params = {"network": network, "port": port}
        self._get_resource(Container, container).act(self, "network_detach", params, since=since)

    def add_container_security_group(self, container: str | Container, group: str) -> None:
        """Add a security group, by id or name, to all ports of a container.

        Zun removed the call in 1.15; it is made with 1.14, as long as the server takes that.

        Raises:
            MicroversionNotSupported: The server does not take 1.14 any more; Neutron has to be asked.
            BadRequest: There is no such group, or the container has it.
        """
        found = self._get_resource(Container, container)
        found.act(self, "add_security_group", {"name": group}, until="1.14", instead=_WITH_NEUTRON)

    def remove_container_security_group(self, container: str | Container, group: str) -> None:
        """Remove a security group from all ports of a container, as add_container_security_group adds it.

        Raises:
            MicroversionNotSupported: The server does not take 1.14 any more; Neutron has to be asked.
            BadRequest: There is no such group, or the container does not have it.
        """
        found = self._get_resource(Container, container)
        found.act(self, "remove_security_group", {"name": group}, until="1.14", instead=_WITH_NEUTRON)

    def create_network(self, neutron_net_id: str, name: str) -> Network:
        """Have the engine know a Neutron network before any container needs it; admins.

        Raises:
            Conflict: It knows it already.
        """
        return self._create(Network, neutron_net_id=neutron_net_id, name=name)

    def delete_network(self, neutron_net_id: str, ignore_missing: bool = True) -> None:
        """Have the engine forget a Neutron network, by that network's id; admins. Since 1.27.

        Raises:
            NotFound: It does not know it, and `ignore_missing` is false.
        """
        remove(self, Network.new(id=neutron_net_id), ignore_missing, since="1.27")
