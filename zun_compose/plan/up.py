"""The plan of `up`: from what there is to what the file asks for, deleting no data on the way.

A container that must change is replaced: its successor is created beside it under another name,
carrying its anonymous volumes, and takes its place only once its gates are open. So a failing
dependency leaves the old one running, and a crash at any moment leaves something to converge from.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter

from zun_compose import graph
from zun_compose.container import Observed, State
from zun_compose.errors import Fault, SpecError
from zun_compose.labels import CONFIG_FILES, WORKING_DIR
from zun_compose.model import Dependency, Mount, MountType, Service, Stack
from zun_compose.options import OnFailure, UpOptions
from zun_compose.plan.divergence import container_cause
from zun_compose.plan.edges import gates_of, refuse_impossible_gates, scaled, wait_gate
from zun_compose.plan.resources import (
    changed_networks,
    image_steps,
    network_step,
    network_steps,
    volume_steps,
)
from zun_compose.plan.steps import Gate, Member, Plan, Step, Verb
from zun_compose.plan.world import World

_UP = (State.RUNNING, State.PAUSED, State.RESTARTING)
_INTERRUPTED = "left over by an interrupted replacement"


def plan_up(
    stack: Stack,
    world: World,
    options: UpOptions,
    *,
    refresh_images: bool = True,
    oneoff: Service | None = None,
) -> Plan:
    """Plan `up`.

    `refresh_images` False leaves out pulls and builds of images that are there already. `oneoff` is a
    service that a container is to run for afterwards: its dependencies are brought up and waited for
    (unless no_deps), and its networks, volumes and image are made.

    Raises SpecError for cycles, unknown services, gates that can never open, missing external or
    changed volumes, images that may not be pulled, and a stack that another folder brought up.
    """
    with _uncollected():
        return _plan(stack, world, options, refresh_images=refresh_images, oneoff=oneoff)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let the garbage collector rest: a plan is large, holds no cycles, and each pass would walk all of it.

    Freezing and thawing puts what was made among the old objects, which the next pass leaves alone; a
    caller's own frozen objects would be thawed by that, so then the next pass walks the plan once.
    """
    resting = not gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count() == 0:
            gc.freeze()
            gc.unfreeze()
        if not resting:
            gc.enable()


def _plan(
    stack: Stack, world: World, options: UpOptions, *, refresh_images: bool, oneoff: Service | None
) -> Plan:
    stack = scaled(stack, options.scale)
    _refuse_unknown(stack, options.services)
    order = graph.order(stack)
    if oneoff is not None:
        edges = () if options.no_deps else oneoff.dependencies
        named = tuple(edge.on for edge in edges if not edge.external)
    else:
        edges = ()
        named = tuple(options.services) or tuple(stack.services)
    reached = frozenset(named) if options.no_deps else graph.closure(stack, named)
    targets = [stack.services[name] for name in order if name in reached]
    refuse_impossible_gates(stack, reached)
    _refuse_other_folder(stack, world, options)
    builder = _Builder(stack=stack, world=world, options=options, targets=targets, within=reached)
    beside = [] if oneoff is None else [oneoff]
    builder.resources(beside, refresh_images=refresh_images)
    for service in targets:
        builder.service(service)
    builder.orphans()
    builder.warn_remote()
    if options.start:
        builder.waits(edges)
    return builder.plan()


@dataclass
class _Builder:
    """Collects the steps of one plan, service by service in dependency order."""

    stack: Stack
    world: World
    options: UpOptions
    targets: list[Service]
    within: Collection[str]
    steps: list[Step] = field(default_factory=list)
    last: list[Step] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    fleet: dict[str, tuple[Member, ...]] = field(default_factory=dict)
    recreated: set[str] = field(default_factory=set)
    restarted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.existing: dict[str, list[Observed]] = {}
        for seen in self.world.containers:
            if not seen.oneoff:
                self.existing.setdefault(seen.service, []).append(seen)
        self.base: dict[str, tuple[str, ...]] = {}
        self.renewed: dict[str, tuple[str, ...]] = {}
        self.freed: dict[str, list[str]] = {}
        self.creates: dict[str, list[str]] = {}

    def resources(self, beside: Sequence[Service], *, refresh_images: bool) -> None:
        """Add networks, volumes and images, and remember what each service's containers need."""
        using = [*self.targets, *beside]
        images = image_steps(self.stack, using, self.world, self.options, fresh=refresh_images)
        networks = network_steps(self.stack, using, self.world) if self.world.has_networks else []
        volumes = volume_steps(self.stack, using, self.world) if self.world.has_volumes else []
        self.steps += [*images, *networks, *volumes]
        if self.world.has_networks:
            self.renewed = changed_networks(self.stack, self.targets, self.world)
        self._renew_networks()
        made = {step.id for step in self.steps}
        by_subject = {step.subject: step.id for step in images}
        for service in self.targets:
            needs = [f"create-network {attachment.network}" for attachment in service.networks or ()]
            needs += [f"create-volume {mount.source}" for mount in service.mounts]
            image = by_subject.get(service.image or f"{self.stack.name}-{service.name}")
            if image is not None:
                needs.append(image)
            self.base[service.name] = tuple(dict.fromkeys(need for need in needs if need in made))

    def service(self, service: Service) -> None:
        """Add the steps of one service's containers."""
        keep, surplus = self._sort(service)
        gates = gates_of(service, self.within) if self.options.start else ()
        waiting = {seen.number for seen in keep if seen.state not in _UP}
        cleared: dict[int, tuple[str, ...]] = {}
        for seen, cause in surplus:
            removal = self._retire(seen, cause, gates if seen.number in waiting else ())
            cleared[seen.number] = (*cleared.get(seen.number, ()), removal.id)
        taken = {seen.number for seen in keep}
        members = [self._existing(service, seen, gates, cleared.get(seen.number, ())) for seen in keep]
        number = 0
        while len(members) < service.replicas:
            number += 1
            if number not in taken:
                members.append(self._create(service, number, "does not exist", gates))
        self.fleet[service.name] = tuple(sorted(members, key=lambda member: member.number))

    def orphans(self) -> None:
        """Remove containers of services that the file no longer has, if asked; else name them."""
        known = {*self.stack.services, *self.stack.inactive}
        orphans = [seen for name, group in self.existing.items() if name not in known for seen in group]
        if not orphans:
            return
        if self.options.remove_orphans:
            for seen in orphans:
                self._retire(seen, "its service is not in the file")
            return
        listed = ", ".join(seen.name for seen in orphans)
        self.warnings.append(f"found orphan containers ({listed}); --remove-orphans removes them")

    def warn_remote(self) -> None:
        """Name the mounts that mean another machine's files, where the engine is not on this one."""
        if self.world.engine.local:
            return
        for service in self.targets:
            for mount in service.mounts:
                if mount.type is MountType.BIND:
                    self.warnings.append(
                        f'service "{service.name}" mounts "{mount.source}" of the machine of engine '
                        f'"{self.world.engine.name}", not of this one'
                    )

    def waits(self, edges: Sequence[Dependency]) -> None:
        """Add what `--wait` asks, and the edges of a one-off container."""
        gates: list[tuple[str, Gate]] = []
        if self.options.wait:
            gates = [(service.name, wait_gate(service)) for service in self.targets if service.replicas]
        if edges:
            oneoff = Service(name="run", dependencies=tuple(edges))
            gates += [(gate.dependency, gate) for gate in gates_of(oneoff, self.within)]
        for name, gate in gates:
            what = gate.condition.value.removeprefix("service_")
            step = Step(
                id=f"wait {name} {what}",
                verb=Verb.WAIT,
                subject=name,
                service=None if gate.external else name,
                cause=f"until {what}",
                gates=(gate,),
            )
            self.steps.append(step)

    def plan(self) -> Plan:
        """Put it together."""
        # Only now are all starts and waits known, those of services planned after a replaced one too.
        proven = tuple(step.id for step in self.steps if step.verb in (Verb.START, Verb.WAIT))
        self.last = [replace(step, needs=proven) for step in self.last]
        return Plan(
            stack=self.stack.name,
            steps=self._networks_once_free() if self.freed else (*self.steps, *self.last),
            fleet=self.fleet,
            warnings=(*self.stack.warnings, *self.warnings),
        )

    def _networks_once_free(self) -> tuple[Step, ...]:
        """Let a changed network go only after the containers that hold it, and list it there."""
        steps = {step.id: step for step in (*self.steps, *self.last)}
        for key, holders in self.freed.items():
            leave = steps[f"remove-network {key}"]
            steps[leave.id] = replace(leave, needs=tuple(holders))
        sorter = TopologicalSorter({step.id: step.needs for step in steps.values()})
        return tuple(steps[identity] for identity in sorter.static_order())

    def _sort(self, service: Service) -> tuple[list[Observed], list[tuple[Observed, str]]]:
        """Split a service's containers into those to keep (one a number) and those to remove."""
        by_number: dict[int, list[Observed]] = {}
        surplus: list[tuple[Observed, str]] = []
        for seen in self.existing.get(service.name, ()):
            by_number.setdefault(seen.number, []).append(seen)
        keep: list[Observed] = []
        for number in sorted(by_number):
            group = by_number[number]
            group.sort(key=lambda seen: self._preference(service, seen))
            keep.append(group[0])
            surplus += [(seen, _INTERRUPTED) for seen in group[1:]]
        for seen in keep[service.replicas :]:
            surplus.append((seen, f"scaled to {service.replicas}"))
        return keep[: service.replicas], surplus

    def _preference(self, service: Service, seen: Observed) -> tuple[bool, bool, bool]:
        diverged = container_cause(self.stack, service, seen, self.world) is not None
        diverged = diverged or self._unfinished(service, seen)
        return (diverged, seen.state not in _UP, seen.name != self._name(service, seen.number))

    def _unfinished(self, service: Service, seen: Observed) -> bool:
        """Whether it may lack files or networks: these go in after the creation, so a kill can come between.

        What never ran holds nothing that could be lost, so making it anew is the cheap and safe answer.
        """
        later = bool(service.configs or service.secrets) or len(service.networks or ()) > 1
        return self.options.start and later and seen.state is State.CREATED

    def _name(self, service: Service, number: int) -> str:
        return service.container_name or f"{self.stack.name}-{service.name}-{number}"

    def _existing(
        self, service: Service, seen: Observed, gates: tuple[Gate, ...], cleared: tuple[str, ...]
    ) -> Member:
        """Bring one container to where it should be; `cleared` are removals that free its name and ports."""
        cause = self._cause(service, seen)
        if cause is not None:
            return self._replace(service, seen, cause, gates, cleared)
        name = self._name(service, seen.number)
        needs = cleared
        if seen.name != name and self.world.can_rename:
            rename = self._add(Verb.RENAME, seen.name, _INTERRUPTED, seen, name=name, needs=cleared)
            needs = (rename.id,)
        member = Member(
            handle=seen.id,
            service=service.name,
            number=seen.number,
            name=name,
            runs=seen.state in _UP,
        )
        if not self.options.start:
            return member
        if seen.state in _UP:
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
        if self._unfinished(service, seen):
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
        name = self._name(service, seen.number)
        mounts = () if self.options.renew_anonymous_volumes else _carried(service, seen)
        beside = self.world.can_rename and not any(
            attachment.network in self.renewed for attachment in service.networks or ()
        )
        if not beside:
            return self._replace_in_place(service, seen, cause, gates, mounts, cleared)
        handle = f"{seen.id[:12]}_{name}"
        create = self._create_step(service, seen.number, handle, cause, mounts=mounts, needs=cleared)
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
            previous = self._add(Verb.REMOVE, seen.name, cause, seen, needs=(stop.id,))
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
        name = self._name(service, seen.number)
        self._create_step(service, seen.number, name, cause, mounts=mounts, needs=(remove.id, *cleared))
        member = Member(handle=name, service=service.name, number=seen.number, name=name, fresh=True)
        if self.options.start:
            self._start(service, member, cause, gates)
        return member

    def _create(self, service: Service, number: int, cause: str, gates: tuple[Gate, ...]) -> Member:
        name = self._name(service, number)
        self._create_step(service, number, name, cause)
        member = Member(handle=name, service=service.name, number=number, name=name, fresh=True)
        if self.options.start:
            self._start(service, member, cause, gates)
        return member

    def _create_step(
        self,
        service: Service,
        number: int,
        handle: str,
        cause: str,
        *,
        mounts: tuple[Mount, ...] = (),
        needs: tuple[str, ...] = (),
    ) -> Step:
        shared = []
        modes = (service.network_mode, service.pid, service.ipc)
        for mode in (*modes, *map(_volumes_service, service.volumes_from)):
            if (mode or "").startswith("service:"):
                shared += self.creates.get((mode or "").removeprefix("service:"), [])
        identity = f"create {service.name}-{number}"
        self.creates.setdefault(service.name, []).append(identity)
        step = Step(
            id=identity,
            verb=Verb.CREATE,
            subject=self._name(service, number),
            cause=cause,
            service=service.name,
            number=number,
            handle=handle,
            name=handle,
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
        needs: tuple[str, ...] = (),
    ) -> None:
        created = f"create {service.name}-{member.number}"
        if member.fresh and not needs:
            needs = (created,)
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

    def _retire(self, seen: Observed, cause: str, gates: tuple[Gate, ...] = ()) -> Step:
        """Stop and remove; with `gates` it serves on until the one that takes its place may start."""
        needs: tuple[str, ...] = ()
        if seen.state in _UP:
            stop = self._add(Verb.STOP, seen.name, cause, seen, gates=gates, grace=self.options.timeout)
            needs = (stop.id,)
        return self._add(Verb.REMOVE, seen.name, cause, seen, needs=needs)

    def _remove_last(self, seen: Observed, cause: str) -> None:
        """Keep a replaced container until everything has succeeded, so that it can come back."""
        self.last.append(self._step(Verb.REMOVE, seen.name, cause, seen))

    def _renew_networks(self) -> None:
        for key, changes in self.renewed.items():
            network = self.stack.networks[key]
            cause = f"changed: {', '.join(changes)}"
            leave = Step(
                id=f"remove-network {key}",
                verb=Verb.REMOVE_NETWORK,
                subject=network.name,
                cause=cause,
                handle=network.name,
            )
            self.steps += [leave, replace(network_step(network, cause), needs=(leave.id,))]

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
    ) -> Step:
        step = self._step(verb, subject, cause, seen, needs=needs, gates=gates, name=name, grace=grace)
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


def _volumes_service(entry: str) -> str | None:
    """Return "service:NAME" for a volumes_from entry that names a service."""
    return None if entry.startswith("container:") else f"service:{entry.split(':')[0]}"


def _refuse_unknown(stack: Stack, services: Iterable[str]) -> None:
    faults = [
        Fault(code="spec.unknown_service", what=f'no such service: "{name}"')
        for name in services
        if name not in stack.services
    ]
    if faults:
        raise SpecError(faults)


def _refuse_other_folder(stack: Stack, world: World, options: UpOptions) -> None:
    if options.adopt or not stack.working_dir:
        return
    for seen in world.containers:
        folder = seen.labels.get(WORKING_DIR)
        if folder and folder != stack.working_dir:
            files = seen.labels.get(CONFIG_FILES, "")
            what = f'stack "{stack.name}" was brought up from another folder, {folder} ({files})'
            hint = "give this one its own name with -n, or take the other over with --adopt"
            raise SpecError([Fault(code="plan.other_folder", what=what, hint=hint)])
