"""What Zun is asked for: a ContainerSpec -> the attributes of a new container."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from zun_compose.container import ContainerSpec
from zun_compose.errors import Unsupported
from zun_compose.model import GLANCE, MountType, Service
from zun_compose.record import as_dict

MEBIBYTE = 1 << 20
VOLUME_SIZE = 1
"""GiB of a volume that nobody says the size of."""

MEMORY = "zun-compose.memory"
"""The label that remembers: JSON, pairs of target and volume name, of port and protocol; the healthcheck;
the name of an image of Glance, which Zun is given the id of."""

Find = Callable[[str], str]


def asked(spec: ContainerSpec, volume_id: Find) -> dict[str, Any]:
    """Return the attributes for the Proxy's create_container but for networks; it leaves out what is None.

    `volume_id` finds by name and raises NotFound.
    """
    service = spec.service
    return {
        "name": spec.name,
        "image": spec.image,
        "labels": {**spec.labels, **_remembered(spec)},
        "command": list(service.command) if service.command is not None else None,
        "entrypoint": list(service.entrypoint) if service.entrypoint is not None else None,
        "environment": {key: value for key, value in service.environment.items() if value is not None}
        or None,
        "workdir": service.working_dir,
        "hostname": hostname(spec),
        "cpu": service.resources.cpus,
        "memory": None if (size := mebibytes(service)) is None else str(size),
        "mounts": list(_mounts(spec, volume_id)) or None,
        "restart_policy": _restart(service),
        "runtime": service.runtime,
        "privileged": service.privileged or None,
        "tty": service.tty or None,
        "interactive": service.stdin_open or None,
        "healthcheck": _healthcheck(service),
        "auto_remove": spec.auto_remove or service.auto_remove or None,
        "auto_heal": service.auto_heal or None,
        "availability_zone": service.availability_zone,
        "cpu_policy": service.cpu_policy,
        "hints": dict(service.hints) or None,
        "host": service.host,
        "image_driver": service.image_driver,
    }


def _remembered(spec: ContainerSpec) -> dict[str, str]:
    """Return a label that tells what Zun tells nobody: mounts, declared ports, the declared check."""
    service = spec.service
    told: dict[str, Any] = {
        "mounts": [[mount.target, mount.source] for mount in spec.mounts if mount.source is not None],
        "exposed": [
            *([port.target, port.protocol] for port in service.ports),
            *([port, one.protocol] for one in service.expose for port in range(one.first, one.last + 1)),
        ],
        "healthcheck": as_dict(service.healthcheck) if service.healthcheck is not None else None,
        "image": spec.image if spec.image.startswith(GLANCE) else None,
    }
    kept = {key: rows for key, rows in told.items() if rows}
    return {MEMORY: json.dumps(kept, separators=(",", ":"))} if kept else {}


def memory(labels: Mapping[str, str] | None) -> Mapping[str, Any]:
    """Return what the label of a container remembers; nothing where it is nobody's or not ours."""
    try:
        told = json.loads((labels or {}).get(MEMORY, "{}"))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def with_memory(labels: Mapping[str, str], more: Mapping[str, Any]) -> dict[str, str]:
    """Return labels whose memory holds more."""
    kept = {**memory(labels), **more}
    return {**labels, MEMORY: json.dumps(kept, separators=(",", ":"))} if kept else dict(labels)


def hostname(spec: ContainerSpec) -> str | None:
    """Return the host's name. Zun makes it an alias too: so the service is found by its name."""
    if spec.service.hostname:
        return spec.service.hostname
    name = spec.service.name.replace("_", "-").replace(".", "-")
    return name if len(name) > 1 and not spec.oneoff else None


def mebibytes(service: Service) -> int | None:
    """Return the memory that Zun is asked for, in MiB; it gives no less than four."""
    limit = service.resources.memory
    return None if limit is None else max(4, math.ceil(limit / MEBIBYTE))


def _mounts(spec: ContainerSpec, volume_id: Find) -> Iterator[dict[str, Any]]:
    for mount in spec.mounts:
        if mount.type is not MountType.VOLUME:
            raise Unsupported(
                f'service "{spec.service.name}": {mount.target}: Zun mounts volumes only, not {mount.type}'
            )
        if mount.source is None:
            yield {"type": "volume", "size": str(VOLUME_SIZE), "destination": mount.target}
        else:
            yield {"type": "volume", "source": volume_id(mount.source), "destination": mount.target}


def _restart(service: Service) -> dict[str, str] | None:
    policy = service.restart
    if policy.name == "no":
        return None
    return {"Name": str(policy.name), "MaximumRetryCount": str(policy.maximum or 0)}


def _healthcheck(service: Service) -> dict[str, Any] | None:
    """Return the check for the container's engine; Zun tells nobody what comes of it, so we run it too."""
    check = service.healthcheck
    if check is None or not check.test or check.test[0] != "CMD-SHELL":
        return None
    made: dict[str, Any] = {"cmd": " ".join(check.test[1:])}
    for key in ("interval", "timeout"):
        seconds = getattr(check, key)
        if seconds is not None:
            made[key] = max(1, math.ceil(seconds))
    if check.retries is not None:
        made["retries"] = check.retries
    return made
