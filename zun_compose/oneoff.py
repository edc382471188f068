"""`run`: a one-off container of a service, started once the service's gates have opened."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from zun_compose import labels as names
from zun_compose.contents import Contents
from zun_compose.driver import Session, Terminal
from zun_compose.errors import NotFound, Unsupported, UsageError
from zun_compose.events import Event
from zun_compose.model import Mount, MountType, Port, Restart, Service, Stack
from zun_compose.observation import observe
from zun_compose.options import RunOptions, UpOptions
from zun_compose.plan.divergence import image_of
from zun_compose.plan.edges import refuse_unknown
from zun_compose.record import replace
from zun_compose.spec import specify

if TYPE_CHECKING:
    from zun_compose.engine import Engine

_MOUNT_OPTIONS = ("ro", "rw", "z", "Z", "nocopy")


def run_oneoff(
    engine: Engine,
    stack: Stack,
    name: str,
    options: RunOptions,
    *,
    sink: Callable[[Event], None] | None,
    cancel: threading.Event | None,
) -> int:
    """Run it; returns the container's exit code (0 at once when detached).

    Raises SpecError for an unknown service, Unsupported where the driver has no terminals, and all
    that `up` of the dependencies raises.
    """
    driver = engine.driver
    refuse_unknown(stack, [name])
    service = stack.services[name]
    if not isinstance(driver, Terminal):
        msg = f"the {driver.name} driver has no terminals"
        raise Unsupported(msg)
    one = _oneoff(service, options, stack.working_dir)
    up = UpOptions(pull=options.pull, build=options.build, no_deps=options.no_deps, adopt=True)
    engine.up_for(stack, up, one, sink=sink, cancel=cancel)
    container = _create(engine, stack, one, options)
    session = Session(tty=options.tty, stdin=options.interactive, detach=options.detach)
    if options.detach:
        driver.start(container)
        return 0
    try:
        return driver.start_attached(container, session)
    finally:
        if options.remove:
            driver.remove(container, force=True, volumes=True)


def oneoff_name(stack: str, service: str) -> str:
    """Return a new name for a one-off container, as docker compose makes them."""
    return f"{stack}-{service}-run-{secrets.token_hex(6)}"


def _oneoff(service: Service, options: RunOptions, folder: str) -> Service:
    environment = {**service.environment, **options.environment}
    ports = service.ports if options.service_ports else ()
    return replace(
        service,
        command=_command(service, options),
        entrypoint=options.entrypoint if options.entrypoint is not None else service.entrypoint,
        environment=environment,
        labels={**service.labels, **options.labels},
        user=options.user or service.user,
        working_dir=options.working_dir or service.working_dir,
        ports=(*ports, *(port for text in options.publish for port in _ports(text))),
        mounts=(*service.mounts, *(_mount(text, folder) for text in options.volumes)),
        restart=Restart(),
        healthcheck=service.healthcheck,
        container_name=None,
        tty=options.tty and not options.detach,
        stdin_open=options.interactive and not options.detach,
        replicas=1,
    )


def _create(engine: Engine, stack: Stack, service: Service, options: RunOptions) -> str:
    driver = engine.driver
    contents = Contents()
    world = observe(driver, stack)
    reference = image_of(stack, service)
    image_id = world.images.get(reference, reference)
    first = {seen.service: seen.id for seen in reversed(world.containers) if not seen.oneoff}

    def container_of(other: str) -> str:
        if other not in first:
            msg = f'service "{other}" has no container to share'
            raise NotFound(msg)
        return first[other]

    spec = specify(
        stack,
        service,
        name=options.name or oneoff_name(stack.name, service.name),
        number=1,
        image=reference,
        image_id=image_id,
        salt=secrets.token_hex(8),
        file_digests=contents.digests(stack, [service]),
        container_of=container_of,
        read=contents.read,
        bind_files=world.engine.local and not world.engine.copies_files,
        oneoff=not options.use_aliases,
    )
    labels = {**spec.labels, names.ONEOFF: "True"}
    remove = options.remove and options.detach
    return driver.create(replace(spec, labels=labels, oneoff=True, auto_remove=remove))


def _command(service: Service, options: RunOptions) -> tuple[str, ...] | None:
    """Return what runs: another entrypoint drops the service's command, which was meant for its own."""
    if options.command is not None:
        return options.command
    return () if options.entrypoint is not None else service.command


def _ports(text: str) -> list[Port]:
    """Read -p: [[HOST_IP:]PUBLISHED:]TARGET[/PROTOCOL]; PUBLISHED and TARGET may be ranges."""
    body, _, protocol = text.partition("/")
    host, _, target = body.rpartition(":")
    ip, _, published = host.rpartition(":")
    targets, sources = _range(target, text), _range(published, text) if published else None
    if sources is not None and len(sources) not in (1, len(targets)):
        msg = f'"{text}" is no port: its ranges differ in length'
        raise UsageError(msg)
    return [
        Port(
            target=number,
            published=None if sources is None else str(sources[index % len(sources)]),
            protocol=protocol or "tcp",
            host_ip=ip.strip("[]") or None,
        )
        for index, number in enumerate(targets)
    ]


def _range(text: str, whole: str) -> range:
    first, _, last = text.partition("-")
    if not first.isdigit() or (last and not last.isdigit()) or int(last or first) < int(first):
        msg = f'"{whole}" is no port: [[IP:]PUBLISHED:]TARGET[/PROTOCOL]'
        raise UsageError(msg)
    return range(int(first), int(last or first) + 1)


def _mount(text: str, folder: str) -> Mount:
    """Read -v: [SOURCE:]TARGET[:OPTIONS]; relative sources start from the stack's folder."""
    parts = text.split(":")
    options = parts.pop().split(",") if len(parts) > 1 and not parts[-1].startswith("/") else []
    unknown = [option for option in options if option not in _MOUNT_OPTIONS]
    if unknown or len(parts) > 2:
        msg = f'"{text}" is no volume: [SOURCE:]TARGET[:ro|rw|z|Z|nocopy]'
        raise UsageError(msg)
    read_only = "ro" in options
    if len(parts) == 1:
        return Mount(type=MountType.VOLUME, target=parts[0], read_only=read_only)
    source, target = parts
    selinux = next((option for option in options if option in ("z", "Z")), None)
    if not source.startswith(("/", ".", "~")):
        nocopy = "nocopy" in options
        return Mount(type=MountType.VOLUME, source=source, target=target, read_only=read_only, nocopy=nocopy)
    path = str((Path(folder) / Path(source).expanduser()).resolve())
    return Mount(type=MountType.BIND, source=path, target=target, read_only=read_only, selinux=selinux)
