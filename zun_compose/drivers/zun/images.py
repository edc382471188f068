"""Images of Glance: which archive a name means."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from zun_compose.container import ContainerSpec
from zun_compose.drivers.zun.cloud import Part
from zun_compose.drivers.zun.faults import translated
from zun_compose.errors import Conflict, NotFound
from zun_compose.model import GLANCE

FORMAT = "docker"
"""Glance's word for the only format that Zun takes: what docker save writes."""

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LATEST = ":latest"


class Images(Part):
    """ImageIds over one cloud. Zun pulls by itself, at each creation."""

    def image_ids(self, references: Collection[str]) -> Mapping[str, str]:
        """Return the ids of images in Glance, "" for one that is not there; of registries nothing is told."""
        found = {}
        for reference in references:
            if reference.startswith(GLANCE):
                found[reference] = ""
                with suppress(NotFound):
                    found[reference] = self._glance_id(reference)
        return found

    def _glance_id(self, reference: str) -> str:
        """Return the id of an image by its name or id.

        Raises NotFound for none that is whole and an archive, Conflict if several have that name.
        """
        name = reference.removeprefix(GLANCE)
        doing = f'find image "{name}" in Glance'
        with translated(doing):
            found = self.glance_named(name) or self.glance_named(name.removesuffix(_LATEST))
        if not found:
            raise NotFound(f'image "{name}" does not exist in Glance')
        fit = [one for one in found if one.container_format == FORMAT and one.status == "active"]
        if not fit:
            first = found[0]
            state = (
                f"is {first.status}"
                if first.container_format == FORMAT
                else f"is of format {first.container_format}"
            )
            raise NotFound(f'image "{name}" in Glance {state}: Zun takes whole archives of format {FORMAT}')
        if len(fit) > 1:
            raise Conflict(f'{len(fit)} images in Glance have the name "{name}": name one by its id')
        return str(fit[0].id)

    def glance_named(self, name: str) -> list[Any]:
        """Return the images in Glance of that name, or the one of that id."""
        glance = self._cloud.glance
        if _ID.fullmatch(name):
            one = glance.find_image(name, ignore_missing=True)
            return [one] if one is not None else []
        return [one for one in glance.images(name=name) if one.name == name]


def of_glance(spec: ContainerSpec) -> bool:
    """Whether a container's image is one of Glance."""
    return spec.image.startswith(GLANCE)
