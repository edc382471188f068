"""Microversions: which are in force, and which keys of a new container need a newer one than the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from zun_compose.openstack.errors import MicroversionNotSupported

# The word in the header OpenStack-API-Version. Zun answers 406 to the service type, keystoneauth's choice.
SERVICE_WORD = "container"


class Microversion(NamedTuple):
    """One microversion; they compare as numbers, so 1.9 stands before 1.10."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the microversion that a text such as "1.40" names.

        Raises:
            ValueError: It names none.
        """
        major, dot, minor = text.strip().partition(".")
        if not (dot and major.isdecimal() and minor.isdecimal()):
            raise ValueError(f"{text!r} is no microversion")
        return cls(int(major), int(minor))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


FIRST = Microversion(1, 1)

# The newest that this package knows, and since 2020 the newest there is.
NEWEST = Microversion(1, 40)


class Offer(NamedTuple):
    """The microversions that may be used: the server's, cut to those known and those configured."""

    lowest: Microversion
    highest: Microversion

    def __str__(self) -> str:
        return f"{self.lowest} to {self.highest}"

    def cut(self, highest: Microversion) -> Offer:
        """Return the part of this range that does not go beyond one microversion."""
        return Offer(self.lowest, min(self.highest, highest))

    def choose(self, what: str, since: str = "1.1", until: str | None = None, *, instead: str = "") -> str:
        """Return the newest microversion in force that has a call.

        Args:
            what: The call, for the message.
            since: The first microversion that has it.
            until: The last that has it; None if it was not removed.
            instead: What to do where it is not to be had.

        Raises:
            MicroversionNotSupported: None in force has it.
        """
        lowest = Microversion.parse(since)
        chosen = self.highest if until is None else min(self.highest, Microversion.parse(until))
        if chosen < max(lowest, self.lowest):
            raise MicroversionNotSupported(what, needed=since, last=until, offered=str(self), instead=instead)
        return str(chosen)


def read_offer(root: object) -> Offer | None:
    """Return what the service's root document offers; None if it is no such document."""
    if not isinstance(root, Mapping):
        return None
    for version in root.get("versions") or ():
        if isinstance(version, Mapping) and version.get("id") == "v1":
            try:
                lowest = Microversion.parse(str(version.get("min_version")))
                return Offer(lowest, Microversion.parse(str(version.get("max_version"))))
            except ValueError:
                return None
    return None


# The first microversion that takes a key of a new container. Zun checks some of them and ignores others.
CREATE_KEYS = {
    "nets": "1.2",
    "auto_remove": "1.3",
    "runtime": "1.5",
    "hostname": "1.9",
    "mounts": "1.11",
    "privileged": "1.21",
    "healthcheck": "1.22",
    "exposed_ports": "1.24",
    "cpu_policy": "1.28",
    "registry": "1.31",
    "tty": "1.36",
    "host": "1.39",
    "entrypoint": "1.40",
}


def needed_to_create(keys: Mapping[str, Any]) -> tuple[str, str]:
    """Return the microversion that these keys need together, and the key that needs the newest."""
    needs = [(Microversion.parse(CREATE_KEYS[key]), key) for key in keys if key in CREATE_KEYS]
    version, key = max(needs, default=(FIRST, ""))
    return str(version), key
