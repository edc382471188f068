"""Order, reach and faults of the graph, without any library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from zun_compose.errors import Fault, SpecError
from zun_compose.model import Dependency, Service, Stack


def edges(stack: Stack, service: Service) -> Iterator[Dependency]:
    """Edges from a service to other services that are part of the stack."""
    return (edge for edge in service.dependencies if not edge.external and edge.on in stack.services)


def check(stack: Stack) -> None:
    """Find everything that is wrong with the graph.

    Raises:
        SpecError: unknown services (code spec.unknown_service) and cycles (code spec.cycle), in file
            order; a cycle is shown with its path and the place of each of its edges.
    """
    generations(stack)


def order(stack: Stack) -> tuple[str, ...]:
    """All services, dependencies first; file order among those that could go together.

    Raises:
        SpecError: see `check`.
    """
    return tuple(name for generation in generations(stack) for name in generation)


def generations(stack: Stack) -> tuple[tuple[str, ...], ...]:
    """Services by how many edges deep their longest chain of dependencies is, each generation in file order.

    Raises:
        SpecError: see `check`.
    """
    if faults := _unknown(stack):
        raise SpecError(faults)
    depths = _depths(stack)
    if depths is None:
        # Only the failing case pays for networkx, which knows all cycles with their paths.
        from zun_compose.graph.cycles import cycle_faults

        raise SpecError(cycle_faults(stack))
    found: list[list[str]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for name in stack.services:
        found[depths[name]].append(name)
    return tuple(map(tuple, found))


def _depths(stack: Stack) -> dict[str, int] | None:
    """Return how many edges deep each service's longest chain of dependencies is; None for a cycle."""
    depths: dict[str, int] = {}
    for root, declared in stack.services.items():
        if root in depths:
            continue
        path = [(root, edges(stack, declared))]
        entered = {root}
        while path:
            name, left = path[-1]
            deeper = next((edge.on for edge in left if edge.on not in depths), None)
            if deeper is None:
                path.pop()
                entered.discard(name)
                below = (depths[edge.on] for edge in edges(stack, stack.services[name]))
                depths[name] = 1 + max(below, default=-1)
            elif deeper in entered:
                return None
            else:
                path.append((deeper, edges(stack, stack.services[deeper])))
                entered.add(deeper)
    return depths


def closure(stack: Stack, names: Iterable[str]) -> frozenset[str]:
    """The named services and all that they depend on, however far.

    Raises:
        SpecError: a name is no service (code spec.unknown_service).
    """
    waiting = _known(stack, names)
    reached = set(waiting)
    while waiting:
        for edge in edges(stack, stack.services[waiting.pop()]):
            if edge.on not in reached:
                reached.add(edge.on)
                waiting.append(edge.on)
    return frozenset(reached)


def dependents(stack: Stack, names: Iterable[str], *, restart_only: bool = False) -> frozenset[str]:
    """All services that depend on the named ones, however far; the named ones only if they do too.

    With `restart_only` just edges that say `restart: true` are followed.

    Raises:
        SpecError: a name is no service (code spec.unknown_service).
    """
    users: dict[str, list[str]] = {}
    for name, service in stack.services.items():
        for edge in edges(stack, service):
            if edge.restart or not restart_only:
                users.setdefault(edge.on, []).append(name)
    waiting = _known(stack, names)
    reached: set[str] = set()
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in reached:
                reached.add(user)
                waiting.append(user)
    return frozenset(reached)


def _known(stack: Stack, names: Iterable[str]) -> list[str]:
    wanted = list(names)
    faults = [
        Fault(code="spec.unknown_service", what=f'no such service "{name}"', hint=_near(stack, name))
        for name in wanted
        if name not in stack.services
    ]
    if faults:
        raise SpecError(faults)
    return wanted


def _unknown(stack: Stack) -> list[Fault]:
    # Parsing reports these first; stacks that are built in Python come here unparsed.
    return [
        Fault(
            code="spec.unknown_service",
            what=f'service "{name}" depends on {_missing(stack, edge)}',
            mark=edge.mark or service.mark,
            hint=_near(stack, edge.on),
        )
        for name, service in stack.services.items()
        for edge in service.dependencies
        if edge.required and edge.on not in (stack.externals if edge.external else stack.services)
    ]


def _missing(stack: Stack, edge: Dependency) -> str:
    if edge.external:
        return f'unknown external "{edge.on}"'
    if edge.on in stack.inactive:
        profiles = ", ".join(stack.inactive[edge.on])
        return f'service "{edge.on}", which only profiles turn on ({profiles})'
    return f'unknown service "{edge.on}"'


def _near(stack: Stack, name: str) -> str:
    if name in stack.inactive:
        return ""
    near = get_close_matches(name, [*stack.services, *stack.externals], n=1)
    return f'did you mean "{near[0]}"?' if near else ""
