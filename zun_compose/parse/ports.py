"""The short form of a service's ports: [ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL]."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from zun_compose.parse.tree import Map


def read_port(text: str, mark: Any) -> list[Map]:
    """Return the long forms of [ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL], one for each port of a range.

    Raises ValueError saying what is wrong.
    """
    address, published, target, protocol = split_port(text)
    if address:
        check_address(address)
    if target[0] == 0:
        raise ValueError("there is no port 0")
    first, last = target
    found = []
    for number in range(first, last + 1):
        entry = Map(mark)
        if address:
            entry["host_ip"] = address
        entry["target"] = number
        if published is not None:
            low, high = published
            if high - low == last - first:
                entry["published"] = str(low + number - first)
            else:
                entry["published"] = f"{low}-{high}"
        entry["protocol"] = protocol
        if last > first:
            entry["#span"] = (first, last)
        found.append(entry)
    return found


def port_count(text: str) -> int:
    """Return how many ports the short form stands for; raises ValueError saying what is wrong."""
    if "-" not in text:
        return 1
    first, last = split_port(text)[2]
    return last - first + 1


def check_address(text: str) -> None:
    """Raise ValueError unless the text is an IP address."""
    try:
        # Python knows scopes such as fe80::1%eth0, docker compose does not.
        ipaddress.ip_address(text.replace("%", " "))
    except ValueError:
        raise ValueError(f'"{text}" is no IP address') from None


def split_port(text: str) -> tuple[str, tuple[int, int] | None, tuple[int, int], str]:
    """Split [ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL]; raises ValueError saying what is wrong."""
    body, _, protocol = text.partition("/")
    rest, _, container = body.rpartition(":")
    address, _, host = rest.rpartition(":")
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    target = _port_range(container, "container port")
    published = _port_range(host, "host port") if host else None
    if published is not None:
        width = target[1] - target[0]
        if published[1] - published[0] != width and width != 0:
            raise ValueError("the two ranges differ in length")
    protocol = protocol.lower() or "tcp"
    if protocol not in ("tcp", "udp", "sctp"):
        raise ValueError("the protocol must be tcp, udp or sctp")
    return address, published, target, protocol


def _port_range(text: str, what: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not re.fullmatch(r"\d{1,5}", first) or (dash and not re.fullmatch(r"\d{1,5}", last)):
        raise ValueError(f"bad {what}")
    low, high = int(first), int(last) if dash else int(first)
    if high < low or high > 65535:
        raise ValueError(f"bad {what}")
    return low, high
