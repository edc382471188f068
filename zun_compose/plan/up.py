"""The plan of `up`: from what there is to what the file asks for, deleting no data on the way.

A container that must change is replaced: its successor is created beside it under another name,
carrying its anonymous volumes, and takes its place only once its gates are open. So a failing
dependency leaves the old one running, and a crash at any moment leaves something to converge from.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from graphlib import TopologicalSorter

from zun_compose import graph
from zun_compose.container import Observed
from zun_compose.model import Dependency, MountType, Service, Stack
from zun_compose.options import UpOptions
from zun_compose.plan.containers import INTERRUPTED, UP, ContainerSteps, lenders
from zun_compose.plan.divergence import container_cause
from zun_compose.plan.edges import (
    closed_here,
    gates_of,
    refuse_impossible_gates,
    refuse_other_folder,
    refuse_uncarried,
    refuse_undoable,
    refuse_unknown,
    scaled,
    wait_gate,
    wait_step,
)
from zun_compose.plan.resources import (
    changed_networks,
    image_steps,
    network_step,
    network_steps,
    volume_steps,
)
from zun_compose.plan.steps import Gate, Member, Plan, Step, Verb
from zun_compose.plan.world import World
from zun_compose.record import replace


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
    refuse_unknown(stack, options.services)
    order = graph.order(stack)
    if oneoff is not None:
        edges = () if options.no_deps else oneoff.dependencies
        named = tuple(edge.on for edge in edges if not edge.external)
    else:
        edges = ()
        named = tuple(options.services)
    reached: Collection[str] = stack.services
    if options.services or oneoff is not None:
        reached = frozenset(named) if options.no_deps else graph.closure(stack, named)
    targets = [stack.services[name] for name in order if name in reached]
    refuse_impossible_gates(stack, reached)
    running = reached if oneoff is None else {*reached, oneoff.name}
    refuse_uncarried(stack, running)
    refuse_undoable(stack, world, running)
    refuse_other_folder(stack, world, adopt=options.adopt)
    builder = _Builder(stack, world, options, targets=targets, within=reached)
    beside = [] if oneoff is None else [oneoff]
    builder.resources(beside, refresh_images=refresh_images)
    for service in targets:
        builder.service(service)
    builder.orphans()
    builder.warn_remote()
    builder.warn_lacking(running)
    builder.warn_closed(running)
    if options.start:
        builder.waits(edges)
    return builder.plan()


class _Builder:
    """Collects the steps of one plan, service by service in dependency order."""

    def __init__(
        self,
        stack: Stack,
        world: World,
        options: UpOptions,
        *,
        targets: list[Service],
        within: Collection[str],
    ) -> None:
        self.stack = stack
        self.world = world
        self.options = options
        self.targets = targets
        self.within = within
        self.steps: list[Step] = []
        self.warnings: list[str] = []
        self.fleet: dict[str, tuple[Member, ...]] = {}
        self.existing: dict[str, list[Observed]] = {}
        for seen in self.world.containers:
            if not seen.oneoff:
                self.existing.setdefault(seen.service, []).append(seen)
        self.containers = ContainerSteps(self.stack, self.world, self.options, self.steps)
        self.containers.lending = frozenset(name for service in targets for name in lenders(service))

    def resources(self, beside: Sequence[Service], *, refresh_images: bool) -> None:
        """Add networks, volumes and images, and remember what each service's containers need."""
        using = [*self.targets, *beside]
        images = image_steps(self.stack, using, self.world, self.options, fresh=refresh_images)
        networks = network_steps(self.stack, using, self.world) if self.world.has_networks else []
        volumes = volume_steps(self.stack, using, self.world) if self.world.has_volumes else []
        self.steps += [*images, *networks, *volumes]
        if self.world.has_networks:
            self.containers.renewed = changed_networks(self.stack, self.targets, self.world)
        self._renew_networks()
        made = {step.id for step in self.steps}
        by_subject = {step.subject: step.id for step in images}
        for service in self.targets:
            needs = [f"create-network {attachment.network}" for attachment in service.networks or ()]
            needs += [f"create-volume {mount.source}" for mount in service.mounts]
            image = by_subject.get(service.image or f"{self.stack.name}-{service.name}")
            if image is not None:
                needs.append(image)
            self.containers.base[service.name] = tuple(dict.fromkeys(need for need in needs if need in made))

    def service(self, service: Service) -> None:
        """Add the steps of one service's containers."""
        keep, surplus = self._sort(service)
        gates = gates_of(service, self.within) if self.options.start else ()
        waiting = {seen.number for seen in keep if seen.state not in UP}
        cleared: dict[int, tuple[str, ...]] = {}
        for seen, cause in surplus:
            removal = self.containers.retire(seen, cause, gates if seen.number in waiting else ())
            cleared[seen.number] = (*cleared.get(seen.number, ()), removal.id)
        taken = {seen.number for seen in keep}
        members = [self.containers.bring(service, seen, gates, cleared.get(seen.number, ())) for seen in keep]
        number = 0
        while len(members) < service.replicas:
            number += 1
            if number not in taken:
                members.append(self.containers.make(service, number, "does not exist", gates))
        self.fleet[service.name] = tuple(sorted(members, key=lambda member: member.number))

    def orphans(self) -> None:
        """Remove containers of services that the file no longer has, if asked; else name them."""
        known = {*self.stack.services, *self.stack.inactive}
        orphans = [seen for name, group in self.existing.items() if name not in known for seen in group]
        if not orphans:
            return
        if self.options.remove_orphans:
            for seen in orphans:
                self.containers.retire(seen, "its service is not in the file")
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

    def warn_lacking(self, running: Collection[str]) -> None:
        """Name what services ask for and run without on this engine."""
        for name, reasons in self.world.lacking.items():
            if name in running:
                self.warnings += [f'service "{name}": {reason}' for reason in reasons]

    def warn_closed(self, running: Collection[str]) -> None:
        """Name the configs and secrets whose owner and mode will not be those asked for."""
        self.warnings += [
            f'service "{name}": {one.kind} "{one.source}" {one.note}'
            for name, one in closed_here(self.stack, self.world, running)
            if not one.refused
        ]

    def waits(self, edges: Sequence[Dependency]) -> None:
        """Add what `--wait` asks, and the edges of a one-off container."""
        gates: list[Gate] = []
        if self.options.wait:
            gates = [wait_gate(self.stack, service) for service in self.targets if service.replicas]
        if edges:
            gates += gates_of(Service(name="run", dependencies=tuple(edges)), self.within)
        self.steps += [wait_step(gate) for gate in gates]

    def plan(self) -> Plan:
        """Put it together."""
        # Only now are all starts and waits known, those of services planned after a replaced one too.
        proven = tuple(step.id for step in self.steps if step.verb in (Verb.START, Verb.WAIT))
        self.containers.last = [replace(step, needs=proven) for step in self.containers.last]
        return Plan(
            stack=self.stack.name,
            steps=self._networks_once_free()
            if self.containers.freed
            else (*self.steps, *self.containers.last),
            fleet=self.fleet,
            warnings=tuple(self.warnings),
        )

    def _networks_once_free(self) -> tuple[Step, ...]:
        """Let a changed network go only after the containers that hold it, and list it there."""
        steps = {step.id: step for step in (*self.steps, *self.containers.last)}
        for key, holders in self.containers.freed.items():
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
            surplus += [(seen, INTERRUPTED) for seen in group[1:]]
        for seen in keep[service.replicas :]:
            surplus.append((seen, f"scaled to {service.replicas}"))
        return keep[: service.replicas], surplus

    def _preference(self, service: Service, seen: Observed) -> tuple[bool, bool, bool]:
        diverged = container_cause(self.stack, service, seen, self.world) is not None
        diverged = diverged or self.containers.unfinished(service, seen)
        return (diverged, seen.state not in UP, seen.name != self.containers.name_of(service, seen.number))

    def _renew_networks(self) -> None:
        for key, changes in self.containers.renewed.items():
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
