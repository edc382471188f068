"""The graph against brute force on random stacks, and drawings of stacks with any names at all."""

from __future__ import annotations

import html
import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zun_compose import graph
from zun_compose.errors import SpecError
from zun_compose.model import Dependency, Service, Stack

NAMES = [f"s{number}" for number in range(8)]


def build(edges: dict[str, list[str]], restarts: frozenset[tuple[str, str]] = frozenset()) -> Stack:
    return Stack(
        name="s",
        services={
            name: Service(
                name=name,
                dependencies=tuple(Dependency(on=on, restart=(name, on) in restarts) for on in ons),
            )
            for name, ons in edges.items()
        },
    )


@st.composite
def any_graphs(draw) -> dict[str, list[str]]:
    names = draw(st.permutations(NAMES[: draw(st.integers(0, len(NAMES)))]))
    return {name: draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) for name in names}


@st.composite
def acyclic_graphs(draw) -> dict[str, list[str]]:
    names = draw(st.permutations(NAMES[: draw(st.integers(0, len(NAMES)))]))
    edges = {
        name: draw(st.lists(st.sampled_from(names[:place]), unique=True, max_size=4)) if place else []
        for place, name in enumerate(names)
    }
    return {name: edges[name] for name in draw(st.permutations(names))}


def reach(edges: dict[str, list[str]]) -> dict[str, set[str]]:
    """Who is reached from where by at least one edge: Warshall's closure."""
    reached = {name: set(ons) for name, ons in edges.items()}
    for via, start in itertools.product(edges, edges):
        if via in reached[start]:
            reached[start] |= reached[via]
    return reached


@given(acyclic_graphs())
def test_order_puts_dependencies_first_and_is_as_the_file_where_it_can_be(edges) -> None:
    order = graph.order(build(edges))
    place = {name: index for index, name in enumerate(order)}
    assert sorted(order) == sorted(edges)
    assert all(place[on] < place[name] for name, ons in edges.items() for on in ons)
    in_file = list(edges)
    for level in graph.generations(build(edges)):
        assert list(level) == sorted(level, key=in_file.index)


@given(acyclic_graphs())
def test_generations_count_the_longest_chain(edges) -> None:
    def depth(name: str) -> int:
        return 1 + max((depth(on) for on in edges[name]), default=0)

    levels = graph.generations(build(edges))
    assert {name: level for level, names in enumerate(levels, 1) for name in names} == {
        name: depth(name) for name in edges
    }


@given(any_graphs())
def test_cycles_are_found_where_there_are_any(edges) -> None:
    reached = reach(edges)
    knotted = {name for name in edges if name in reached[name]}
    if not knotted:
        graph.check(build(edges))
        return
    with pytest.raises(SpecError) as caught:
        graph.check(build(edges))
    knots = {
        frozenset({name, *(other for other in reached[name] if name in reached[other])}) for name in knotted
    }
    assert len(caught.value.faults) == len(knots)
    for fault in caught.value.faults:
        assert fault.code == "spec.cycle"
        path = fault.what.rpartition(": ")[2].split(" -> ")
        assert path[0] == path[-1]
        assert all(on in edges[name] for name, on in itertools.pairwise(path))
        (knot,) = [one for one in knots if path[0] in one]
        assert set(path) <= knot
        assert len(path) - 1 == shortest_cycle(edges, knot)


def shortest_cycle(edges: dict[str, list[str]], knot: frozenset[str]) -> int:
    for length in range(1, len(knot) + 1):
        for walk in itertools.permutations(sorted(knot), length):
            if all(on in edges[name] for name, on in itertools.pairwise((*walk, walk[0]))):
                return length
    raise AssertionError("a knot holds a cycle")


@given(any_graphs(), st.data())
def test_reach_is_as_by_brute_force(edges, data) -> None:
    wanted = data.draw(st.lists(st.sampled_from(sorted(edges)), unique=True)) if edges else []
    pairs = sorted((name, on) for name, ons in edges.items() for on in ons)
    restarts = frozenset(data.draw(st.lists(st.sampled_from(pairs), unique=True))) if pairs else frozenset()
    stack = build(edges, restarts)
    reached = reach(edges)
    assert graph.closure(stack, wanted) == set(wanted).union(*(reached[name] for name in wanted))
    assert graph.dependents(stack, wanted) == {name for name in edges if reached[name] & set(wanted)}
    by_restart = reach({name: [on for on in ons if (name, on) in restarts] for name, ons in edges.items()})
    assert graph.dependents(stack, wanted, restart_only=True) == {
        name for name in edges if by_restart[name] & set(wanted)
    }


@given(acyclic_graphs(), st.lists(st.integers(0, 20), min_size=8, max_size=8))
def test_the_critical_path_is_a_chain_and_none_is_longer(edges, numbers) -> None:
    seconds = dict(zip(NAMES, map(float, numbers), strict=True))

    def longest(name: str) -> float:
        return seconds[name] + max((longest(on) for on in edges[name]), default=0.0)

    path = graph.critical_path(build(edges), seconds)
    assert all(first.service in edges[second.service] for first, second in itertools.pairwise(path))
    total = sum(link.seconds for link in path)
    assert total == max((longest(name) for name in edges), default=0.0)
    if path:
        assert edges[path[0].service] == []
        assert path[-1].finished == total


@given(acyclic_graphs())
def test_implied_edges_can_be_left_out_without_loss_of_order(edges) -> None:
    drawn = graph.as_dict(build(edges))["edges"]
    kept: dict[str, list[str]] = {name: [] for name in edges}
    for edge in drawn:
        if not edge["implied"]:
            kept[edge["from"]].append(edge["to"])
    assert reach(kept) == reach(edges)


TRAPS = ['"', "\\", 'a"];', "--", "end", "<b>", "&quot;", "#quot;", "`", "\\n", '\\"', "a\nb", "x]|y"]
weird_names = st.lists(
    st.text(min_size=1, max_size=12) | st.sampled_from(TRAPS), unique=True, min_size=2, max_size=5
)


def weird(names: list[str]) -> Stack:
    needs = dict(itertools.pairwise(names))
    return Stack(
        name=names[0],
        services={
            name: Service(name=name, dependencies=(Dependency(on=needs[name]),) if name in needs else ())
            for name in names
        },
    )


DOT = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>->|[{}\[\]=;,]))"""
)


def dot_tokens(source: str) -> list[str]:
    """Graphviz's lexer as far as we use its language."""
    tokens, place = [], 0
    source = source.rstrip()
    while place < len(source):
        match = DOT.match(source, place)
        assert match is not None, source[place : place + 40]
        tokens.append(match.group().strip() if match["string"] is None else match["string"])
        place = match.end()
    return tokens


def plain(name: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", "\ufffd", name)


@given(weird_names)
def test_no_name_breaks_out_of_dot(names) -> None:
    tokens = dot_tokens(graph.dot(weird(names)))
    strings = [token for token in tokens if token.startswith('"')]
    shown = [html.unescape(re.sub(r"\\(.)", r"\1", token[1:-1])) for token in strings]
    assert len(shown) == 1 + len(names) + (len(names) - 1)
    for name, label in zip(names, shown[1:], strict=False):
        assert label == plain(name)
    expected = ["digraph", "S", "{", "rankdir", "=", "LR", ";", "node", "[", "shape", "=", "box", "]", ";"]
    for index in range(len(names)):
        expected += [f"n{index}", "[", "label", "=", "S", "]", ";"]
    for index in range(len(names) - 1):
        expected += [f"n{index + 1}", "->", f"n{index}", "[", "label", "=", "S", "]", ";"]
    assert ["S" if token.startswith('"') else token for token in tokens] == [*expected, "}"]


@given(weird_names)
def test_no_name_breaks_out_of_mermaid(names) -> None:
    first, *lines = graph.mermaid(weird(names)).splitlines()
    assert first == "flowchart LR"
    labels = []
    for index, line in enumerate(lines[: len(names)]):
        match = re.fullmatch(rf'  n{index}\["([A-Za-z0-9 _.,:()/=#;-]*)"\]', line)
        assert match is not None, line
        labels.append(re.sub(r"#(\d+);", lambda entity: chr(int(entity[1])), match[1]))
    assert labels == [plain(name) for name in names]
    for index, line in enumerate(lines[len(names) :]):
        assert line == f'  n{index + 1} -->|"started"| n{index}'


@given(weird_names)
def test_no_name_breaks_out_of_a_line_or_of_json(names) -> None:
    stack = weird(names)
    assert [entry["name"] for entry in json.loads(graph.as_json(stack))["services"]] == names
    assert len(graph.text(stack).split("\n")) == len(names) + 2
