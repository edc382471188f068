"""Named volumes: a Cinder volume each. Its labels are its metadata."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from zun_compose import labels as names
from zun_compose.container import VolumeSeen
from zun_compose.drivers.zun.cloud import Part, id_of, only
from zun_compose.drivers.zun.creation import VOLUME_SIZE
from zun_compose.drivers.zun.faults import translated
from zun_compose.errors import Conflict, DriverError, Rejected
from zun_compose.model import Volume

LONGEST = 255
"""Characters of one value of Cinder's metadata."""

ANONYMOUS = "zun-compose.anonymous"
"""Metadata of a volume that goes with its container, if it is asked to."""

_DELETABLE = ("available", "error", "error_restoring", "error_extending", "error_managing")
_GOING = 120.0


class Volumes(Part):
    """Volumes over one cloud."""

    def volumes(self, stack: str) -> Sequence[VolumeSeen]:
        """Those of the stack, by name."""
        with translated(f'list the volumes of stack "{stack}"'):
            found = [
                _seen(one)
                for one in self._cloud.cinder.volumes(details=True)
                if names.belongs(one.metadata or {}, stack) and ANONYMOUS not in (one.metadata or {})
            ]
        return sorted(found, key=lambda seen: seen.name)

    def volume(self, name: str) -> VolumeSeen | None:
        """One by name. Raises Conflict if several have that name."""
        with translated(f'inspect volume "{name}"'):
            found = self._volume_named(name)
        return None if found is None else _seen(found)

    def _volume_named(self, name: str) -> Any | None:
        return only(self._cloud.cinder.volumes(details=True, name=name), name, "volume")

    def create_volume(self, volume: Volume, labels: Mapping[str, str]) -> None:
        """Create it and wait until it can be used; options say its size (GiB), type, availability zone."""
        doing = f'create volume "{volume.name}"'
        for key, value in labels.items():
            if len(value) > LONGEST:
                raise Rejected(f'cannot {doing}: its label "{key}" is longer than {LONGEST} characters')
        options = volume.driver_opts
        with translated(doing), self._cloud.lock:
            if self._volume_named(volume.name) is not None:
                raise Conflict(f"cannot {doing}: it exists")
            made = self._cloud.cinder.create_volume(
                name=volume.name,
                size=size_of(volume),
                volume_type=options.get("type"),
                availability_zone=options.get("availability_zone"),
                metadata=dict(labels),
            )
        with translated(doing):
            self._until_available(made.id, doing)

    def _until_available(self, volume: str, doing: str) -> None:
        def look() -> bool | None:
            seen = self._cloud.cinder.get_volume(volume)
            if str(seen.status).startswith("error"):
                self._cloud.cinder.delete_volume(volume, ignore_missing=True)
                raise Rejected(f"cannot {doing}: Cinder says {seen.status}")
            return True if seen.status == "available" else None

        self._cloud.until(look, doing)

    def _anonymous(self, stack: str, doing: str) -> str:
        """Make a volume that nobody named; returns its name. Zun's own ones could not outlive a container."""
        name = secrets.token_hex(32)
        metadata = {names.PROJECT: stack, ANONYMOUS: "yes"}
        made = self._cloud.cinder.create_volume(name=name, size=VOLUME_SIZE, metadata=metadata)
        try:
            self._until_available(made.id, doing)
        except BaseException:
            with suppress(DriverError), translated(doing):
                self._cloud.cinder.delete_volume(made.id, ignore_missing=True)
            raise
        return name

    def _volume_id(self, name: str) -> str:
        """Return a volume's id by its name. Raises NotFound."""
        return id_of(self._volume_named(name), name, "volume")

    def remove_volume(self, name: str) -> None:
        """Remove it; one that a container just gave back is waited for."""
        doing = f'remove volume "{name}"'
        with translated(doing):
            found = self._volume_named(name)
            if found is None:
                return
            if found.status in ("in-use", "attaching"):
                raise Conflict(f"cannot {doing}: a container has it")
            self._cloud.until(lambda: self._settled(found.id), doing, _GOING)
            self._cloud.cinder.delete_volume(found.id, ignore_missing=True)
            self._cloud.until(lambda: True if self._volume_named(name) is None else None, doing, _GOING)

    def _settled(self, volume: str) -> bool | None:
        return True if self._cloud.cinder.get_volume(volume).status in _DELETABLE else None


def size_of(volume: Volume) -> int:
    """Return the GiB that a volume is declared with, or the least. Raises Rejected for what is no number."""
    text = volume.driver_opts.get("size")
    if text is None:
        return VOLUME_SIZE
    if not text.isdecimal() or not int(text):
        raise Rejected(f'a size is a whole number of GiB, not "{text}"')
    return int(text)


def _seen(volume: Any) -> VolumeSeen:
    return VolumeSeen(name=str(volume.name), driver="cinder", labels=dict(volume.metadata or {}))
