"""Variables in a tree: ${NAME}, its defaults and demands, and the types that such values then take.

Pure: values come from a mapping. Which attributes are cast is said in rules.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from zun_compose.parse import units
from zun_compose.parse.rules import Node, child, item_of
from zun_compose.parse.tree import Faults, Path, spell

_DOLLAR = re.compile(r"\$(?:(\$)|([_a-zA-Z][_a-zA-Z0-9]*)|\{([_a-zA-Z][_a-zA-Z0-9]*)?)")
_BRACE = re.compile(r"\$\{|\}")
_DEEP = 50
LONG = 1 << 20
"""Characters that one string may expand to."""

TOTAL = 1 << 26
"""Characters that all strings of a document may expand to."""


class Invalid(ValueError):
    """The text is no valid template."""


class Missing(ValueError):
    """A variable that must have a value has none."""


Seen = Callable[[str], None]


def expand(text: str, variables: Mapping[str, str], unset: Seen, depth: int = 0) -> str:
    """Replace the variables of one string. `unset` is called with names that have no value.

    Raises Invalid and Missing; neither message holds a value.
    """
    if "$" not in text:
        return text
    if depth > _DEEP:
        raise Invalid("nested too deep")
    parts: list[str] = []
    position = length = 0
    while True:
        match = _DOLLAR.search(text, position)
        if match is None:
            parts.append(text[position:])
            return "".join(parts)
        length += len(parts[-1]) if parts else 0
        if length > LONG:
            raise Invalid("it expands to too much")
        parts.append(text[position : match.start()])
        if match[1]:
            parts.append("$")
            position = match.end()
        elif match[2]:
            value = variables.get(match[2])
            if value is None:
                unset(match[2])
            parts.append(value or "")
            position = match.end()
        else:
            if match[3] is None:
                raise Invalid("a variable name must follow ${")
            end = _closing(text, match.start())
            parts.append(_braced(match[3], text[match.end() : end], variables, unset, depth))
            position = end + 1


def _closing(text: str, start: int) -> int:
    opened = 0
    for brace in _BRACE.finditer(text, start):
        opened += 1 if brace[0] == "${" else -1
        if opened == 0:
            return brace.start()
        if opened > _DEEP:
            raise Invalid("nested too deep")
    raise Invalid("a closing brace is missing")


def _braced(name: str, rest: str, variables: Mapping[str, str], unset: Seen, depth: int) -> str:
    value = variables.get(name)
    if not rest:
        if value is None:
            unset(name)
        return value or ""
    if "\n" in rest:
        raise Invalid("a variable may not span lines")
    colon = rest[0] == ":"
    operator, word = rest[colon : colon + 1], rest[colon + 1 :]
    present = bool(value) if colon else value is not None
    if operator == "-":
        return (value or "") if present else expand(word, variables, unset, depth + 1)
    if operator == "+":
        return expand(word, variables, unset, depth + 1) if present else ""
    if operator == "?":
        if present:
            return value or ""
        # The reason is shown as it was written: what it refers to may be a secret.
        expand(word, variables, unset, depth + 1)
        raise Missing(f'variable "{name}" must be set' + (f": {word}" if word else ""))
    raise Invalid(f'"{rest[:1]}" may not follow a variable name')


def interpolate(tree: Any, root: Node, variables: Mapping[str, str], faults: Faults) -> None:
    """Replace all variables in a tree, in place; cast strings where a number or boolean is wanted."""
    _Walk(tree, variables, faults).enter(tree, root, ())


class _Walk:
    def __init__(self, tree: Any, variables: Mapping[str, str], faults: Faults) -> None:
        self.tree = tree
        self.variables = variables
        self.faults = faults
        self.total = 0

    def unset(self, name: str) -> None:
        self.faults.warn(f'the variable "{name}" is not set and counts as empty')

    def enter(self, value: Any, node: Node | None, path: Path) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                if isinstance(item, str | dict | list):
                    self.item(value, key, item, child(node, key), path)
        else:
            below = item_of(node)
            for index, item in enumerate(value):
                if isinstance(item, str | dict | list):
                    self.item(value, index, item, below, path)

    def item(self, owner: Any, key: str | int, item: Any, node: Node | None, path: Path) -> None:
        if not isinstance(item, str):
            self.enter(item, node, (*path, key))
        elif "$" in item or (node is not None and node.cast):
            owner[key] = self.string(item, node, (*path, key))

    def string(self, text: str, node: Node | None, path: Path) -> Any:
        try:
            result = expand(text, self.variables, self.unset)
        except Missing as error:
            self.faults.at(self.tree, path, "variable", f"{spell(path)}: {error}")
            return text
        except Invalid as error:
            self.faults.at(
                self.tree, path, "interpolation", f"{spell(path)}: {error}", "write $$ for a dollar sign"
            )
            return text
        self.total += len(result)
        if self.total > TOTAL:
            self.faults.at(self.tree, (), "interpolation", "the variables of the file expand to too much")
            return ""
        if node is None or not node.cast:
            return result
        try:
            return CASTS[node.cast](result)
        except ValueError as error:
            self.faults.at(self.tree, path, "type", f"{spell(path)} {error}")
            return text


def _boolean(text: str) -> bool:
    word = text.lower()
    if word in ("true", "y", "yes", "on"):
        return True
    if word in ("false", "n", "no", "off"):
        return False
    raise ValueError("must be true or false")


def _integer(text: str) -> int:
    if not re.fullmatch(r"[-+]?[0-9]{1,19}", text):
        raise ValueError("must be a whole number")
    return int(text)


CASTS: Mapping[str, Callable[[str], Any]] = {"int": _integer, "float": units.number, "bool": _boolean}
