"""The first call to an engine: it tells who answers, and its headers settle the API version."""

from __future__ import annotations

import json
from typing import Any

from zun_compose.drivers.docker.address import Address
from zun_compose.drivers.docker.errors import checked
from zun_compose.drivers.docker.transport import Transport
from zun_compose.errors import Unavailable, Unsupported
from zun_compose.record import Record

OLDEST = (1, 40)
NEWEST = (1, 51)


class Greeted(Record, kw_only=True):
    """An engine that answered: its /info, the Server header, the API version to use, and the way to it."""

    # a proxy's password may be in it
    unshown = ("info",)

    transport: Transport
    info: dict[str, Any]
    server: str
    api: tuple[int, int]


def greet(transport: Transport, address: Address, timeout: float, doing: str) -> Greeted:
    """Ask the engine who it is.

    Raises Unavailable if what answers is no engine, Unsupported if it is too old.
    """
    reply = checked(transport.ask("GET", "/info", None, {}, timeout), doing)
    info = json.loads(reply.content)
    words = reply.headers.get("Api-Version", "")
    if not words:
        # something between us strips headers
        version = checked(transport.ask("GET", "/version", None, {}, timeout), doing)
        words = str(json.loads(version.content).get("ApiVersion", ""))
    try:
        major, minor = (int(part) for part in words.split(".")[:2])
    except ValueError:
        raise Unavailable(f"what answers at {address} is no docker engine") from None
    if (major, minor) < OLDEST:
        raise Unsupported(
            f"the docker engine at {address} speaks API {words}; at least {OLDEST[0]}.{OLDEST[1]} is needed"
        )
    return Greeted(
        transport=transport,
        info=info,
        server=reply.headers.get("Server", ""),
        api=min((major, minor), NEWEST),
    )
