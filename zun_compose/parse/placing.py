"""The words of x-zun that a cloud carries out: where containers go, and where their image comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zun_compose.model import GLANCE, RestartName, Service
from zun_compose.parse.attributes.own import CPU_POLICIES, IMAGE_DRIVERS
from zun_compose.parse.shorthand import text_of
from zun_compose.parse.tree import Faults, Map, Path, spell

_Fault = Callable[[Path, str, str], None]


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


_LOOKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "auto_heal": (_flag, "true or false"),
    "auto_remove": (_flag, "true or false"),
    "availability_zone": (_name, "a name"),
    "host": (_name, "a name"),
    "cpu_policy": (CPU_POLICIES.__contains__, " or ".join(CPU_POLICIES)),
    "image_driver": (IMAGE_DRIVERS.__contains__, " or ".join(IMAGE_DRIVERS)),
}


def read(own: Mapping[str, Any], image: str | None, path: Path, fault: _Fault) -> dict[str, Any]:
    """Return the fields of the model that these words of one service make; what is wrong goes to `fault`.

    An image of Glance is called "glance://NAME" from here on, however the file says so.
    """
    found: dict[str, Any] = {}
    for key, (fits, looks) in _LOOKS.items():
        if key in own and fits(own[key]):
            found[key] = own[key]
        elif key in own:
            fault((*path, key), f"{spell((*path, key))} must be {looks}", "")
    if "hints" in own:
        found["hints"] = _hints(own["hints"], (*path, "hints"), fault)
    return {**found, **_image(found.get("image_driver"), image, path, fault)}


def refuse_lost_ends(tree: Map, services: Iterable[Service], faults: Faults) -> None:
    """Note the services whose containers are to go with their end, while somebody asks how they ended."""
    found = list(services)
    awaited = {edge.on for one in found for edge in one.dependencies if edge.condition.completion}
    for service in found:
        if not service.auto_remove:
            continue
        why = ""
        if service.restart.name is not RestartName.NO:
            why = "its restart policy keeps it"
        elif service.job or service.name in awaited:
            why = "its end is waited for, and goes with it"
        if why:
            path: Path = ("services", service.name, "x-zun", "auto_remove")
            faults.at(tree, path, "conflict", f'service "{service.name}" cannot have auto_remove: {why}')


def _hints(value: Any, path: Path, fault: _Fault) -> dict[str, str]:
    if not isinstance(value, dict):
        fault(path, f"{spell(path)} must be a mapping", "")
        return {}
    found = {}
    for key, item in value.items():
        if isinstance(item, str | int | float):
            found[key] = text_of(item)
        else:
            fault((*path, key), f"{spell((*path, key))} must be a word or a number", "")
    return found


def _image(driver: str | None, image: str | None, path: Path, fault: _Fault) -> dict[str, str | None]:
    if image is None:
        return {}
    named = image.startswith(GLANCE)
    if named and image == GLANCE:
        fault((*path[:-1], "image"), f"{spell((*path[:-1], 'image'))} names no image of Glance", "")
    if named and driver == "docker":
        where = (*path, "image_driver")
        fault(where, f"{spell(where)} is docker, but the image is one of Glance", "leave it out")
    if driver != "glance":
        return {}
    # said by the image from here on, so that both spellings are one
    return {"image": image if named else f"{GLANCE}{image}", "image_driver": None}
