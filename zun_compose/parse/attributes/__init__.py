"""The table of the language: attribute path -> rule. See rules.py for how to read it.

A path is dotted; `*` stands for any key, `[]` for a list's items. A mapping none of whose children
is named by `*` is closed: other keys than the named ones (and x-...) are faults. `**` leaves open.

Nothing is said of an attribute twice: the check, interpolation, merging, the reader of our own words, the
JSON Schema and docs/attributes.md all go by these tables. What each attribute is for stands in
reference/wording/, which nothing loads but what writes those two files.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from zun_compose.parse.attributes import own
from zun_compose.parse.attributes.resources import CONFIG, MODEL, NETWORK, SECRET, VOLUME
from zun_compose.parse.attributes.service import SERVICE
from zun_compose.parse.attributes.shapes import NAMES, Entry, rule, text
from zun_compose.parse.rules import ARRAY, NULL, OBJECT, STRING, Rule

_INCLUDE: Mapping[str, Entry] = {
    "": rule(ARRAY, NULL),
    "[]": rule(STRING, OBJECT, required=("path",)),
    "[].path": rule(STRING, ARRAY),
    "[].path[]": text(),
    "[].env_file": rule(STRING, ARRAY),
    "[].env_file[]": text(),
    "[].project_directory": text(),
}

_STACK: Mapping[str, Entry] = {
    "version": text(),
    "name": text(),
    "include": _INCLUDE,
    "services": rule(OBJECT, names=NAMES),
    "services.*": SERVICE,
    "networks": rule(OBJECT),
    "networks.*": NETWORK,
    "volumes": rule(OBJECT, names=NAMES),
    "volumes.*": VOLUME,
    "secrets": rule(OBJECT, names=NAMES),
    "secrets.*": SECRET,
    "configs": rule(OBJECT, names=NAMES),
    "configs.*": CONFIG,
    "models": rule(OBJECT),
    "models.*": MODEL,
}

_OWN: Mapping[str, Entry] = {
    "x-zun": own.STACK,
    "services.*.x-zun": own.SERVICE,
    "services.*.readiness": own.READINESS,
    "services.*.x-readiness": own.PORTABLE_READINESS,
    "services.*.x-depends-on": own.OUTSIDE,
    "services.*.depends_on.*": own.EDGE,
}


def flatten(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested groups as one table: dotted path -> what stands there."""
    table: dict[str, Any] = {}
    _spread("", entry, table)
    return table


def _spread(path: str, entry: Any, table: dict[str, Any]) -> None:
    if not isinstance(entry, Mapping):
        table[path] = entry
        return
    for name, inner in entry.items():
        dot = "." if path and name and name[0] not in ".[" else ""
        _spread(f"{path}{dot}{name}", inner, table)


@cache
def attributes() -> Mapping[str, Rule]:
    """Return the whole table but for our own words: dotted path -> rule."""
    return flatten(_STACK)


@cache
def own_words() -> Mapping[str, Rule]:
    """Return the table of our own words, which probes.py reads: dotted path -> rule.

    Mappings of it take no x-... keys. `services.*.readiness` stands in both tables.
    """
    return flatten(_OWN)
