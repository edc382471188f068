"""Blueprint and record -> Observed, checked against the kernel: a record outlives kill -9 and reboots."""

from __future__ import annotations

import shlex
from typing import Any

from zun_compose.container import Health, MountSeen, Observed, PortKey, Published, State
from zun_compose.drivers.local.home import ANONYMOUS, Place
from zun_compose.drivers.local.papers import Account, Blueprint
from zun_compose.linux.proc import alive, boot_id
from zun_compose.model import Healthcheck
from zun_compose.record import replace

RUNTIME = "bubblewrap"


def standing(place: Place) -> Account:
    """Return how a container stands now: what its record says, if the supervisor that wrote it lives."""
    record = Account.load(place)
    if not record.up or alive(record.supervisor, record.supervisor_start, record.boot):
        return record
    # its last word may have come between our two looks
    record = Account.load(place)
    if not record.up or alive(record.supervisor, record.supervisor_start, record.boot):
        return record
    why = "its supervisor was killed" if record.boot == boot_id() else "the machine was started anew"
    return replace(
        record,
        status="exited",
        pid=None,
        exit_code=None,
        health="none",
        ports=(),
        addresses={},
        error=f"{why}, so nobody saw it end and its exit code is unknown",
    )


def observed(place: Place) -> Observed:
    """Look at a container; raises NotFound if it is gone."""
    blueprint = Blueprint.load(place)
    record = standing(place)
    return _observed(blueprint, record, _name(place, blueprint))


def _name(place: Place, blueprint: Blueprint) -> str:
    try:
        return place.name.read_text()
    except OSError:
        return blueprint.name


def _observed(blueprint: Blueprint, record: Account, name: str) -> Observed:
    state = State(record.status)
    up = state in (State.RUNNING, State.PAUSED)
    health = Health(record.health)
    return Observed(
        id=blueprint.id,
        name=name,
        service=blueprint.service,
        number=blueprint.number,
        state=state,
        labels=blueprint.labels,
        image=blueprint.image,
        image_id=blueprint.image_id,
        oneoff=blueprint.oneoff,
        exit_code=None if up else record.exit_code,
        health=health,
        status=_status(state, record.exit_code, health),
        command=shlex.join(blueprint.argv),
        created_at=blueprint.created_at,
        ports=tuple(
            Published(target=target, protocol=protocol, host_ip=address, host_port=port)
            for target, protocol, address, port in record.ports
        ),
        addresses=record.addresses,
        detailed=True,
        started_at=record.started_at,
        finished_at=record.finished_at,
        restart_count=record.restarts,
        pid=record.pid if up else None,
        runtime=RUNTIME,
        error=record.error,
        oom_killed=record.oom_killed,
        healthcheck=_healthcheck(blueprint),
        health_log=record.health_log,
        exposed=tuple(sorted(PortKey(port, protocol) for port, protocol in blueprint.exposed)),
        restart_policy=blueprint.restart,
        network_mode=blueprint.network_mode or "",
        user=blueprint.user,
        mounts=tuple(_mount(one) for one in blueprint.mounts if one.kind != "device"),
    )


def _mount(one: Any) -> MountSeen:
    return MountSeen(
        type=one.kind,
        target=one.target,
        name=one.volume,
        source=one.source or None,
        # by its name, as an anonymous volume that was handed on stays one
        anonymous=one.volume is not None and bool(ANONYMOUS.fullmatch(one.volume)),
    )


def _healthcheck(blueprint: Blueprint) -> Healthcheck | None:
    check = blueprint.check
    if check is None:
        return None
    return Healthcheck(
        test=check.test,
        interval=check.interval,
        timeout=check.timeout,
        retries=check.retries,
        start_period=check.start_period,
        start_interval=check.start_interval,
    )


def _status(state: State, code: int | None, health: Health) -> str:
    if state is State.RUNNING:
        return "Up" if health is Health.NONE else f"Up ({health})"
    if state in (State.EXITED, State.RESTARTING):
        return f"{state.capitalize()} ({'unknown' if code is None else code})"
    return state.capitalize()
