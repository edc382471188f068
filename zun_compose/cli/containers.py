"""How one container is shown by `ps`: docker compose's keys and columns, and what we know beyond them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from zun_compose.cli.table import ago, moment, shortened
from zun_compose.container import Health, Observed, Published, State
from zun_compose.record import Record
from zun_compose.status import ContainerStatus

COLUMNS = ("NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "READINESS", "PORTS")
COMMAND_WIDTH = 20
SHORT_ID = 12
HEADERS = {
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "ExitCode": "EXIT CODE",
    "Health": "HEALTH",
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Labels": "LABELS",
    "Listening": "LISTENING",
    "LocalVolumes": "LOCAL VOLUMES",
    "Mounts": "MOUNTS",
    "Name": "NAME",
    "Names": "NAMES",
    "Networks": "NETWORKS",
    "Ports": "PORTS",
    "Project": "PROJECT",
    "Publishers": "PUBLISHERS",
    "Readiness": "READINESS",
    "ReadySince": "READY SINCE",
    "RunningFor": "CREATED",
    "Service": "SERVICE",
    "Size": "SIZE",
    "State": "STATE",
    "Status": "STATUS",
}
"""What `as_json` gives, and what stands above it in a table of a template."""


class Entry(Record, kw_only=True):
    """A container with the engine's summary of it, and our view where it belongs to a known service."""

    seen: Observed
    known: ContainerStatus | None = None


def row(entry: Entry, now: datetime) -> tuple[str, ...]:
    """Return the cells of one container under COLUMNS."""
    seen = entry.seen
    return (
        seen.name,
        seen.image,
        f'"{shortened(seen.command, COMMAND_WIDTH)}"',
        seen.service,
        _created_ago(seen, now),
        seen.status or seen.state.value,
        readiness(entry),
        ports_text(seen.ports, _unpublished(entry)),
    )


def readiness(entry: Entry) -> str:
    """Return our word for how far it is, with the reason where there is one; "-" if nothing is known."""
    known = entry.known
    if known is None:
        return "-"
    notes = [known.reason] if known.reason else []
    engine = entry.seen.health
    if known.our_health and engine is not Health.NONE and known.our_health != engine.value:
        notes.append(f"our check says {known.our_health}, the engine {engine.value}")
    return f"{known.readiness.value} ({'; '.join(notes)})" if notes else known.readiness.value


def as_json(entry: Entry, stack: str, now: datetime) -> dict[str, Any]:
    """Return docker compose's keys, plus Readiness, Listening (None: could not be told) and ReadySince."""
    seen, known = entry.seen, entry.known
    volumes = [mount.name or mount.source or "" for mount in seen.mounts]
    created = moment(seen.created_at)
    since = known.ready_since if known is not None else None
    listening = known.listening if known is not None else None
    return {
        "Command": f'"{shortened(seen.command, COMMAND_WIDTH)}"',
        "CreatedAt": created.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
        if created
        else seen.created_at,
        "ExitCode": seen.exit_code or 0,
        "Health": "" if seen.health is Health.NONE else seen.health.value,
        "ID": seen.id[:SHORT_ID],
        "Image": seen.image,
        "Labels": ",".join(f"{key}={value}" for key, value in seen.labels.items()),
        "Listening": None if listening is None else [str(port) for port in listening],
        "LocalVolumes": str(sum(1 for mount in seen.mounts if mount.type == "volume")),
        "Mounts": ",".join(volumes),
        "Name": seen.name,
        "Names": seen.name,
        "Networks": ",".join(seen.addresses),
        "Ports": ports_text(seen.ports, _unpublished(entry)),
        "Project": stack,
        "Publishers": [_publisher(port) for port in _ordered([*seen.ports, *_unpublished(entry)])],
        "Readiness": known.readiness.value if known is not None else None,
        "ReadySince": None
        if since is None
        else datetime.fromtimestamp(since, UTC).isoformat(timespec="milliseconds"),
        "RunningFor": _created_ago(seen, now),
        "Service": seen.service,
        "Size": "0B",
        "State": seen.state.value,
        "Status": seen.status,
    }


def ports_text(ports: Iterable[Published], unpublished: Iterable[Published] = ()) -> str:
    """Return ports in docker's words, such as "0.0.0.0:8080->80/tcp", unpublished ones as "81/tcp"."""
    words = [f"{port.target}/{port.protocol}" for port in _ordered(unpublished)]
    words += [
        f"{_host(port.host_ip)}:{port.host_port}->{port.target}/{port.protocol}" for port in _ordered(ports)
    ]
    return ", ".join(words)


def _unpublished(entry: Entry) -> list[Published]:
    """Return ports that are only exposed: docker compose lists those of what runs, with 0 on the host."""
    if entry.known is None or entry.seen.state is not State.RUNNING:
        return []
    published = {(port.target, port.protocol) for port in entry.seen.ports}
    return [
        Published(target=port.port, protocol=port.protocol, host_ip="", host_port=0)
        for port in entry.known.observed.exposed
        if (port.port, port.protocol) not in published
    ]


def _ordered(ports: Iterable[Published]) -> Sequence[Published]:
    return sorted(ports, key=lambda port: (port.target, port.protocol, port.host_ip, port.host_port))


def _publisher(port: Published) -> dict[str, Any]:
    return {
        "URL": port.host_ip,
        "TargetPort": port.target,
        "PublishedPort": port.host_port,
        "Protocol": port.protocol,
    }


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _created_ago(seen: Observed, now: datetime) -> str:
    created = moment(seen.created_at)
    return ago((now - created).total_seconds()) if created else ""
