"""Drivers by name: the built-in ones without any search, others by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from zun_compose.driver import Driver
from zun_compose.errors import UsageError

GROUP = "zun_compose.drivers"
BUILT_IN: Mapping[str, str] = {
    "docker": "zun_compose.drivers.docker:connect",
    "local": "zun_compose.drivers.local:connect",
    "memory": "zun_compose.drivers.memory:connect",
    "zun": "zun_compose.drivers.zun:connect",
}


class Loader(Protocol):
    """What makes a driver; `url` is the engine's address, None for the driver's own default."""

    def __call__(self, url: str | None = None) -> Driver:
        """Return a driver that has not called its engine yet."""
        ...


def names() -> tuple[str, ...]:
    """Return all drivers that can be named, built-in ones first."""
    from importlib.metadata import entry_points

    others = sorted({entry.name for entry in entry_points(group=GROUP)} - set(BUILT_IN))
    return (*BUILT_IN, *others)


def loader(name: str) -> Loader:
    """Return what makes the driver of that name; raises UsageError naming those there are."""
    # the built-in ones need no search through the metadata of all installed packages, which takes
    # longer than a whole `ps`; nor can another package take their names
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return cast(Loader, getattr(import_module(module), attribute))
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return cast(Loader, entry.load())
    raise UsageError(f'there is no driver "{name}" (there are: {", ".join(names())})')
