"""What the engine's replies mean: list and inspect JSON -> the frozen types of container.py. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from zun_compose import labels
from zun_compose.container import (
    Health,
    ImageSeen,
    MountSeen,
    NetworkSeen,
    Observed,
    PortKey,
    Published,
    State,
    VolumeSeen,
)
from zun_compose.model import Healthcheck

HEALTH_LOG = 512
# what Go prints for a moment that never was
NEVER = "0001-01-01T00:00:00Z"
NANO = 1_000_000_000

_CODE = re.compile(r"^(?:Exited|Restarting|Dead) \((-?\d+)\)")
_HEALTH = re.compile(r"\((?:health: )?(starting|healthy|unhealthy)\)")
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
# Podman's words that Docker does not have
_STATES = {
    "configured": State.CREATED,
    "initialized": State.CREATED,
    "stopped": State.EXITED,
    "stopping": State.RUNNING,
}

Reply = Mapping[str, Any]


def summary(item: Reply) -> Observed:
    """Read one entry of /containers/json."""
    carried = item.get("Labels") or {}
    words = str(item.get("Status") or "")
    state = _state(item.get("State"))
    code = _CODE.match(words)
    return Observed(
        id=str(item["Id"]),
        name=_own_name(item.get("Names") or ()),
        state=state,
        labels=carried,
        image=str(item.get("Image") or ""),
        image_id=str(item.get("ImageID") or ""),
        exit_code=int(code[1]) if code else None,
        health=_summary_health(item, words),
        status=words,
        command=str(item.get("Command") or ""),
        created_at=_moment(item.get("Created")),
        ports=tuple(
            Published(
                target=port["PrivatePort"],
                protocol=port.get("Type") or "tcp",
                host_ip=port.get("IP") or "",
                host_port=port["PublicPort"],
            )
            for port in item.get("Ports") or ()
            if port.get("PublicPort")
        ),
        addresses=_addresses(item),
        network_mode=str((item.get("HostConfig") or {}).get("NetworkMode") or ""),
        mounts=_mounts(item.get("Mounts")),
        **_identity(carried),
    )


def detailed(reply: Reply) -> Observed:
    """Read the reply of /containers/ID/json."""
    state: Reply = reply.get("State") or {}
    config: Reply = reply.get("Config") or {}
    host: Reply = reply.get("HostConfig") or {}
    carried = config.get("Labels") or {}
    life = _state(state.get("Status"))
    error = str(state.get("Error") or "")
    health: Reply = state.get("Health") or {}
    code = int(state.get("ExitCode") or 0)
    # a container that could not be started stays "created", with a code and an error
    has_code = life.ended or life is State.RESTARTING or bool(life is State.CREATED and error)
    return Observed(
        id=str(reply["Id"]),
        name=str(reply.get("Name") or "").removeprefix("/"),
        state=life,
        labels=carried,
        image=str(config.get("Image") or ""),
        image_id=str(reply.get("Image") or ""),
        exit_code=code if has_code else None,
        health=_health(health.get("Status")),
        status=_status(life, code, _health(health.get("Status"))),
        command=shlex.join([str(reply.get("Path") or ""), *map(str, reply.get("Args") or ())]).strip(),
        created_at=str(reply.get("Created") or ""),
        ports=tuple(_bindings((reply.get("NetworkSettings") or {}).get("Ports"))),
        addresses=_addresses(reply),
        detailed=True,
        started_at=_happened(state.get("StartedAt")),
        finished_at=_happened(state.get("FinishedAt")),
        restart_count=int(reply.get("RestartCount") or 0),
        pid=int(state.get("Pid") or 0) or None,
        runtime=str(host.get("Runtime") or ""),
        oom_killed=bool(state.get("OOMKilled")),
        error=error,
        healthcheck=healthcheck(config.get("Healthcheck")),
        health_log=_last_answer(health),
        exposed=exposed(config.get("ExposedPorts")),
        restart_policy=str((host.get("RestartPolicy") or {}).get("Name") or "no"),
        network_mode=str(host.get("NetworkMode") or ""),
        user=str(config.get("User") or ""),
        mounts=_mounts(reply.get("Mounts")),
        **_identity(carried),
    )


def ordered(containers: Sequence[Observed]) -> list[Observed]:
    """Order by service, then number."""
    return sorted(containers, key=lambda one: (one.service, one.number, one.name, one.id))


def network(reply: Reply) -> NetworkSeen:
    """Read one network; a list's entries do not tell their containers."""
    return NetworkSeen(
        id=str(reply.get("Id") or ""),
        name=str(reply.get("Name") or ""),
        driver=str(reply.get("Driver") or ""),
        labels=reply.get("Labels") or {},
        containers=len(reply.get("Containers") or ()),
    )


def volume(reply: Reply) -> VolumeSeen:
    """Read one volume."""
    return VolumeSeen(
        name=str(reply.get("Name") or ""),
        driver=str(reply.get("Driver") or ""),
        labels=reply.get("Labels") or {},
    )


def image(reply: Reply, reference: str) -> ImageSeen:
    """Read the reply of /images/NAME/json."""
    config: Reply = reply.get("Config") or {}
    return ImageSeen(
        id=str(reply["Id"]),
        reference=reference,
        exposed=exposed(config.get("ExposedPorts")),
        healthcheck=healthcheck(config.get("Healthcheck")),
        volumes=tuple(sorted(config.get("Volumes") or ())),
        digests=tuple(reply.get("RepoDigests") or ()),
    )


def healthcheck(reply: Reply | None) -> Healthcheck | None:
    """Read a container's or image's effective healthcheck; 0 is the API's word for "default"."""
    if not reply or not reply.get("Test"):
        return None
    return Healthcheck(
        test=tuple(reply["Test"]),
        interval=_seconds(reply.get("Interval")),
        timeout=_seconds(reply.get("Timeout")),
        retries=int(reply.get("Retries") or 0) or None,
        start_period=_seconds(reply.get("StartPeriod")),
        start_interval=_seconds(reply.get("StartInterval")),
    )


def exposed(reply: Reply | None) -> tuple[PortKey, ...]:
    """Read {"80/tcp": {}, "53/udp": {}}; ranges, which only images hold, are expanded."""
    keys: set[PortKey] = set()
    for word in reply or ():
        span, _, protocol = str(word).partition("/")
        first, _, last = span.partition("-")
        if first.isdigit():
            keys.update(
                PortKey(port, protocol or "tcp") for port in range(int(first), int(last or first) + 1)
            )
    return tuple(sorted(keys))


def number(carried: Mapping[str, str]) -> int:
    """Return the container number of docker compose's label, 0 without one."""
    word = carried.get(labels.NUMBER, "")
    return int(word) if word.isdigit() else 0


def _identity(carried: Mapping[str, str]) -> dict[str, Any]:
    return {
        "service": carried.get(labels.SERVICE, ""),
        "number": number(carried),
        "oneoff": carried.get(labels.ONEOFF, "").lower() == "true",
    }


def _state(word: object) -> State:
    text = str(word or "").lower()
    if text in _STATES:
        return _STATES[text]
    try:
        return State(text)
    except ValueError:
        return State.DEAD


def _health(word: object) -> Health:
    try:
        return Health(str(word or "none").lower())
    except ValueError:
        return Health.NONE


def _summary_health(item: Reply, words: str) -> Health:
    told = item.get("Health")
    if isinstance(told, Mapping) and told.get("Status"):
        return _health(told["Status"])
    found = _HEALTH.search(words)
    return _health(found[1]) if found else Health.NONE


def _status(state: State, code: int, health: Health) -> str:
    if state is State.RUNNING:
        return "Up" if health is Health.NONE else f"Up ({health})"
    if state in (State.EXITED, State.RESTARTING):
        return f"{state.capitalize()} ({code})"
    return state.capitalize()


def _last_answer(health: Reply) -> str:
    log = health.get("Log") or ()
    return str(log[-1].get("Output") or "").strip()[:HEALTH_LOG] if log else ""


def _own_name(names: Sequence[str]) -> str:
    """Return the container's own name: those that links give it have two slashes."""
    own = [name.removeprefix("/") for name in names if name.count("/") <= 1]
    return own[0] if own else ""


def _addresses(reply: Reply) -> dict[str, str]:
    networks: Reply = (reply.get("NetworkSettings") or {}).get("Networks") or {}
    found = {
        name: str((end or {}).get("IPAddress") or (end or {}).get("GlobalIPv6Address") or "")
        for name, end in networks.items()
    }
    return {name: address for name, address in found.items() if address}


def _bindings(reply: Reply | None) -> Iterator[Published]:
    for word, bindings in (reply or {}).items():
        port, _, protocol = str(word).partition("/")
        for binding in bindings or ():
            if binding.get("HostPort"):
                yield Published(
                    target=int(port),
                    protocol=protocol or "tcp",
                    host_ip=binding.get("HostIp") or "",
                    host_port=int(binding["HostPort"]),
                )


def _mounts(reply: Sequence[Reply] | None) -> tuple[MountSeen, ...]:
    return tuple(
        MountSeen(
            type=str(mount.get("Type") or ""),
            target=str(mount.get("Destination") or ""),
            name=mount.get("Name") or None,
            source=mount.get("Source") or None,
            anonymous=mount.get("Type") == "volume" and bool(_ANONYMOUS.fullmatch(mount.get("Name") or "")),
        )
        for mount in reply or ()
    )


def _seconds(nanoseconds: object) -> float | None:
    return int(nanoseconds) / NANO if isinstance(nanoseconds, int) and nanoseconds else None


def _happened(word: object) -> str | None:
    text = str(word or "")
    return None if not text or text.startswith(NEVER[:19]) else text


def _moment(created: object) -> str:
    """Write Unix seconds as inspect would (Podman's list already holds words)."""
    if isinstance(created, int):
        return datetime.fromtimestamp(created, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(created or "")
