"""The steps that bring one container to where `up` wants it: made, started, replaced or removed."""

from __future__ import annotations

from zun_compose.container import Observed, State
from zun_compose.model import Mount, MountType, Service, Stack
from zun_compose.options import OnFailure, UpOptions
from zun_compose.plan.divergence import container_cause
from zun_compose.plan.steps import Gate, Member, Step, Verb
from zun_compose.plan.world import World
from zun_compose.record import Mutable, field, replace

UP = (State.RUNNING, State.PAUSED, State.RESTARTING)
INTERRUPTED = "left over by an interrupted replacement"


class ContainerSteps(Mutable):
    """Appends to `steps`, service by service in dependency order.

    `base` are the steps that a service's containers need (networks, volumes, image), `renewed` the
    networks that are replaced, `freed` the removals that set them free. `last` steps run once all else
    has succeeded. `recreated` and `restarted` name services, for those that depend on them.
    `lending` are services whose namespaces or volumes others are made with; `creates` are the
    creations of these.
    """

    stack: Stack
    world: World
    options: UpOptions
    steps: list[Step]
    last: list[Step] = field(default_factory=list)
    base: dict[str, tuple[str, ...]] = field(default_factory=dict)
    renewed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    freed: dict[str, list[str]] = field(default_factory=dict)
    lending: frozenset[str] = frozenset()
    creates: dict[str, list[str]] = field(default_factory=dict)
    recreated: set[str] = field(default_factory=set)
    restarted: set[str] = field(default_factory=set)

    def unfinished(self, service: Service, seen: Observed) -> bool:
        """Whether it may lack files or networks: these go in after the creation, so a kill can come between.

        What never ran holds nothing that could be lost, so making it anew is the cheap and safe answer.
        """
        later = bool(service.configs or service.secrets) or len(service.networks or ()) > 1
        return self.options.start and later and seen.state is State.CREATED

    def name_of(self, service: Service, number: int) -> str:
        """Return the name that a service's container is to have."""
        return service.container_name or f"{self.stack.name}-{service.name}-{number}"

    def bring(
        self, service: Service, seen: Observed, gates: tuple[Gate, ...], cleared: tuple[str, ...]
    ) -> Member:
        """Bring one container to where it should be; `cleared` are removals that free its name and ports."""
        cause = self._cause(service, seen)
        if cause is not None:
            return self._replace(service, seen, cause, gates, cleared)
        name = self.name_of(service, seen.number)
        needs = cleared
        if seen.name != name and self.world.can_rename:
            rename = self._add(Verb.RENAME, seen.name, INTERRUPTED, seen, name=name, needs=cleared)
            needs = (rename.id,)
        member = Member(
            handle=seen.id,
            service=service.name,
            number=seen.number,
            name=name,
            runs=seen.state in UP,
        )
        if not self.options.start:
            return member
        if seen.state in UP:
            return self._maybe_restart(service, seen, member, gates)
        if service.once and service.job and seen.exit_code == 0 and seen.state is State.EXITED:
            return replace(member, runs=True)
        self._start(service, member, _start_cause(service, seen), gates, needs=needs)
        return member

    def _maybe_restart(
        self, service: Service, seen: Observed, member: Member, gates: tuple[Gate, ...]
    ) -> Member:
        reason = next(
            (
                f'"{dependency.on}" is replaced (restart: true)'
                for dependency in service.dependencies
                if dependency.restart and (dependency.on in self.recreated or dependency.on in self.restarted)
            ),
            None,
        )
        if reason is None:
            return member
        self.restarted.add(service.name)
        stop = self._add(Verb.STOP, seen.name, reason, seen, gates=gates, grace=self.options.timeout)
        self._start(service, member, reason, gates, needs=(stop.id,))
        return replace(member, runs=False)

    def _cause(self, service: Service, seen: Observed) -> str | None:
        if self.unfinished(service, seen):
            return "was created, perhaps not completely, and never started"
        if seen.state not in (State.DEAD, State.REMOVING):
            if self.options.no_recreate:
                return None
            if self._asked_to_recreate(service):
                return "asked to recreate"
        cause = container_cause(self.stack, service, seen, self.world)
        return cause if cause is not None else self._shared_cause(service)

    def _asked_to_recreate(self, service: Service) -> bool:
        named = not self.options.services or service.name in self.options.services
        return self.options.force_recreate if named else self.options.always_recreate_deps

    def _shared_cause(self, service: Service) -> str | None:
        """Return what the service shares with something that is replaced."""
        for attachment in service.networks or ():
            if attachment.network in self.renewed:
                changes = ", ".join(self.renewed[attachment.network])
                return f'network "{attachment.network}" changed: {changes}'
        for mode in (service.network_mode, service.pid, service.ipc):
            shared = (mode or "").removeprefix("service:") if (mode or "").startswith("service:") else None
            if shared in self.recreated:
                return f'shares a namespace with "{shared}", which is replaced'
        return None

    def _replace(
        self,
        service: Service,
        seen: Observed,
        cause: str,
        gates: tuple[Gate, ...],
        cleared: tuple[str, ...],
    ) -> Member:
        self.recreated.add(service.name)
        name = self.name_of(service, seen.number)
        mounts = () if self.options.renew_anonymous_volumes else _carried(service, seen)
        beside = self.world.can_rename and not any(
            attachment.network in self.renewed for attachment in service.networks or ()
        )
        if not beside:
            return self._replace_in_place(service, seen, cause, gates, mounts, cleared)
        handle = f"{seen.id[:12]}_{name}"
        create = self._create_step(
            service, seen.number, name, cause, handle=handle, mounts=mounts, needs=cleared
        )
        stop = self._add(
            Verb.STOP, seen.name, cause, seen, gates=gates, needs=(create.id,), grace=self.options.timeout
        )
        member = Member(handle=handle, service=service.name, number=seen.number, name=name, fresh=True)
        if self.options.on_failure is OnFailure.ROLLBACK:
            away = f"{seen.id[:12]}_old_{name}"
            # An interrupted rollback has left it under that name already, which no engine gives twice.
            previous = stop
            if seen.name != away:
                previous = self._add(Verb.RENAME, seen.name, cause, seen, name=away, needs=(stop.id,))
        else:
            volumes = self.options.renew_anonymous_volumes
            previous = self._add(Verb.REMOVE, seen.name, cause, seen, needs=(stop.id,), volumes=volumes)
        rename = self._add_member(Verb.RENAME, member, f"takes the place of {seen.name}", previous, name=name)
        if self.options.start:
            self._start(service, member, cause, gates, needs=(rename.id,))
        if self.options.on_failure is OnFailure.ROLLBACK:
            self._remove_last(seen, cause)
        return member

    def _replace_in_place(
        self,
        service: Service,
        seen: Observed,
        cause: str,
        gates: tuple[Gate, ...],
        mounts: tuple[Mount, ...],
        cleared: tuple[str, ...],
    ) -> Member:
        """Stop and remove first, then create: where the engine cannot rename, or a network goes."""
        stop = self._add(Verb.STOP, seen.name, cause, seen, grace=self.options.timeout)
        remove = self._add(Verb.REMOVE, seen.name, cause, seen, needs=(stop.id,))
        for attachment in service.networks or ():
            if attachment.network in self.renewed:
                self.freed.setdefault(attachment.network, []).append(remove.id)
        name = self.name_of(service, seen.number)
        create = self._create_step(
            service, seen.number, name, cause, mounts=mounts, needs=(remove.id, *cleared)
        )
        member = Member(handle=name, service=service.name, number=seen.number, name=name, fresh=True)
        if self.options.start:
            self._start(service, member, cause, gates, needs=(create.id,))
        return member

    def make(self, service: Service, number: int, cause: str, gates: tuple[Gate, ...]) -> Member:
        """Create a container that is not there, and start it once its gates are open."""
        name = self.name_of(service, number)
        create = self._create_step(service, number, name, cause)
        member = Member(handle=name, service=service.name, number=number, name=name, fresh=True)
        if self.options.start:
            self._start(service, member, cause, gates, needs=(create.id,))
        return member

    def _create_step(
        self,
        service: Service,
        number: int,
        name: str,
        cause: str,
        *,
        handle: str | None = None,
        mounts: tuple[Mount, ...] = (),
        needs: tuple[str, ...] = (),
    ) -> Step:
        """Add the creation of what is called `name` in the end, and `handle` (None: the same) at first."""
        shared: list[str] = []
        for other in lenders(service):
            shared += self.creates.get(other, [])
        identity = f"create {service.name}-{number}"
        if service.name in self.lending:
            self.creates.setdefault(service.name, []).append(identity)
        step = Step(
            id=identity,
            verb=Verb.CREATE,
            subject=name,
            cause=cause,
            service=service.name,
            number=number,
            handle=handle or name,
            name=handle or name,
            needs=(*self.base[service.name], *needs, *shared),
            mounts=mounts,
        )
        self.steps.append(step)
        return step

    def _start(
        self,
        service: Service,
        member: Member,
        cause: str,
        gates: tuple[Gate, ...],
        *,
        needs: tuple[str, ...],
    ) -> None:
        step = Step(
            id=f"start {service.name}-{member.number}",
            verb=Verb.START,
            subject=member.name,
            cause=cause,
            service=service.name,
            number=member.number,
            handle=member.handle,
            needs=needs,
            gates=gates,
        )
        self.steps.append(step)

    def retire(self, seen: Observed, cause: str, gates: tuple[Gate, ...] = ()) -> Step:
        """Stop and remove; with `gates` it serves on until the one that takes its place may start."""
        needs: tuple[str, ...] = ()
        if seen.state in UP:
            stop = self._add(Verb.STOP, seen.name, cause, seen, gates=gates, grace=self.options.timeout)
            needs = (stop.id,)
        return self._add(Verb.REMOVE, seen.name, cause, seen, needs=needs)

    def _remove_last(self, seen: Observed, cause: str) -> None:
        """Keep a replaced container until everything has succeeded, so that it can come back."""
        self.last.append(self._step(Verb.REMOVE, seen.name, cause, seen))

    def _add(
        self,
        verb: Verb,
        subject: str,
        cause: str,
        seen: Observed,
        *,
        needs: tuple[str, ...] = (),
        gates: tuple[Gate, ...] = (),
        name: str = "",
        grace: float | None = None,
        volumes: bool = False,
    ) -> Step:
        step = self._step(verb, subject, cause, seen, needs=needs, gates=gates, name=name, grace=grace)
        step = replace(step, volumes=volumes) if volumes else step
        self.steps.append(step)
        return step

    def _step(
        self,
        verb: Verb,
        subject: str,
        cause: str,
        seen: Observed,
        *,
        needs: tuple[str, ...] = (),
        gates: tuple[Gate, ...] = (),
        name: str = "",
        grace: float | None = None,
    ) -> Step:
        return Step(
            id=f"{verb.value} {seen.service}-{seen.number} {seen.id[:12]}",
            verb=verb,
            subject=subject,
            cause=cause,
            service=seen.service,
            number=seen.number,
            handle=seen.id,
            name=name,
            needs=needs,
            gates=gates,
            grace=grace,
        )

    def _add_member(self, verb: Verb, member: Member, cause: str, previous: Step, *, name: str) -> Step:
        step = Step(
            id=f"{verb.value} {member.service}-{member.number}",
            verb=verb,
            subject=member.handle,
            cause=cause,
            service=member.service,
            number=member.number,
            handle=member.handle,
            name=name,
            needs=(previous.id,),
        )
        self.steps.append(step)
        return step


def _start_cause(service: Service, seen: Observed) -> str:
    if seen.state is State.CREATED:
        return "was created but never started"
    code = "" if seen.exit_code is None else f" with code {seen.exit_code}"
    return f"job runs again (it ended{code})" if service.job else f"ended{code}"


def _carried(service: Service, seen: Observed) -> tuple[Mount, ...]:
    """Return mounts that keep a container's anonymous volumes in its successor."""
    declared = {mount.target for mount in service.mounts if mount.source is not None}
    return tuple(
        Mount(type=MountType.VOLUME, source=mount.name, target=mount.target)
        for mount in seen.mounts
        if mount.anonymous and mount.name is not None and mount.target not in declared
    )


def lenders(service: Service) -> list[str]:
    """Return the services whose namespaces or volumes a service shares."""
    modes = (service.network_mode, service.pid, service.ipc)
    found = [mode.removeprefix("service:") for mode in modes if mode and mode.startswith("service:")]
    if service.volumes_from:
        found += [entry.split(":")[0] for entry in service.volumes_from if not entry.startswith("container:")]
    return found
