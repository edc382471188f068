"""Which chain of services made, or will make, an `up` as long as it is."""

from __future__ import annotations

from collections.abc import Mapping

from zun_compose.graph.order import edges, order
from zun_compose.model import Condition, Stack
from zun_compose.record import Record


class Link(Record, kw_only=True):
    """One service of a critical path.

    `seconds` it took until its gate, which opened `finished` seconds after the beginning of the path;
    `condition` is what the next service of the path waits for (None for the last).
    """

    service: str
    seconds: float
    finished: float
    condition: Condition | None = None


def critical_path(stack: Stack, seconds: Mapping[str, float]) -> tuple[Link, ...]:
    """The chain of dependencies with the largest sum of `seconds`, dependencies first.

    `seconds` is each service's time from the start of its container to its gate; services that are
    missing count nothing. Among equals the one that comes first in the file is taken.

    Raises:
        SpecError: the stack has a cycle or an unknown service.
    """
    finished: dict[str, float] = {}
    through: dict[str, str | None] = {}
    for name in order(stack):
        begin, via = 0.0, None
        for edge in edges(stack, stack.services[name]):
            if via is None or finished[edge.on] > begin:
                begin, via = finished[edge.on], edge.on
        finished[name] = begin + seconds.get(name, 0.0)
        through[name] = via
    if not finished:
        return ()
    chain = [max(stack.services, key=finished.__getitem__)]
    while (via := through[chain[-1]]) is not None:
        chain.append(via)
    chain.reverse()
    return tuple(
        Link(
            service=name,
            seconds=seconds.get(name, 0.0),
            finished=finished[name],
            condition=_condition(stack, user, name) if user is not None else None,
        )
        for name, user in zip(chain, [*chain[1:], None], strict=True)
    )


def _condition(stack: Stack, user: str, on: str) -> Condition:
    return next(edge.condition for edge in edges(stack, stack.services[user]) if edge.on == on)
