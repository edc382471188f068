"""Which variables the strings of a tree use, and what they say of each: for `config --variables`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zun_compose.parse.interpolate import DOLLAR, closings
from zun_compose.record import Record, replace

_DEEP = 50


class Variable(Record, kw_only=True):
    """One variable, as the files use it.

    `required`: somewhere it must have a value. `default` is what stands in for it where it has none,
    `alternate` what stands in for it where it has one; each as it was written first, "" if it never was.
    """

    name: str
    required: bool = False
    default: str = ""
    alternate: str = ""


class Survey:
    """Gathers the variables of several documents."""

    def __init__(self) -> None:
        self._found: dict[str, Variable] = {}

    def add(self, tree: Any) -> None:
        """Note all variables in the values of a tree; keys have none."""
        waiting = [tree]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                waiting.extend(reversed(value.values()))
            elif isinstance(value, list):
                waiting.extend(reversed(value))
            elif isinstance(value, str) and "$" in value:
                for variable in uses(value):
                    self._note(variable)

    def variables(self) -> tuple[Variable, ...]:
        """Return what was found, by name."""
        return tuple(self._found[name] for name in sorted(self._found))

    def _note(self, seen: Variable) -> None:
        known = self._found.get(seen.name)
        self._found[seen.name] = (
            seen
            if known is None
            else replace(
                known,
                required=known.required or seen.required,
                default=known.default or seen.default,
                alternate=known.alternate or seen.alternate,
            )
        )


def uses(text: str) -> Iterator[Variable]:
    """Yield the variables of one string, outer ones before those in their defaults.

    What follows "?" is a message and stands for no value. Nothing after a fault is told: interpolation
    names that.
    """
    return _between(text, closings(text), 0, len(text), 0)


def _between(text: str, ends: Mapping[int, int], position: int, stop: int, depth: int) -> Iterator[Variable]:
    while depth <= _DEEP and (match := DOLLAR.search(text, position, stop)) is not None:
        position = match.end()
        if match[2]:
            yield Variable(name=match[2])
        if match[1] or match[2]:
            continue
        end = ends.get(match.start(), -1)
        if match[3] is None or not position <= end < stop:
            return
        rest = text[position:end].removeprefix(":")
        operator, word = rest[:1], rest[1:]
        yield Variable(
            name=match[3],
            required=operator == "?",
            default=word if operator == "-" else "",
            alternate=word if operator == "+" else "",
        )
        if operator in ("-", "+"):
            yield from _between(text, ends, end - len(word), end, depth + 1)
        position = end + 1
