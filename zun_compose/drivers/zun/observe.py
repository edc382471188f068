"""What Zun's answers mean: containers -> the frozen types of container.py. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from zun_compose import labels
from zun_compose.container import MountSeen, Observed, PortKey, State
from zun_compose.drivers.zun.creation import MEMORY, memory
from zun_compose.model import Healthcheck

# Zun's words (zun.common.consts, ContainerStatus) in Docker's. A container that Zun has lost sight of does
# not count as running.
STATES: Mapping[str, State] = {
    "Creating": State.CREATED,
    "Created": State.CREATED,
    "Running": State.RUNNING,
    "Stopped": State.EXITED,
    "Paused": State.PAUSED,
    "Restarting": State.RESTARTING,
    "Rebuilding": State.RESTARTING,
    "Deleting": State.REMOVING,
    "Deleted": State.REMOVING,
    "Error": State.DEAD,
    "Dead": State.DEAD,
    "Unknown": State.DEAD,
}
ALIVE = ("Running", "Paused", "Restarting")
"""Zun's words for a container whose process runs, or will again by itself."""

# What the Proxy marks each of its creations by, and the driver's memory: nobody's labels.
_OWN = frozenset({"zun-compose.creation", MEMORY})
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")

LOST = "Zun does not know how it stands"

# The only place of the exit code: "Exited(137) 2 seconds ago " (zun.container.docker.driver).
_CODE = re.compile(r"^(?:Exited|Dead) ?\((-?\d+)\)")


def observed(container: Any, started_at: str | None = None) -> Observed:
    """Read a container that was fetched. `started_at` is Zun's word for its last start."""
    carried = {key: value for key, value in (container.labels or {}).items() if key not in _OWN}
    state = STATES.get(container.status, State.DEAD)
    words = container.status_detail or ""
    policy = (container.restart_policy or {}).get("Name") or "no"
    return Observed(
        id=str(container.id),
        name=str(container.name or ""),
        service=carried.get(labels.SERVICE, ""),
        number=_number(carried),
        state=state,
        labels=carried,
        image=str(memory(container.labels).get("image") or container.image or ""),
        oneoff=carried.get(labels.ONEOFF) == "True",
        exit_code=exit_code(state, words),
        status=words.strip() or str(container.status or ""),
        command=shlex.join(container.command or ()),
        created_at=str(container.created_at or ""),
        addresses=dict(addresses(container)),
        detailed=True,
        started_at=started_at,
        finished_at=None,
        runtime=str(container.runtime or ""),
        error=_error(container, state),
        healthcheck=healthcheck(container),
        exposed=tuple(exposed(container)),
        restart_policy=policy,
        network_mode="" if container.addresses else "none",
        mounts=tuple(mounts(container)),
    )


def exit_code(state: State, words: str) -> int | None:
    """Return how it ended, from Zun's sentence; None where it says nothing of it."""
    found = _CODE.match(words)
    return int(found[1]) if found and state.ended else None


def addresses(container: Any) -> Iterable[tuple[str, str]]:
    """Yield the first address on each network, by the network's id."""
    for network, rows in (container.addresses or {}).items():
        found = sorted(rows, key=lambda row: int(row.get("version") or 4))
        if found:
            yield str(network), str(found[0]["addr"])


def order(seen: Observed) -> tuple[str, int, str]:
    """Return what containers of a stack are put in order by: service, number, name."""
    return seen.service, seen.number, seen.name


def _number(carried: Mapping[str, str]) -> int:
    text = carried.get(labels.NUMBER, "")
    return int(text) if text.isdecimal() else 0


def _error(container: Any, state: State) -> str:
    if container.status == "Unknown":
        return LOST
    return str(container.status_reason or "") if state is State.DEAD else ""


def mounts(container: Any) -> Iterable[MountSeen]:
    """Yield the volumes that it was created with, as its label remembers them."""
    for target, name in _remembered(container, "mounts"):
        anonymous = _ANONYMOUS.fullmatch(str(name)) is not None
        yield MountSeen(type="volume", target=str(target), name=str(name), anonymous=anonymous)


def exposed(container: Any) -> Iterable[PortKey]:
    """Yield the ports that its image and its service declare; nobody has looked who listens."""
    told = {PortKey(int(port)) for port in container.ports or ()}
    yield from sorted(told | {PortKey(port, kind) for port, kind in _remembered(container, "exposed")})


def healthcheck(container: Any) -> Healthcheck | None:
    """Return the check that its service declares; Zun tells nobody of it, nor what comes of it."""
    told = memory(container.labels).get("healthcheck")
    if not isinstance(told, dict) or not set(told) <= set(Healthcheck.__struct_fields__):
        return None
    return Healthcheck(**{**told, "test": tuple(told["test"]) if told.get("test") else None})


def _remembered(container: Any, what: str) -> list[tuple[Any, Any]]:
    try:
        return [(first, second) for first, second in memory(container.labels).get(what, ())]
    except (ValueError, TypeError):
        return []
