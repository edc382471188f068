"""The short form of a service's volumes: SOURCE:TARGET:MODE."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from zun_compose.parse.tree import Map

_PROPAGATIONS = {"private", "rprivate", "shared", "rshared", "slave", "rslave"}


def split_volume(text: str) -> tuple[str, str, str]:
    """Split SOURCE:TARGET:MODE; a drive letter belongs to its path."""
    parts: list[str] = []
    buffer = ""
    for index, char in enumerate(text):
        if char == ":":
            after = text[index + 1 : index + 2]
            if len(buffer) == 1 and buffer.isalpha() and (after in ("\\", "/") or not parts):
                buffer += char
                continue
            parts.append(buffer)
            buffer = ""
        else:
            buffer += char
    parts.append(buffer)
    if len(parts) == 1:
        return "", parts[0], ""
    return parts[0], parts[1], ":".join(parts[2:])


def read_volume(text: str, mark: Any) -> Map:
    """Return the long form of SOURCE:TARGET:MODE; raises ValueError saying what is wrong."""
    source, target, modes = split_volume(text)
    if not target or text.startswith(":"):
        raise ValueError("a part is empty")
    if ":" in modes:
        raise ValueError("too many colons")
    entry = Map(mark)
    bind = bool(source) and is_path(source)
    entry["type"] = "bind" if bind else "volume"
    if source:
        entry["source"] = source
    entry["target"] = target
    volume, host = Map(), Map()
    _modes(modes, entry, volume, host)
    if bind:
        host["create_host_path"] = True
    if bind or host:
        entry["bind"] = host
    # docker compose leaves the empty volume out of very short ones; nothing depends on it.
    if (not bind and len(text) > 2) or volume:
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
    if not target.startswith("/"):
        return target
    cleaned = posixpath.normpath(target)
    return cleaned[1:] if cleaned.startswith("//") else cleaned
