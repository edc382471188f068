"""Draws the graph for people and programs: text, mermaid, dot, JSON. Same stack in, same bytes out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from zun_compose.graph.order import edges, generations
from zun_compose.model import Dependency, Service, Stack

# Characters that mean nothing to mermaid inside quotes; all others become numeric entities.
_MERMAID_PLAIN = re.compile(r"[^A-Za-z0-9 _.,:()/=-]")
# Reducing a graph takes time in the square of its size.
_REDUCIBLE = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def text(stack: Stack) -> str:
    """A page for a terminal: services by generation, each with what it waits for."""
    levels = generations(stack)
    width = max((len(_shown(name)) for name in stack.services), default=0)
    title = (
        f"{_shown(stack.name)}: {_count(len(stack.services), 'service')} in {_count(len(levels), 'level')}"
    )
    lines = [title]
    for number, level in enumerate(levels, 1):
        for index, name in enumerate(level):
            waits = ", ".join(
                f"{_shown(edge.on)} ({_label(edge)})" for edge in _drawn(stack, stack.services[name])
            )
            head = f"{number if index == 0 else '':>4}  {_shown(name):<{width}}"
            lines.append(f"{head}  <- {waits}" if waits else head.rstrip())
    externals = [name for name in stack.externals if _used(stack, name)]
    if externals:
        lines.append(f"outside the stack: {', '.join(_shown(name) for name in externals)}")
    return "\n".join(lines) + "\n"


def mermaid(stack: Stack) -> str:
    """A mermaid flowchart; arrows lead from a dependency to what waits for it."""
    generations(stack)
    names = _ids(stack)
    lines = ["flowchart LR"]
    for (kind, name), node in names.items():
        opening, closing = ("([", "])") if kind == "external" else ("[", "]")
        lines.append(f'  {node}{opening}"{_mermaid(name)}"{closing}')
    for dependency, user, edge in _links(stack, names):
        arrow = "-->" if edge.required else "-.->"
        lines.append(f'  {dependency} {arrow}|"{_mermaid(_label(edge))}"| {user}')
    return "\n".join(lines) + "\n"


def dot(stack: Stack) -> str:
    """A Graphviz digraph; arrows lead from a dependency to what waits for it."""
    generations(stack)
    names = _ids(stack)
    lines = [f"digraph {_dot(stack.name)} {{", "  rankdir=LR;", "  node [shape=box];"]
    for (kind, name), node in names.items():
        style = ", style=dashed" if kind == "external" else ""
        lines.append(f"  {node} [label={_dot(name)}{style}];")
    for dependency, user, edge in _links(stack, names):
        style = "" if edge.required else ", style=dashed"
        lines.append(f"  {dependency} -> {user} [label={_dot(_label(edge))}{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def as_dict(stack: Stack) -> dict[str, Any]:
    """A JSON-ready form.

    An edge is `implied` when its order follows from other edges too: drawings may leave it out, its
    condition still holds. In stacks of more than 1,000 services that is not worked out: null.
    """
    levels = generations(stack)
    depth = {name: number for number, level in enumerate(levels, 1) for name in level}
    needed = _reduced(stack)
    return {
        "stack": stack.name,
        "services": [{"name": name, "level": depth[name]} for name in stack.services],
        "externals": [{"name": name} for name in stack.externals],
        "edges": [
            {
                "from": name,
                "to": edge.on,
                "condition": str(edge.condition),
                "required": edge.required,
                "restart": edge.restart,
                "timeout": edge.timeout,
                "retries": edge.retries,
                "replicas": edge.replicas,
                "external": edge.external,
                "implicit": edge.implicit,
                "implied": None if needed is None else not edge.external and (name, edge.on) not in needed,
                "mark": str(edge.mark) if edge.mark is not None else None,
            }
            for name, service in stack.services.items()
            for edge in _drawn(stack, service)
        ],
    }


def as_json(stack: Stack) -> str:
    """The JSON text of `as_dict`."""
    return json.dumps(as_dict(stack), indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Stack], str]] = {
    "text": text,
    "mermaid": mermaid,
    "dot": dot,
    "json": as_json,
}


def _drawn(stack: Stack, service: Service) -> Iterator[Dependency]:
    yield from edges(stack, service)
    yield from (edge for edge in service.dependencies if edge.external and edge.on in stack.externals)


def _used(stack: Stack, external: str) -> bool:
    return any(
        edge.external and edge.on == external
        for service in stack.services.values()
        for edge in service.dependencies
    )


def _ids(stack: Stack) -> dict[tuple[str, str], str]:
    # Names never become identifiers of the drawing's language, so none of its keywords can be hit.
    keys = [("service", name) for name in stack.services]
    keys += [("external", name) for name in stack.externals if _used(stack, name)]
    return {key: f"n{index}" for index, key in enumerate(keys)}


def _links(stack: Stack, names: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, str, Dependency]]:
    for name, service in stack.services.items():
        for edge in _drawn(stack, service):
            kind = "external" if edge.external else "service"
            yield names[kind, edge.on], names["service", name], edge


def _label(edge: Dependency) -> str:
    words = [edge.condition.removeprefix("service_").replace("_", " ")]
    if edge.replicas is not None:
        words.append("any" if edge.replicas == 1 else f"{edge.replicas} replicas")
    if edge.timeout is not None:
        words.append(f"within {edge.timeout:g}s")
    if edge.retries is not None:
        words.append(f"retries {edge.retries}")
    if not edge.required:
        words.append("optional")
    if edge.restart:
        words.append("restart")
    return ", ".join(words)


def _reduced(stack: Stack) -> frozenset[tuple[str, str]] | None:
    """The edges that no chain of other edges implies; None if there are too many to tell in good time."""
    if len(stack.services) > _REDUCIBLE:
        return None
    import networkx

    from zun_compose.graph.cycles import build

    return frozenset(networkx.transitive_reduction(build(stack)).edges)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _shown(name: str) -> str:
    return _CONTROL.sub("\ufffd", name)


def _mermaid(word: str) -> str:
    return _MERMAID_PLAIN.sub(lambda match: f"#{ord(match[0])};", _shown(word))


def _dot(word: str) -> str:
    escaped = _shown(word).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return f'"{escaped}"'
