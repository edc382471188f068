"""What a tenant has of one stack, whatever else goes on in the tenant's project meanwhile."""

from __future__ import annotations

from collections.abc import Iterable

from tests.e2e.site import PROJECT
from tests.openstack.conftest import Zun


def belongings(view: Zun, stack: str) -> dict[str, set[str]]:
    """Return the names of all that is there of a stack, by kind; kinds without any are left out."""

    def named(found: Iterable[object]) -> set[str]:
        return {name for one in found if (name := str(getattr(one, "name", ""))).startswith(stack)}

    network, volumes = view.conn.network, list(view.conn.block_storage.volumes())
    networks = {str(one.id): str(one.name) for one in network.networks() if one.name.startswith(stack)}
    kinds = {
        "containers": named(view.proxy.containers()),
        "registries": named(view.proxy.registries()),
        "networks": set(networks.values()),
        "subnets": named(network.subnets()),
        "ports": {str(one.id) for one in network.ports() if one.network_id in networks},
        "groups": named(network.security_groups()),
        "volumes": named(volumes)
        | {str(one.name) for one in volumes if (one.metadata or {}).get(PROJECT) == stack},
    }
    return {kind: names for kind, names in kinds.items() if names}
