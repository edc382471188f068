"""The plan of `down`: the graph reversed, without gates, going on after errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from zun_compose.container import Observed
from zun_compose.errors import Fault, SpecError
from zun_compose.labels import DEPENDS_ON
from zun_compose.model import Stack
from zun_compose.options import DownOptions, RemoveImages
from zun_compose.plan.containers import UP
from zun_compose.plan.divergence import image_of
from zun_compose.plan.edges import refuse_other_folder
from zun_compose.plan.steps import Plan, Step, Verb
from zun_compose.plan.world import World


def plan_down(name: str, stack: Stack | None, world: World, options: DownOptions) -> Plan:
    """Plan `down` of a stack by its file, or by labels alone when `stack` is None.

    With services named, only their containers go. External things are never in the plan.
    """
    if stack is not None:
        refuse_other_folder(stack, world, adopt=options.adopt)
    else:
        refuse_unseen(world, options.services)
    gone, orphans = _sorted_out(stack, world, options)
    dependents = _dependents(stack, gone)
    gone = _dependents_first(gone, dependents)
    steps: list[Step] = []
    removes: dict[str, list[str]] = {}
    for seen in gone:
        removes.setdefault(seen.service, []).append(_identity(Verb.REMOVE, seen))
    for seen in gone:
        after = tuple(
            step for dependent in dependents.get(seen.service, ()) for step in removes.get(dependent, ())
        )
        steps += _container_steps(seen, after, options)
    everything = tuple(step.id for step in steps if step.verb is Verb.REMOVE)
    if not options.services:
        steps += _network_steps(world, everything)
    if options.volumes:
        steps += _volume_steps(world, gone, everything, named=not options.services)
    if options.images is not None and stack is not None:
        steps += _image_steps(stack, options, everything, {seen.service for seen in gone})
    warnings: tuple[str, ...] = ()
    if orphans:
        listed = ", ".join(seen.name for seen in orphans)
        warnings = (f"found orphan containers ({listed}); --remove-orphans removes them",)
    return Plan(stack=name, steps=tuple(steps), warnings=warnings)


def refuse_unseen(world: World, services: Iterable[str]) -> None:
    """Raise SpecError for services of which there is no container: without a file, all that can be told."""
    known = {seen.service for seen in world.containers}
    faults = [
        Fault(code="spec.unknown_service", what=f'no container of a service "{name}"')
        for name in services
        if name not in known
    ]
    if faults:
        raise SpecError(faults)


def _sorted_out(
    stack: Stack | None, world: World, options: DownOptions
) -> tuple[list[Observed], list[Observed]]:
    """Split containers into those that go and orphans that stay."""
    if options.services:
        return [seen for seen in world.containers if seen.service in options.services], []
    if stack is None or options.remove_orphans:
        return list(world.containers), []
    known = {*stack.services, *stack.inactive}
    gone = [seen for seen in world.containers if seen.service in known]
    return gone, [seen for seen in world.containers if seen.service not in known]


def _dependents(stack: Stack | None, gone: Iterable[Observed]) -> Mapping[str, set[str]]:
    """Return service -> services that depend on it, by the file, else by the labels on containers."""
    edges: dict[str, set[str]] = {}
    if stack is not None:
        for service in stack.services.values():
            edges[service.name] = {edge.on for edge in service.dependencies if not edge.external}
    else:
        for seen in gone:
            entries = filter(None, seen.labels.get(DEPENDS_ON, "").split(","))
            edges.setdefault(seen.service, set()).update(entry.split(":")[0] for entry in entries)
    try:
        TopologicalSorter(edges).prepare()
    except CycleError:
        # Labels of different days may form a cycle. What lies on it goes in no order.
        edges = {
            name: {target for target in targets if name not in _reach(edges, target)}
            for name, targets in edges.items()
        }
    found: dict[str, set[str]] = {}
    for name, targets in edges.items():
        for target in targets:
            found.setdefault(target, set()).add(name)
    return found


def _reach(edges: Mapping[str, set[str]], start: str) -> set[str]:
    """Return a service and all that it depends on."""
    reached: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += edges.get(name, ())
    return reached


def _dependents_first(gone: Sequence[Observed], dependents: Mapping[str, set[str]]) -> list[Observed]:
    """Order containers as they go: by service, those on which nothing depends first, else as they were."""
    groups: dict[str, list[Observed]] = {}
    for seen in gone:
        groups.setdefault(seen.service, []).append(seen)
    sorter: TopologicalSorter[str] = TopologicalSorter({name: () for name in groups})
    for name, users in dependents.items():
        sorter.add(name, *sorted(users))
    return [seen for name in sorter.static_order() for seen in groups.get(name, ())]


def _identity(verb: Verb, seen: Observed) -> str:
    return f"{verb.value} {seen.service}-{seen.number} {seen.id[:12]}"


def _container_steps(seen: Observed, after: tuple[str, ...], options: DownOptions) -> list[Step]:
    steps = []
    needs: tuple[str, ...] = ()
    if seen.state in UP:
        stop = Step(
            id=_identity(Verb.STOP, seen),
            verb=Verb.STOP,
            subject=seen.name,
            cause="the stack goes down",
            service=seen.service,
            number=seen.number,
            handle=seen.id,
            after=after,
            grace=options.timeout,
        )
        steps.append(stop)
        needs = (stop.id,)
    remove = Step(
        id=_identity(Verb.REMOVE, seen),
        verb=Verb.REMOVE,
        subject=seen.name,
        cause="the stack goes down",
        service=seen.service,
        number=seen.number,
        handle=seen.id,
        needs=needs,
        after=() if needs else after,
        volumes=options.volumes,
    )
    return [*steps, remove]


def _network_steps(world: World, after: tuple[str, ...]) -> list[Step]:
    return [
        Step(
            id=f"remove-network {network.name}",
            verb=Verb.REMOVE_NETWORK,
            subject=network.name,
            cause="the stack goes down",
            handle=network.name,
            after=after,
            optional=True,
        )
        for network in world.networks
    ]


def _volume_steps(
    world: World, gone: Iterable[Observed], after: tuple[str, ...], *, named: bool
) -> list[Step]:
    """Return removals of the stack's volumes, and of anonymous ones that a successor had taken over."""
    volumes = [volume.name for volume in world.volumes] if named else []
    volumes += [
        mount.name for seen in gone for mount in seen.mounts if mount.anonymous and mount.name is not None
    ]
    return [
        Step(
            id=f"remove-volume {name}",
            verb=Verb.REMOVE_VOLUME,
            subject=name,
            cause="asked to remove volumes",
            handle=name,
            after=after,
        )
        for name in dict.fromkeys(volumes)
    ]


def _image_steps(
    stack: Stack, options: DownOptions, after: tuple[str, ...], services: set[str]
) -> list[Step]:
    references = {
        image_of(stack, service): None
        for service in stack.services.values()
        if (options.images is RemoveImages.ALL or service.image is None)
        and (not options.services or service.name in services)
    }
    return [
        Step(
            id=f"remove-image {reference}",
            verb=Verb.REMOVE_IMAGE,
            subject=reference,
            cause=f"asked to remove images ({options.images})",
            handle=reference,
            after=after,
            optional=True,
        )
        for reference in references
    ]
