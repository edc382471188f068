"""The short form of a service's volumes: SOURCE:TARGET:MODE."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from zun_compose.parse.tree import Map

_PROPAGATIONS = {"private", "rprivate", "shared", "rshared", "slave", "rslave"}


# What has no more characters is a target, whatever they are.
_SHORTEST = 2


def split_volume(text: str) -> tuple[str, str, str]:
    """Split SOURCE:TARGET:MODE; a drive letter belongs to its path, what stands in ${...} is left whole."""
    if len(text) <= _SHORTEST:
        return "", text, ""
    parts: list[str] = []
    buffer = ""
    opened = 0
    for index, char in enumerate(text):
        if text.startswith("${", index):
            opened += 1
        elif char == "}" and opened:
            opened -= 1
        elif char == ":" and not opened and not (len(buffer) == 1 and buffer.isalpha()):
            parts.append(buffer)
            buffer = ""
            continue
        buffer += char
    parts.append(buffer)
    if len(parts) == 1:
        return "", parts[0], ""
    return parts[0], parts[1], ":".join(parts[2:])


def read_volume(text: str, mark: Any) -> Map:
    """Return the long form of SOURCE:TARGET:MODE; raises ValueError saying what is wrong."""
    source, target, modes = split_volume(text)
    if not target or (len(text) > _SHORTEST and (text.startswith(":") or text.endswith(":"))):
        raise ValueError("a part is empty")
    if ":" in modes:
        raise ValueError("too many colons")
    entry = Map(mark)
    bind = bool(source) and is_path(source)
    entry["type"] = "bind" if bind else "volume"
    if source:
        entry["source"] = source
    entry["target"] = clean(target)
    volume, host = Map(), Map()
    _modes(modes, entry, volume, host)
    if bind:
        host["create_host_path"] = True
    if bind or host:
        entry["bind"] = host
    # docker compose leaves the empty volume out of very short ones; nothing depends on it.
    if (not bind and len(text) > _SHORTEST) or volume:
        entry["volume"] = volume
    return entry


def _modes(modes: str, entry: Map, volume: Map, host: Map) -> None:
    """Note what the modes ask for; unknown ones mean nothing, as in docker compose."""
    for mode in modes.split(","):
        if mode == "ro":
            entry["read_only"] = True
        elif mode == "nocopy":
            volume["nocopy"] = True
        elif mode in ("z", "Z"):
            host["selinux"] = mode
        elif mode in _PROPAGATIONS:
            host["propagation"] = mode


def is_path(source: str) -> bool:
    """Tell whether the source of a short volume is a path, not a name."""
    return source[0] in "./~" or source.startswith("\\\\") or bool(re.match(r"[A-Za-z]:", source))


def clean(target: str) -> str:
    """Return a mount target without trailing slashes and dots."""
    cleaned = posixpath.normpath(target)
    return cleaned[1:] if cleaned.startswith("//") else cleaned
