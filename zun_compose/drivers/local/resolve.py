"""ContainerSpec -> Blueprint: what was asked, with the image's own wishes and the machine's paths put in.

What cannot be carried out is Unsupported, never dropped.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from zun_compose.container import ContainerSpec, Join
from zun_compose.drivers.local import cgroups, deposits, marks
from zun_compose.drivers.local.fixtures import Fixtures, size_of
from zun_compose.drivers.local.home import Home, Place, wipe
from zun_compose.drivers.local.moment import rfc3339
from zun_compose.drivers.local.network import egress
from zun_compose.drivers.local.papers import (
    Blueprint,
    Check,
    Nic,
    Publication,
)
from zun_compose.drivers.local.refusals import refusals
from zun_compose.drivers.local.removing import MadeVolumes
from zun_compose.drivers.local.supervise.capabilities import granted
from zun_compose.drivers.local.supervise.signals import number_of
from zun_compose.drivers.local.supervise.targets import WRITABLE
from zun_compose.errors import NotFound, Rejected, Unsupported
from zun_compose.model import Healthcheck, Service
from zun_compose.record import replace

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
GRACE = 10.0
NO_NETWORK = (None, "", "bridge", "default")
"""Network modes that name no network, and so mean the one that is always there."""


class Store(Protocol):
    """Where images come from (see images.store)."""

    def resolve(self, reference: str) -> Any:
        """Return the stored image of a reference or id, None if there is none."""
        ...


class Resolver:
    """Makes blueprints; safe from several threads."""

    def __init__(self, home: Home, store: Store, *, isolated: bool) -> None:
        self._home = home
        self._store = store
        self._isolated = isolated
        self._fixtures = Fixtures(home)

    @property
    def isolated(self) -> bool:
        """Whether containers have namespaces of their own."""
        return self._isolated

    def resolve(self, spec: ContainerSpec, container: str, making: Place, volumes: MadeVolumes) -> Blueprint:
        """Return the blueprint and put its files into `making`; made volumes are added to `volumes`.

        Raises NotFound if the image, a volume or a network is not there, Unsupported, Rejected.
        """
        service = spec.service
        image = self._store.resolve(spec.image)
        if image is None:
            raise NotFound(f'image "{spec.image}" not found')
        config = image.config
        argv = _argv(spec, config)
        user = service.user if service.user is not None else config.user or ""
        self._refuse(spec, user)
        mounts = self._fixtures.of(spec, image, volumes)
        hostname = service.hostname or container[:12]
        blueprint = Blueprint(
            id=container,
            name=spec.name,
            stack=spec.stack,
            service=service.name,
            number=spec.number,
            image=spec.image,
            image_id=image.id,
            created_at=rfc3339(),
            labels=dict(spec.labels),
            oneoff=spec.oneoff,
            auto_remove=spec.auto_remove,
            isolated=self._isolated,
            layers=tuple(str(layer) for layer in image.layers),
            argv=argv,
            environment=self._environment(service, config, hostname, container),
            working_dir=service.working_dir or config.working_dir or "/",
            user=user,
            groups=service.group_add,
            hostname=hostname,
            init=bool(service.init),
            tty=service.tty,
            stdin_open=service.stdin_open,
            read_only=service.read_only,
            capabilities=granted(service.cap_add, service.cap_drop, privileged=service.privileged),
            mounts=mounts,
            files=deposits.contents(spec),
            shm_size=service.shm_size,
            network_mode=_network_mode(spec) if self._isolated else "host",
            pid_mode=spec.pid_mode,
            ipc_mode=spec.ipc_mode,
            uts_mode=service.uts,
            ports=tuple(
                Publication(
                    target=one.target, published=one.published, protocol=one.protocol, host_ip=one.host_ip
                )
                for one in service.ports
            ),
            exposed=_exposed(service, config),
            extra_hosts=_extra_hosts(service),
            dns=service.dns,
            dns_search=service.dns_search,
            dns_opt=service.dns_opt,
            sysctls=dict(service.sysctls),
            ulimits=tuple((one.name, one.soft, one.hard) for one in service.ulimits),
            limits=cgroups.asked(service.resources),
            oom_score=service.resources.oom_score_adj,
            restart=service.restart.name.value,
            restart_maximum=service.restart.maximum,
            stop_signal=_stop_signal(service, config),
            stop_grace=GRACE if service.stop_grace_period is None else service.stop_grace_period,
            check=_check(service, config),
            **_logging(service),
        )
        self._furnish(blueprint, spec, making)
        return blueprint

    def _refuse(self, spec: ContainerSpec, user: str) -> None:
        reasons = refusals(spec.service, user, isolated=self._isolated)
        if not reasons and not self._isolated and (spec.mounts or spec.files):
            reasons = ("volumes, configs and secrets need a mount",)
        if reasons:
            raise Unsupported(f'service "{spec.service.name}": {reasons[0]}')

    def address(self, spec: ContainerSpec, blueprint: Blueprint) -> Blueprint:
        """Give the container its addresses; hold the home's lock. Raises NotFound, Rejected."""
        from zun_compose.drivers.local.leases import BRIDGE, lease

        nics: list[Nic] = []
        if self._isolated and spec.network_mode in NO_NETWORK:
            # as in Docker, what names no network is on the one that is always there
            joins = spec.joins or (Join(network=BRIDGE),)
            nics = [lease(self._home, join, blueprint) for join in joins]
            if spec.service.mac_address and (
                joins[0].attachment is None or not joins[0].attachment.mac_address
            ):
                nics[0] = replace(nics[0], mac=spec.service.mac_address)
        return replace(blueprint, nics=tuple(nics))

    def undo(self, container: str, spec: ContainerSpec, volumes: MadeVolumes) -> None:
        """Take back what a failed creation did outside its folder."""
        from zun_compose.drivers.local.leases import BRIDGE, release

        with self._home.locked():
            for network in [join.network for join in spec.joins] or [BRIDGE]:
                release(self._home, network, container)
        for name in volumes.names:
            wipe(self._home.volume(name))

    def _environment(self, service: Service, config: Any, hostname: str, container: str) -> dict[str, str]:
        made = {"PATH": PATH, "HOSTNAME": hostname, "HOME": "/root", **dict(config.environment or {})}
        if not self._isolated:
            # the machine as its user has it; the mark tells whose process it is
            own = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
            made = {**own, marks.MARK: container}
        for name, value in service.environment.items():
            if value is None:
                made.pop(name, None)
            else:
                made[name] = value
        return made

    def _furnish(self, blueprint: Blueprint, spec: ContainerSpec, making: Place) -> None:
        """Make the folders and files that the container's mounts need."""
        if not self._isolated:
            return
        if blueprint.host:
            making.writable.mkdir(mode=0o755)
            for target, mode in WRITABLE.items():
                folder = making.standing_in(target)
                folder.mkdir()
                folder.chmod(mode)
        else:
            making.upper.mkdir(mode=0o755)
            making.work.mkdir(mode=0o755)
        if spec.files:
            deposits.deposit(spec, blueprint, making)
        own = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        own += f"127.0.1.1\t{blueprint.hostname}\n"
        own += "".join(f"{address}\t{name}\n" for name, address in blueprint.extra_hosts)
        for name, text in (
            ("hosts", own),
            ("hostname", f"{blueprint.hostname}\n"),
            ("resolv.conf", _resolv(blueprint)),
        ):
            path = making.path / name
            path.write_text(text)
            path.chmod(0o644)


def _network_mode(spec: ContainerSpec) -> str | None:
    return None if spec.network_mode in NO_NETWORK else spec.network_mode


def _argv(spec: ContainerSpec, config: Any) -> tuple[str, ...]:
    service = spec.service
    entrypoint = tuple(config.entrypoint or ()) if service.entrypoint is None else service.entrypoint
    command = service.command
    if command is None:
        # an entrypoint of the service's own takes the image's command away, as in Docker
        command = tuple(config.command or ()) if service.entrypoint is None else ()
    argv = (*entrypoint, *command)
    if not argv:
        raise Rejected(f'service "{service.name}": neither it nor image "{spec.image}" says what to run')
    return argv


def _exposed(service: Service, config: Any) -> tuple[tuple[int, str], ...]:
    found = {(key.port, key.protocol) for key in config.exposed or ()}
    for one in service.expose:
        found.update((port, one.protocol) for port in range(one.first, one.last + 1))
    found.update((one.target, one.protocol) for one in service.ports)
    return tuple(sorted(found))


def _stop_signal(service: Service, config: Any) -> str:
    name = service.stop_signal or config.stop_signal or "SIGTERM"
    number_of(name)
    return str(name)


def _check(service: Service, config: Any) -> Check | None:
    declared, own = service.healthcheck, config.healthcheck
    if declared is None and own is None:
        return None
    if declared is None:
        declared = Healthcheck()
    test = declared.test or (own.test if own is not None else None)
    if not test or test[0] == "NONE":
        return None
    times: dict[str, Any] = {}
    for name in ("interval", "timeout", "retries", "start_period", "start_interval"):
        value = getattr(declared, name)
        times[name] = getattr(own, name) if value is None and own is not None else value
    if test[0] == "CMD-SHELL":
        command: tuple[str, ...] = ("/bin/sh", "-c", test[1])
    elif test[0] == "CMD":
        command = tuple(test[1:])
    else:
        raise Rejected(f'service "{service.name}": a healthcheck begins with CMD, CMD-SHELL or NONE')
    return Check(test=tuple(test), command=command, **times)


def _extra_hosts(service: Service) -> tuple[tuple[str, str], ...]:
    """Return them with addresses alone. Raises Unsupported for a way to the machine where there is none."""
    found = []
    for name, address in service.extra_hosts:
        known: str | None = address
        if address == "host-gateway":
            known = egress.machine_address() if egress.available() else None
        if known is None:
            raise Unsupported(
                f'service "{service.name}": extra host "{name}" is the machine, and there is no way there: '
                "install slirp4netns and nftables, or give an address"
            )
        found.append((name, known))
    return tuple(found)


def _resolv(blueprint: Blueprint) -> str:
    if not (blueprint.dns or blueprint.dns_search or blueprint.dns_opt):
        if blueprint.network_mode == "host":
            with suppress(OSError):
                return Path("/etc/resolv.conf").read_text()
        # without a way out nobody could answer: no server at all fails a lookup at once
        return f"nameserver {egress.NAMESERVER}\n" if egress.available() else "# no way out of the stack\n"
    lines = [f"nameserver {address}" for address in blueprint.dns]
    if blueprint.dns_search:
        lines.append(f"search {' '.join(blueprint.dns_search)}")
    if blueprint.dns_opt:
        lines.append(f"options {' '.join(blueprint.dns_opt)}")
    return "".join(f"{line}\n" for line in lines)


def _logging(service: Service) -> dict[str, Any]:
    logging = service.logging
    if logging is None or logging.driver in (None, "json-file", "local"):
        options = {} if logging is None else logging.options
        made: dict[str, Any] = {}
        if "max-size" in options:
            made["log_size"] = size_of(options["max-size"])
        if "max-file" in options:
            made["log_files"] = max(int(options["max-file"]), 1)
        return made
    if logging.driver == "none":
        return {"log_kept": False}
    raise Unsupported(f'service "{service.name}": the local driver has no logging driver "{logging.driver}"')
