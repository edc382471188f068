"""Explains cycles: the shortest one through each knot of services, with the places that make it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from zun_compose.errors import Fault
from zun_compose.graph.order import edges
from zun_compose.model import Dependency, Stack

if TYPE_CHECKING:
    import networkx

# In a knot of more services than this only cycles through its first one are looked at: the shortest
# of all would take time in the square of its size, and no one untangles such a knot by one message.
_LARGE = 300


def cycle_faults(stack: Stack) -> list[Fault]:
    """One fault a knot (strongly connected component), in file order."""
    graph = build(stack)
    place = {name: index for index, name in enumerate(stack.services)}
    return [_fault(stack, _rotated(cycle, place)) for cycle in _shortest_cycles(graph, place)]


def build(stack: Stack) -> networkx.DiGraph[str]:
    """The graph as networkx has it: an edge leads from a dependent to its dependency."""
    import networkx

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(stack.services)
    for name, service in stack.services.items():
        graph.add_edges_from((name, edge.on) for edge in edges(stack, service))
    return graph


def _shortest_cycles(graph: networkx.DiGraph[str], place: dict[str, int]) -> list[list[str]]:
    import networkx

    knots = [
        sorted(knot, key=place.__getitem__)
        for knot in networkx.strongly_connected_components(graph)
        if len(knot) > 1 or any(graph.has_edge(name, name) for name in knot)
    ]
    cycles = []
    for knot in sorted(knots, key=lambda knot: place[knot[0]]):
        within = graph.subgraph(knot)
        starts = knot if len(knot) <= _LARGE else knot[:1]
        # min keeps the first of equals, so the choice does not depend on hashing.
        cycles.append(min((_through(within, name) for name in starts), key=len))
    return cycles


def _through(graph: networkx.DiGraph[str], name: str) -> list[str]:
    """The shortest cycle through a node of a strongly connected graph, the node first."""
    if graph.has_edge(name, name):
        return [name]
    before: dict[str, str] = {}
    frontier = [name]
    while frontier:
        following = []
        for node in frontier:
            for successor in graph.successors(node):
                if successor == name:
                    cycle = [node]
                    while cycle[-1] != name:
                        cycle.append(before[cycle[-1]])
                    return cycle[::-1]
                if successor not in before:
                    before[successor] = node
                    following.append(successor)
        frontier = following
    raise AssertionError("a strongly connected component has a cycle through each of its nodes")


def _rotated(cycle: list[str], place: dict[str, int]) -> list[str]:
    start = min(range(len(cycle)), key=lambda index: place[cycle[index]])
    return cycle[start:] + cycle[:start]


def _fault(stack: Stack, cycle: list[str]) -> Fault:
    path = [*cycle, cycle[0]]
    steps = [(name, _edge(stack, name, on)) for name, on in pairwise(path)]
    places = [f"{name} -> {edge.on} at {edge.mark}" for name, edge in steps if edge.mark is not None]
    if len(cycle) == 1:
        what = f'service "{cycle[0]}" depends on itself: {" -> ".join(path)}'
    else:
        what = f"services depend on each other: {' -> '.join(path)}"
    mark = next((edge.mark for _, edge in steps if edge.mark is not None), stack.services[cycle[0]].mark)
    return Fault(code="spec.cycle", what=what, mark=mark, hint="; ".join(places))


def _edge(stack: Stack, name: str, on: str) -> Dependency:
    return next(edge for edge in edges(stack, stack.services[name]) if edge.on == on)
