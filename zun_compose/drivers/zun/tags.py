"""Labels of things that have tags only: each label is one tag, "key=value". Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

from zun_compose import labels
from zun_compose.errors import Rejected

LONGEST = 255
"""Characters of one tag (neutron_lib.db.constants, TAG_SIZE)."""

# Neutron parts the tags of a filter by commas.
_SAFE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",%/")


def tags(carried: Mapping[str, str], thing: str) -> list[str]:
    """Return labels as tags. Raises Rejected for one that is too long, naming `thing`."""
    found = [f"{quote(key, _SAFE)}={quote(value, _SAFE)}" for key, value in sorted(carried.items())]
    for tag in found:
        if len(tag) > LONGEST:
            key = tag.partition("=")[0]
            raise Rejected(f'{thing}: its label "{key}" is longer than the {LONGEST} characters of a tag')
    return found


def read(found: Iterable[str]) -> dict[str, str]:
    """Return the labels that tags stand for; other people's tags are none."""
    pairs = (tag.partition("=") for tag in found)
    return {unquote(key): unquote(value) for key, equals, value in pairs if equals}


def of_stack(stack: str) -> str:
    """Return the tag that all things of a stack have."""
    return f"{quote(labels.PROJECT, _SAFE)}={quote(stack, _SAFE)}"


def is_mark(description: str | None) -> bool:
    """Whether a description says that a thing is some stack's."""
    return bool(description) and str(description).startswith(f"{quote(labels.PROJECT, _SAFE)}=")
