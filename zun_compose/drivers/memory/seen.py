"""Turns a simulated container into what an engine would answer about it."""

from __future__ import annotations

from zun_compose.container import Health, Observed, PortKey, State
from zun_compose.drivers.memory.container import Container
from zun_compose.drivers.memory.health import outcome_at

RUNTIME = "memory"
_HEALTH_LOG_LIMIT = 512


def summary(container: Container) -> Observed:
    """What a list tells."""
    spec = container.spec
    return Observed(
        id=container.id,
        name=container.name,
        service=spec.service.name,
        number=spec.number,
        state=container.state,
        labels=spec.labels,
        image=spec.image,
        image_id=container.image.id,
        oneoff=spec.oneoff,
        exit_code=container.exit_code,
        health=container.health if container.up else Health.NONE,
        status=_status(container),
        command=_command(container),
        created_at=container.world.stamp(container.created_at),
        ports=container.ports,
        addresses=_addresses(container),
    )


def details(container: Container) -> Observed:
    """What an inspect tells."""
    spec, service, world = container.spec, container.spec.service, container.world
    exposed = {PortKey(port.target, port.protocol) for port in service.ports} | set(container.image.exposed)
    for entry in service.expose:
        exposed.update(PortKey(number, entry.protocol) for number in range(entry.first, entry.last + 1))
    started, finished = container.started_at, container.finished_at
    return Observed(
        id=container.id,
        name=container.name,
        service=service.name,
        number=spec.number,
        state=container.state,
        labels=spec.labels,
        image=spec.image,
        image_id=container.image.id,
        oneoff=spec.oneoff,
        exit_code=container.exit_code,
        health=container.health,
        status=_status(container),
        command=_command(container),
        created_at=world.stamp(container.created_at),
        ports=container.ports,
        addresses=_addresses(container),
        detailed=True,
        started_at=None if started is None else world.stamp(started, container.starts),
        finished_at=None if finished is None else world.stamp(finished, container.starts),
        restart_count=container.restart_count,
        runtime=RUNTIME,
        oom_killed=container.oom_killed,
        error=container.error,
        healthcheck=container.check,
        health_log=_health_log(container),
        exposed=tuple(sorted(exposed)),
        restart_policy=str(service.restart.name),
        network_mode=spec.network_mode or (spec.joins[0].network if spec.joins else "bridge"),
        user=service.user or "",
        mounts=container.mounts,
    )


def _addresses(container: Container) -> dict[str, str]:
    # Nothing can be reached at a simulated address, so none is made up: observers ask `listening`.
    return {join.network: "" for join in container.spec.joins}


def _command(container: Container) -> str:
    service = container.spec.service
    return " ".join((*(service.entrypoint or ()), *(service.command or ())))


def _health_log(container: Container) -> str:
    if container.check is None or container.health in (Health.NONE, Health.STARTING):
        return ""
    return outcome_at(container.health_outcomes(), container.elapsed).output[:_HEALTH_LOG_LIMIT]


def _status(container: Container) -> str:
    state = container.state
    if state is State.CREATED:
        return "Created"
    if state is State.RESTARTING:
        return f"Restarting ({container.exit_code})"
    if not container.up:
        return f"Exited ({container.exit_code}) {_age(container, container.finished_at)} ago"
    note = ""
    if state is State.PAUSED:
        note = " (Paused)"
    elif container.health is Health.STARTING:
        note = " (health: starting)"
    elif container.health is not Health.NONE:
        note = f" ({container.health})"
    return f"Up {_age(container, container.started_at)}{note}"


def _age(container: Container, since: float | None) -> str:
    seconds = int(container.world.now - (since or 0.0))
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            return f"{seconds // length} {unit}{'s' if seconds >= 2 * length else ''}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
