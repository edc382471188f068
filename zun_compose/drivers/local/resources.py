"""Networks and volumes, as files of the home."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zun_compose import labels as names
from zun_compose.container import NetworkSeen, VolumeSeen
from zun_compose.drivers.local import leases
from zun_compose.drivers.local.containers import Part, telling
from zun_compose.drivers.local.fixtures import make_volume
from zun_compose.drivers.local.home import read_json, wipe
from zun_compose.drivers.local.look import standing
from zun_compose.drivers.local.removing import volumes_of
from zun_compose.errors import Conflict, Unsupported
from zun_compose.model import Network, Volume

_VOLUME_DRIVERS = (None, "", "local")


class NetworksAndVolumes(Part):
    """Networks and Volumes."""

    def networks(self, stack: str) -> Sequence[NetworkSeen]:
        """Those that carry the stack's label."""
        found = (read_json(path) for path in (self._home.root / "networks").glob("[!.]*.json"))
        seen = [self._seen(body) for body in found if body is not None and _of(body, stack)]
        return sorted(seen, key=lambda one: one.name)

    def network(self, name: str) -> NetworkSeen | None:
        """One by its name, whoever owns it."""
        body = leases.known(self._home, name)
        return None if body is None else self._seen(body)

    def _seen(self, body: Mapping[str, Any]) -> NetworkSeen:
        return NetworkSeen(
            id=body["id"],
            name=body["name"],
            driver=body["driver"],
            labels=body["labels"],
            containers=len(self._users(body)),
        )

    def _users(self, body: Mapping[str, Any]) -> list[str]:
        """The running containers on a network."""
        return [one for one in body["leases"] if standing(self._home.place(one)).up]

    def create_network(self, network: Network, labels: Mapping[str, str]) -> None:
        """Create it. Raises Conflict for a taken name, Rejected for addresses that make no sense."""
        with telling(f'cannot create network "{network.name}"'), self._home.locked():
            leases.make(self._home, network, labels)

    def remove_network(self, name: str) -> None:
        """Remove it; gone is success, in use raises Conflict."""
        with telling(f'cannot remove network "{name}"'), self._home.locked():
            body = leases.known(self._home, name)
            if body is None:
                return
            users = self._users(body)
            if users:
                raise Conflict(f'network "{name}" is used by container "{users[0][:12]}"')
            self._home.network(name).unlink(missing_ok=True)

    def volumes(self, stack: str) -> Sequence[VolumeSeen]:
        """Those that carry the stack's label."""
        return sorted(
            (_volume(body) for body in self._volumes() if _of(body, stack)), key=lambda one: one.name
        )

    def _volumes(self) -> Iterator[dict[str, Any]]:
        for path in (self._home.root / "volumes").glob("[!.]*/meta.json"):
            body = read_json(path)
            if body is not None:
                yield body

    def volume(self, name: str) -> VolumeSeen | None:
        """One by its name, whoever owns it."""
        body = read_json(self._home.volume(name) / "meta.json")
        return None if body is None else _volume(body)

    def create_volume(self, volume: Volume, labels: Mapping[str, str]) -> None:
        """Create it; an existing one raises Conflict."""
        if volume.driver not in _VOLUME_DRIVERS or volume.driver_opts:
            raise Unsupported(
                f'volume "{volume.name}": the local driver has no volume drivers or their options'
            )
        with telling(f'cannot create volume "{volume.name}"'), self._home.locked():
            try:
                make_volume(self._home, volume.name, labels)
            except FileExistsError:
                raise Conflict(f'volume "{volume.name}" exists already') from None

    def remove_volume(self, name: str) -> None:
        """Remove it with all that is in it; gone is success, in use raises Conflict."""
        with telling(f'cannot remove volume "{name}"'):
            with self._home.locked():
                folder = self._home.volume(name)
                if not folder.exists():
                    return
                for place in self._home.every():
                    if name in volumes_of(place):
                        raise Conflict(f'volume "{name}" is used by container "{place.id[:12]}"')
                gone = folder.with_name(f".gone-{folder.name}")
                folder.rename(gone)
            wipe(gone)


def _of(body: Mapping[str, Any], stack: str) -> bool:
    return names.belongs(body.get("labels") or {}, stack)


def _volume(body: Mapping[str, Any]) -> VolumeSeen:
    return VolumeSeen(name=body["name"], driver=body["driver"], labels=body["labels"])
