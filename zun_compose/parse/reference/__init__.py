"""What is made of the table of the language for people and editors: the JSON Schema and docs/attributes.md.

`make generate` writes both; nothing but that, the command `schema` and tests loads this package.
"""

from __future__ import annotations

from collections.abc import Mapping

from zun_compose.parse.attributes import attributes, own_words
from zun_compose.parse.rules import Rule


def everything() -> Mapping[str, Rule]:
    """Return the whole table, our own words included: dotted path -> rule."""
    own = own_words()
    common = attributes()
    shared = tuple(path for path in own if path in common)
    table = {path: rule for path, rule in common.items() if not path.startswith(shared)}
    return {**table, **own}
