"""What a rule of the language's one table says, and the table as a tree to walk beside a stack file.

Every phase that treats attributes differently reads it from here: the check of types and words, casts
after interpolation, merging of files, uniqueness of list entries, units, and what is printed though
empty. The table itself is in attributes/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from zun_compose.record import Mutable, Record, field

STRING, NUMBER, INTEGER, BOOLEAN, NULL, OBJECT, ARRAY = (
    "a string",
    "a number",
    "a whole number",
    "true or false",
    "empty",
    "a mapping",
    "a list",
)


class Rule(Record, kw_only=True):
    """What one attribute may hold.

    `types` are the accepted forms. `cast` turns strings into int, float or bool after interpolation.
    `merge` names how a later file's value meets an earlier one's (None: mappings join, lists are
    appended, all else is replaced); `unique` how list entries are told apart. `words` are the allowed
    strings, `pattern` what a string must look like, `names` what the keys of a mapping must look like.
    `kind` says what a string stands for: shorthand.py reads a duration and a size, the others tell the
    schema what the reader of the attribute takes. `one_of` are keys of which exactly one must be there,
    `filled` forbids an empty list. `keep` prints the attribute even where it is empty.
    """

    types: tuple[str, ...]
    cast: str | None = None
    merge: str | None = None
    unique: str | None = None
    words: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    looks: str = ""
    minimum: float | None = None
    maximum: float | None = None
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    filled: bool = False
    names: re.Pattern[str] | None = None
    distinct: bool = False
    kind: str | None = None
    keep: bool = False


class Node(Mutable):
    """The table as a tree: what is known at one path. `measured` and `unique` tell of all below it too."""

    rule: Rule | None = None
    keys: dict[str, Node] = field(default_factory=dict)
    other: Node | None = None
    item: Node | None = None
    free: bool = False
    cast: str | None = None
    measured: bool = False
    unique: bool = False


def child(node: Node | None, key: str) -> Node | None:
    """Return what is known of a key of a mapping at `node`."""
    if node is None:
        return None
    found = node.keys.get(key)
    if found is None and node.other is not None and not (key.startswith("x-") and node.keys):
        return node.other
    return found


def item_of(node: Node | None) -> Node | None:
    """Return what is known of the items of a list at `node`."""
    return None if node is None else node.item


_PART = re.compile(r"\[\]|\*\*|[^.\[\]]+")


@cache
def language() -> Node:
    """Return the table as a tree, for walking it beside a stack file."""
    from zun_compose.parse.attributes import attributes

    return planted(attributes())


def planted(table: Mapping[str, Rule]) -> Node:
    """Return a table of paths as a tree."""
    root = Node(Rule(types=(OBJECT,)))
    for path, rule in table.items():
        node = root
        for part in _PART.findall(path):
            if part == "**":
                node.free = True
                break
            if part == "[]":
                node.item = node = node.item or Node()
            elif part == "*":
                node.other = node = node.other or Node()
            else:
                node = node.keys.setdefault(part, Node())
        else:
            node.rule, node.cast = rule, rule.cast
    _summarise(root)
    return root


def _summarise(node: Node) -> None:
    """Say at each node what there is at it or below, so that walks can leave out the rest."""
    rule = node.rule
    node.measured = rule is not None and rule.kind in ("duration", "size")
    node.unique = rule is not None and rule.unique is not None
    for below in (*node.keys.values(), node.other, node.item):
        if below is not None:
            _summarise(below)
            node.measured = node.measured or below.measured
            node.unique = node.unique or below.unique


def at(*parts: str) -> Node:
    """Return the node of a path of the table, given in parts: services, *, ports."""
    node: Node | None = language()
    for part in parts:
        node = item_of(node) if part == "[]" else child(node, part)
    assert node is not None, parts
    return node
