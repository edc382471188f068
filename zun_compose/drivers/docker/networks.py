"""Networks and named volumes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from zun_compose.container import NetworkSeen, VolumeSeen
from zun_compose.drivers.docker import observe
from zun_compose.drivers.docker.wire import Part, project_filter, quoted
from zun_compose.errors import Conflict, NotFound, Rejected, Unsupported
from zun_compose.model import IpamPool, Network, Volume


class NetworksAndVolumes(Part):
    """Networks and Volumes over one wire."""

    def networks(self, stack: str) -> Sequence[NetworkSeen]:
        """Those of the stack, by name."""
        reply = self._wire.json(
            "GET",
            "/networks",
            doing=f'list the networks of stack "{stack}"',
            parameters={"filters": project_filter(stack)},
        )
        found = sorted(map(observe.network, reply), key=lambda seen: seen.name)
        self._wire.networks.update(seen.name for seen in found)
        return found

    def network(self, name: str) -> NetworkSeen | None:
        """One by name, with the number of its containers."""
        doing = f'inspect network "{name}"'
        try:
            reply = self._wire.json("GET", f"/networks/{quoted(name)}", doing=doing)
        except NotFound:
            return None
        except Rejected:
            # two networks of one name, which engines before 25 let happen: the oldest is the one meant
            reply = self._eldest(name, doing)
        # the engine also takes the beginning of an id for a name
        if not reply or reply["Name"] != name:
            return None
        self._wire.networks.add(name)
        return observe.network(reply)

    def _eldest(self, name: str, doing: str) -> dict[str, Any] | None:
        found = self._wire.json(
            "GET", "/networks", doing=doing, parameters={"filters": json.dumps({"name": [name]})}
        )
        same = sorted((one for one in found if one["Name"] == name), key=lambda one: str(one["Created"]))
        return same[0] if same else None

    def create_network(self, network: Network, labels: Mapping[str, str]) -> None:
        """Create it as docker compose does."""
        body: dict[str, Any] = {
            "Name": network.name,
            "CheckDuplicate": True,
            "Internal": network.internal,
            "Attachable": network.attachable,
            "Labels": dict(labels),
            "Options": dict(network.driver_opts),
        }
        if network.driver:
            body["Driver"] = network.driver
        if network.enable_ipv6 is not None:
            body["EnableIPv6"] = network.enable_ipv6
        if network.enable_ipv4 is not None:
            if self._wire.api >= (1, 47):
                body["EnableIPv4"] = network.enable_ipv4
            elif not network.enable_ipv4:
                raise Unsupported(f'network "{network.key}": enable_ipv4: false needs API 1.47 or later')
        if network.ipam or network.ipam_driver or network.ipam_options:
            body["IPAM"] = {
                "Driver": network.ipam_driver or "default",
                "Config": [_pool(pool) for pool in network.ipam],
                "Options": dict(network.ipam_options),
            }
        self._wire.call("POST", "/networks/create", doing=f'create network "{network.name}"', body=body)
        self._wire.networks.add(network.name)

    def remove_network(self, name: str) -> None:
        """Remove it by id, found by its exact name."""
        doing = f'remove network "{name}"'
        seen = self.network(name)
        self._wire.networks.discard(name)
        if seen is None:
            return
        if seen.containers:
            # Podman would take it from under them
            raise Conflict(f"cannot {doing}: {seen.containers} running containers are on it")
        try:
            self._wire.call("DELETE", f"/networks/{seen.id}", doing=doing)
        except NotFound:
            return
        except Rejected as error:
            if "active endpoints" in str(error):
                raise Conflict(str(error)) from None
            raise

    def volumes(self, stack: str) -> Sequence[VolumeSeen]:
        """Those of the stack, by name."""
        reply = self._wire.json(
            "GET",
            "/volumes",
            doing=f'list the volumes of stack "{stack}"',
            parameters={"filters": project_filter(stack)},
        )
        return sorted(map(observe.volume, reply.get("Volumes") or ()), key=lambda seen: seen.name)

    def volume(self, name: str) -> VolumeSeen | None:
        """One by name."""
        try:
            reply = self._wire.json("GET", f"/volumes/{quoted(name)}", doing=f'inspect volume "{name}"')
        except NotFound:
            return None
        return observe.volume(reply)

    def create_volume(self, volume: Volume, labels: Mapping[str, str]) -> None:
        """Create it; the engine itself would quietly return one that exists, whatever it holds."""
        doing = f'create volume "{volume.name}"'
        if self.volume(volume.name) is not None:
            raise Conflict(f"cannot {doing}: it exists")
        body: dict[str, Any] = {
            "Name": volume.name,
            "DriverOpts": dict(volume.driver_opts),
            "Labels": dict(labels),
        }
        if volume.driver:
            body["Driver"] = volume.driver
        self._wire.call("POST", "/volumes/create", doing=doing, body=body)

    def remove_volume(self, name: str) -> None:
        """Remove it."""
        try:
            self._wire.call("DELETE", f"/volumes/{quoted(name)}", doing=f'remove volume "{name}"')
        except NotFound:
            return


def _pool(pool: IpamPool) -> dict[str, Any]:
    words = {"Subnet": pool.subnet, "IPRange": pool.ip_range, "Gateway": pool.gateway}
    made: dict[str, Any] = {key: value for key, value in words.items() if value}
    if pool.aux_addresses:
        made["AuxiliaryAddresses"] = dict(pool.aux_addresses)
    return made
