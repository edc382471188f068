"""Which of an index's images is for this machine."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

from zun_compose.errors import Rejected
from zun_compose.record import Record

# What the kernel calls it, and Go, whose names images use.
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "arm64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "i386": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
    "loongarch64": ("loong64", ""),
}


class Platform(Record, kw_only=True):
    """What an image runs on; `variant` may be empty."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def fits(self, wanted: Platform) -> bool:
        """Whether this is the wanted one; arm64 and arm64/v8 are the same."""
        return (self.os, self.architecture) == (wanted.os, wanted.architecture) and (
            not wanted.variant or _variant(self) in ("", _variant(wanted))
        )


def _variant(one: Platform) -> str:
    return one.variant or ("v8" if one.architecture == "arm64" else "")


def wanted_platform(text: str | None) -> Platform:
    """Return the platform that "linux/arm64[/v8]" means, for None that of this machine; raises Rejected."""
    if text is None:
        machine = platform.machine()
        architecture, variant = _ARCHITECTURES.get(machine, (machine, ""))
        return Platform(os="linux", architecture=architecture, variant=variant)
    parts = text.lower().split("/")
    if len(parts) == 1:
        # As docker does: what is not a system is an architecture.
        parts = ["linux", *parts]
    if len(parts) > 3 or not all(parts):
        raise Rejected(f'"{text}" is no platform: it takes the form OS/ARCHITECTURE[/VARIANT]')
    architecture, variant = _ARCHITECTURES.get(parts[1], (parts[1], ""))
    return Platform(os=parts[0], architecture=architecture, variant=parts[2] if len(parts) == 3 else variant)


def declared_platform(descriptor: Mapping[str, Any]) -> Platform | None:
    """Return what a descriptor says that its image is for, if it says anything."""
    found = descriptor.get("platform")
    if not isinstance(found, dict):
        return None
    parts = [found.get(key) or "" for key in ("os", "architecture", "variant")]
    if not all(isinstance(part, str) for part in parts):
        raise Rejected("an index has a platform of a wrong type")
    return Platform(os=parts[0], architecture=parts[1], variant=parts[2])


def choose(descriptors: Sequence[Mapping[str, Any]], wanted: Platform) -> Mapping[str, Any]:
    """Return the descriptor for a platform; raises Rejected naming those that there are.

    What says nothing is taken if there is no other. An exact variant comes first.
    """
    known = [(declared_platform(one), one) for one in descriptors]
    fitting = [(found, one) for found, one in known if found is not None and found.fits(wanted)]
    for found, one in fitting:
        if _variant(found) == _variant(wanted):
            return one
    if fitting:
        return fitting[0][1]
    if len(known) == 1 and known[0][0] is None:
        return known[0][1]
    names = ", ".join(
        sorted({str(found) for found, _ in known if found is not None and found.os != "unknown"})
    )
    raise Rejected(f"it has no image for {wanted}" + (f", only for {names[:200]}" if names else ""))
