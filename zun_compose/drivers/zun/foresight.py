"""What the cloud would refuse of a plan, found out before anything is made.

Few calls, side by side, and only about what the plan makes. What cannot be asked, by a policy or since a
service is not there, stands in nobody's way here: the cloud itself will say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from zun_compose.driver import Changes
from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.images import Images
from zun_compose.drivers.zun.quotas import shortages
from zun_compose.drivers.zun.volumes import size_of
from zun_compose.errors import DriverError, Fault, NotFound, Rejected
from zun_compose.model import GLANCE, Service, Volume


class Foresight(Images):
    """Foresees over one cloud."""

    def objections(self, changes: Changes) -> Sequence[Fault]:
        """Return the missing images, volume types and zones, each once, and one for all quotas."""
        checks: list[Callable[[Changes], Iterable[Fault]]] = []
        if any((service.image or "").startswith(GLANCE) for service, _ in changes.containers):
            checks.append(self._missing_images)
        if any("type" in volume.driver_opts for volume in changes.volumes):
            checks.append(self._unknown_types)
        checks.append(_bad_sizes)
        if any(service.availability_zone for service, _ in changes.containers):
            checks.append(self._unknown_zones)
        checks.append(self._over_quota)
        return [
            fault
            for found in self._cloud.side_by_side(lambda ask: list(ask(changes)), checks)
            for fault in found
        ]

    def _missing_images(self, changes: Changes) -> Iterable[Fault]:
        for service in _once(changes):
            if not (service.image or "").startswith(GLANCE):
                continue
            try:
                self._glance_id(service.image or "")
            except NotFound as error:
                what = f'service "{service.name}": {error}'
                hint = "bring it there with zun-compose image push --to glance"
                yield Fault(code="plan.image_missing", what=what, mark=service.mark, hint=hint)

    def _unknown_types(self, changes: Changes) -> Iterable[Fault]:
        known: dict[str, str] = {}
        with suppress(DriverError), translated("list the volume types"):
            known = {str(one.name): str(one.id) for one in self._cloud.cinder.types()}
        if not known:
            return
        for volume in changes.volumes:
            kind = volume.driver_opts.get("type")
            if kind is not None and kind not in known and kind not in known.values():
                yield _unknown(volume, kind, sorted(known))

    def _unknown_zones(self, changes: Changes) -> Iterable[Fault]:
        known: set[str] = set()
        with suppress(DriverError), translated("list the availability zones"):
            known = {str(one.name) for one in self._cloud.zun.availability_zones()}
        if not known:
            return
        for service in _once(changes):
            zone = service.availability_zone
            if zone is not None and zone not in known:
                what = f'service "{service.name}": Zun has no availability zone "{zone}"'
                hint = f"there are: {', '.join(sorted(known))}"
                yield Fault(code="plan.unknown_zone", what=what, mark=service.mark, hint=hint)

    def _over_quota(self, changes: Changes) -> Iterable[Fault]:
        short = shortages(self._cloud, changes)
        if short:
            what = f"the project's quotas leave too little: needs {'; '.join(short)}"
            hint = "remove something, or ask the cloud's operator for more"
            yield Fault(code="plan.quota", what=what, hint=hint)


def _once(changes: Changes) -> Iterable[Service]:
    return {service.name: service for service, _ in changes.containers}.values()


def _bad_sizes(changes: Changes) -> Iterable[Fault]:
    for volume in changes.volumes:
        try:
            size_of(volume)
        except Rejected as error:
            what = f'volume "{volume.key}": {error}'
            hint = "give a whole number of GiB"
            yield Fault(code="plan.volume_size", what=what, mark=volume.mark, hint=hint)


def _unknown(volume: Volume, kind: str, known: Sequence[str]) -> Fault:
    what = f'volume "{volume.key}": Cinder has no volume type "{kind}"'
    return Fault(
        code="plan.unknown_volume_type", what=what, mark=volume.mark, hint=f"there are: {', '.join(known)}"
    )
