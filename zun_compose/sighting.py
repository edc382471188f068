"""What observers bring back about one container: the raw material that readiness judges."""

from __future__ import annotations

from zun_compose.container import Observed, PortKey
from zun_compose.record import Record


class SocketReading(Record, kw_only=True):
    """One look at the sockets of one container.

    `listening` are ports bound on an address that others can reach (127.0.0.0/8, ::1 and
    ::ffff:127.0.0.0/104 do not count); `loopback` those bound on loopback only; `foreign` those that another
    process of a shared network namespace held before the container started; `unattributed`
    the part of `listening` whose owner could not be told. A port in `listening` is final. One that
    is missing is only known to be closed if `complete`; `source` says what was asked (netlink,
    proc, exec, tcp, engine, none) and `note` what stood in the way.
    """

    listening: frozenset[PortKey] = frozenset()
    loopback: frozenset[PortKey] = frozenset()
    foreign: frozenset[PortKey] = frozenset()
    unattributed: frozenset[PortKey] = frozenset()
    complete: bool = False
    source: str = "none"
    note: str = ""


class Answer(Record, kw_only=True):
    """What one probe or healthcheck run said. `text` is bounded (512 characters) and fit to be shown.

    `ran` is False if it could not be run at all (no shell in the image, container gone): that is
    no verdict on the service. `seconds` is how long it took.
    """

    ok: bool
    text: str = ""
    seconds: float = 0.0
    ran: bool = True
    exit_code: int | None = None


class Sighting(Record, kw_only=True):
    """One look at one container. None means "not looked at this time", never "not there".

    `gone` is True when the engine does not know the container any more. `life` is the engine's word for
    the start of the life that `sockets` belong to (None: the present one). `seconds` is what it cost.
    `last_line` is what a container that crashed wrote last.
    """

    container: str
    observed: Observed | None = None
    gone: bool = False
    sockets: SocketReading | None = None
    life: str | None = None
    seconds: float = 0.0
    error: str = ""
    last_line: str = ""
