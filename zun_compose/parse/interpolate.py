"""Variables in a tree: ${NAME}, its defaults and demands, and the types that such values then take.

Pure: values come from a mapping. Which attributes are cast is said in rules.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from zun_compose.parse import units
from zun_compose.parse.rules import Node, child, item_of
from zun_compose.parse.tree import Faults, Path, spell

DOLLAR = re.compile(r"\$(?:(\$)|([_a-zA-Z][_a-zA-Z0-9]*)|\{([_a-zA-Z][_a-zA-Z0-9]*)?)")
_BRACE = re.compile(r"\$\{|\}")
_DEEP = 50
LONG = 1 << 20
"""Characters that one string may expand to."""

TOTAL = 1 << 24
"""Characters that all strings of a document may expand to."""


class Invalid(ValueError):
    """The text is no valid template."""


class Missing(ValueError):
    """A variable that must have a value has none."""


Seen = Callable[[str], None]


def expand(text: str, variables: Mapping[str, str], unset: Seen) -> str:
    """Replace the variables of one string. `unset` is called with names that have no value.

    Raises Invalid and Missing; neither message holds a value.
    """
    if "$" not in text:
        return text
    return _Expansion(text, variables, unset).between(0, len(text), 0)


def closings(text: str) -> Mapping[int, int]:
    """Return by the place of each "${" where its brace closes, -1 where too many others are open in it."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for brace in _BRACE.finditer(text):
        if brace[0] == "${":
            opened.append(brace.start())
            if len(opened) > _DEEP:
                found[opened[-_DEEP - 1]] = -1
        elif opened:
            found.setdefault(opened.pop(), brace.start())
    return found


class _Expansion:
    """One string; its braces are matched once, however deep they nest."""

    def __init__(self, text: str, variables: Mapping[str, str], unset: Seen) -> None:
        self._text = text
        self._variables = variables
        self._unset = unset
        self._closings = closings(text) if "{" in text else {}

    def between(self, position: int, stop: int, depth: int) -> str:
        """Replace the variables of a part of the string."""
        if depth > _DEEP:
            raise Invalid("nested too deep")
        text = self._text
        parts: list[str] = []
        length = 0
        while True:
            match = DOLLAR.search(text, position, stop)
            if match is None:
                parts.append(text[position:stop])
                return "".join(parts)
            length += len(parts[-1]) if parts else 0
            if length > LONG:
                raise Invalid("it expands to too much")
            parts.append(text[position : match.start()])
            value, position = self._one(match, stop, depth)
            parts.append(value)

    def _one(self, match: re.Match[str], stop: int, depth: int) -> tuple[str, int]:
        """Return what stands for one variable, and where the text goes on."""
        if match[1]:
            return "$", match.end()
        if match[2]:
            value = self._variables.get(match[2])
            if value is None:
                self._unset(match[2])
            return value or "", match.end()
        if match[3] is None:
            raise Invalid("a variable name must follow ${")
        end = self._closings.get(match.start(), stop)
        if end < 0:
            raise Invalid("nested too deep")
        if end >= stop:
            raise Invalid("a closing brace is missing")
        return self._braced(match[3], match.end(), end, depth), end + 1

    def _braced(self, name: str, start: int, stop: int, depth: int) -> str:
        text, value = self._text, self._variables.get(name)
        if start == stop:
            if value is None:
                self._unset(name)
            return value or ""
        if text.find("\n", start, stop) >= 0:
            raise Invalid("a variable may not span lines")
        colon = text[start] == ":"
        operator, word = text[start + colon : min(start + colon + 1, stop)], start + colon + 1
        present = bool(value) if colon else value is not None
        if operator == "-":
            return (value or "") if present else self.between(word, stop, depth + 1)
        if operator == "+":
            return self.between(word, stop, depth + 1) if present else ""
        if operator == "?":
            if present:
                return value or ""
            # The reason is shown as it was written: what it refers to may be a secret.
            self.between(word, stop, depth + 1)
            reason = text[word:stop]
            raise Missing(f'variable "{name}" must be set' + (f": {reason}" if reason else ""))
        raise Invalid(f'"{text[start]}" may not follow a variable name')


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
        if self.total > TOTAL:
            return ""
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
        if result != text:
            self.faults.written[result] = text
            for spelt in _fragments(text):
                if value := expand(spelt, self.variables, lambda _: None):
                    self.faults.went_in(value, spelt)
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


def _fragments(text: str) -> Iterator[str]:
    """Yield the variables of a sound template, outermost ones alone, as they are written."""
    position = 0
    ends = closings(text)
    while (match := DOLLAR.search(text, position)) is not None:
        braced = match[1] is None and match[2] is None
        position = ends[match.start()] + 1 if braced else match.end()
        if match[1] is None:
            yield text[match.start() : position]


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
