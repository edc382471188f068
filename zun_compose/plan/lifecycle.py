"""Plans of start, stop, restart and rm: existing containers only, in order, gates honoured."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from zun_compose import graph
from zun_compose.container import Observed, State
from zun_compose.model import Stack
from zun_compose.plan.containers import UP
from zun_compose.plan.down import refuse_unseen
from zun_compose.plan.edges import (
    gates_of,
    refuse_impossible_gates,
    refuse_other_folder,
    refuse_uncarried,
    refuse_undoable,
    refuse_unknown,
    wait_gate,
    wait_step,
)
from zun_compose.plan.steps import Gate, Member, Plan, Step, Verb
from zun_compose.plan.world import World


def plan_start(stack: Stack, world: World, services: Sequence[str] = (), *, wait: bool = False) -> Plan:
    """Plan `start`: the stopped containers of these services and of all they depend on.

    Raises SpecError for unknown services, and for what cannot be carried out, as `up` does.
    """
    named = _named(stack, services)
    refuse_other_folder(stack, world)
    within = graph.closure(stack, named)
    refuse_impossible_gates(stack, within)
    refuse_uncarried(stack, within)
    refuse_undoable(stack, world, within)
    steps: list[Step] = []
    for name in (name for name in graph.order(stack) if name in within):
        service = stack.services[name]
        for seen in _containers(world, name):
            if seen.state in UP:
                continue
            if service.job and service.once and seen.state is State.EXITED and seen.exit_code == 0:
                continue
            steps.append(_start(seen, "asked to start", gates_of(service, within), ()))
    if wait:
        steps += [wait_step(wait_gate(stack, stack.services[name])) for name in named]
    return Plan(stack=stack.name, steps=tuple(steps), fleet=_fleet(stack, world, steps))


def standing(stack: Stack, world: World) -> dict[str, tuple[Member, ...]]:
    """Return the containers there are, for waiting alone: what we could not make ourselves can be waited for.

    Raises SpecError for the stack of another folder.
    """
    refuse_other_folder(stack, world)
    return _fleet(stack, world, ())


def plan_stop(
    name: str, stack: Stack | None, world: World, services: Sequence[str] = (), *, grace: float | None = None
) -> Plan:
    """Plan `stop`: dependents first, going on after errors."""
    _refuse_strangers(stack, world, services)
    chosen = set(services)
    running = [
        seen for seen in world.containers if seen.state in UP and (not chosen or seen.service in chosen)
    ]
    return Plan(stack=name, steps=tuple(_stops(stack, running, "asked to stop", grace)))


def plan_restart(
    stack: Stack,
    world: World,
    services: Sequence[str] = (),
    *,
    grace: float | None = None,
    no_deps: bool = False,
) -> Plan:
    """Plan `restart`: these services, and unless `no_deps` their dependents with `restart: true`.

    Raises SpecError as `plan_start` does.
    """
    named = set(_named(stack, services))
    refuse_other_folder(stack, world)
    if not no_deps:
        for name in graph.order(stack):
            edges = stack.services[name].dependencies
            if any(edge.restart and edge.on in named for edge in edges):
                named.add(name)
    refuse_impossible_gates(stack, named)
    refuse_uncarried(stack, named)
    refuse_undoable(stack, world, named)
    chosen = [seen for seen in world.containers if seen.service in named and not seen.oneoff]
    running = [seen for seen in chosen if seen.state in UP]
    steps = _stops(stack, running, "asked to restart", grace)
    stops: dict[str, list[str]] = {}
    for step in steps:
        stops.setdefault(step.service or "", []).append(step.id)
    for name in (name for name in graph.order(stack) if name in named):
        service = stack.services[name]
        gates = gates_of(service, named if no_deps else graph.closure(stack, [name]))
        for seen in _containers(world, name):
            needs = tuple(stop for stop in stops.get(name, ()) if stop.endswith(seen.id[:12]))
            others = tuple(stop for edge in service.dependencies for stop in stops.get(edge.on, ()))
            steps.append(_start(seen, "asked to restart", gates, needs, after=others))
    return Plan(stack=stack.name, steps=tuple(steps), fleet=_fleet(stack, world, steps))


def plan_remove(
    name: str,
    stack: Stack | None,
    world: World,
    services: Sequence[str] = (),
    *,
    stop: bool = False,
    volumes: bool = False,
) -> Plan:
    """Plan `rm`: stopped containers of these services, with `stop` the running ones too."""
    _refuse_strangers(stack, world, services)
    chosen = [seen for seen in world.containers if not services or seen.service in services]
    steps = _stops(stack, [seen for seen in chosen if seen.state in UP], "asked to remove", None)
    if not stop:
        steps = []
        chosen = [seen for seen in chosen if seen.state not in UP]
    stopped = {step.handle: step.id for step in steps}
    for seen in chosen:
        needs = (stopped[seen.id],) if seen.id in stopped else ()
        step = Step(
            id=f"remove {seen.service}-{seen.number} {seen.id[:12]}",
            verb=Verb.REMOVE,
            subject=seen.name,
            cause="asked to remove",
            service=seen.service,
            number=seen.number,
            handle=seen.id,
            needs=needs,
            volumes=volumes,
        )
        steps.append(step)
    return Plan(stack=name, steps=tuple(steps))


def _refuse_strangers(stack: Stack | None, world: World, services: Sequence[str]) -> None:
    """Refuse containers of another folder's file; without a file, names that no container has."""
    if stack is not None:
        refuse_other_folder(stack, world)
    else:
        refuse_unseen(world, services)


def _named(stack: Stack, services: Sequence[str]) -> tuple[str, ...]:
    refuse_unknown(stack, services)
    return tuple(services) or tuple(stack.services)


def _containers(world: World, service: str) -> list[Observed]:
    return [seen for seen in world.containers if seen.service == service and not seen.oneoff]


def _fleet(stack: Stack, world: World, steps: Iterable[Step]) -> dict[str, tuple[Member, ...]]:
    started = {step.handle for step in steps if step.verb is Verb.START}
    return {
        name: tuple(
            Member(
                handle=seen.id,
                service=name,
                number=seen.number,
                name=seen.name,
                runs=seen.id not in started,
            )
            for seen in _containers(world, name)
        )
        for name in stack.services
    }


def _start(
    seen: Observed,
    cause: str,
    gates: tuple[Gate, ...],
    needs: tuple[str, ...],
    *,
    after: tuple[str, ...] = (),
) -> Step:
    return Step(
        id=f"start {seen.service}-{seen.number}",
        verb=Verb.START,
        subject=seen.name,
        cause=cause,
        service=seen.service,
        number=seen.number,
        handle=seen.id,
        needs=needs,
        after=after,
        gates=gates,
    )


def _stops(stack: Stack | None, running: Collection[Observed], cause: str, grace: float | None) -> list[Step]:
    identities: dict[str, list[str]] = {}
    for seen in running:
        identities.setdefault(seen.service, []).append(f"stop {seen.service}-{seen.number} {seen.id[:12]}")
    dependents: dict[str, list[str]] = {}
    for service in stack.services.values() if stack is not None else ():
        for edge in service.dependencies:
            dependents.setdefault(edge.on, []).append(service.name)
    return [
        Step(
            id=f"stop {seen.service}-{seen.number} {seen.id[:12]}",
            verb=Verb.STOP,
            subject=seen.name,
            cause=cause,
            service=seen.service,
            number=seen.number,
            handle=seen.id,
            after=tuple(
                identity
                for dependent in dependents.get(seen.service, ())
                for identity in identities.get(dependent, ())
            ),
            grace=grace,
        )
        for seen in running
    ]
