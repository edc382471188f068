"""The table of the language as docs/attributes.md: each attribute, what it takes, and what it is for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from zun_compose.parse.reference import everything
from zun_compose.parse.reference.forms import forms
from zun_compose.parse.reference.wording import wording
from zun_compose.parse.rules import ARRAY, OBJECT, Rule

_HEAD = """\
# Attributes

Every attribute of a stack file: what it may hold, how the value of a later file meets an earlier one's, and
what it is for. `NAME` stands for any name, `[]` for the items of a list. This page and the
[JSON Schema](../schemas/zun-compose.schema.json) are made by `make generate` of the table that the program
itself goes by. [language.md](language.md) tells how files are read, and what is read but not carried out;
[readiness.md](readiness.md) what is behind our own words.

- Where a number or a truth is wanted, a string that reads as one will do, so that `$VARIABLES` can be used.
  Truths are `true`, `false`, `yes`, `no`, `on`, `off`, `y` and `n`.
- A *duration* is a string such as `1m30s`, of `ns`, `us`, `ms`, `s`, `m`, `h`, `d` and `w`.
- A *size* is a number of bytes or a string such as `64m`, of `b`, `k`, `m`, `g`, `t` and `p`, powers of 1024.
- Keys that start with `x-` may stand in every mapping whose keys are named here, but for our own. They mean
  nothing.
- *later file*: what happens where several files say something of the same attribute. What stands in a list
  comes and goes with the list's item.
"""

_SECTIONS: Mapping[str, str] = {
    "": "The stack",
    "services.*": "Services",
    "services.*.build": "build",
    "services.*.deploy": "deploy",
    "services.*.volumes": "volumes of a service",
    "networks.*": "Networks",
    "volumes.*": "Volumes",
    "secrets.*": "Secrets",
    "configs.*": "Configs",
    "models.*": "Models",
    "services.*.readiness": "readiness",
    "services.*.x-depends-on": "x-depends-on",
    "x-zun": "x-zun of the stack",
    "services.*.x-zun": "x-zun of a service",
}
"""What has a table of its own; all that stands below it is told there."""

_SAME: Mapping[str, str] = {
    "services.*.readiness[]": "",
    "services.*.x-readiness": "The same as `readiness`.",
    "services.*.pre_stop": "The same as of `post_start`.",
    "services.*.deploy.rollback_config": "The same as of `update_config`.",
    "x-zun.externals.*.readiness": "Of the probes, `tcp` and `http` are possible, as below.",
    "x-zun.externals.*.x-readiness": "",
}
"""What stands below these is told elsewhere; where, is added to what they are for."""

_BREAK = re.compile(r"[.\[]")

_MERGES: Mapping[str, str] = {
    "build": "joins",
    "dependencies": "joins by name",
    "hosts": "is appended",
    "keys": "joins by name",
    "logging": "joins under the same driver",
    "pairs": "joins by name",
    "pools": "joins by subnet",
    "replace": "replaces",
    "sequence": "is appended",
    "ulimit": "joins",
}

_IDENTITIES: Mapping[str, str] = {
    "config": "target",
    "device": "target",
    "env_file": "path",
    "port": "port",
    "secret": "target",
    "volume": "target",
}


def text() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    table = everything()
    for prefix, title in _SECTIONS.items():
        name = _spelled(prefix)
        parts.append(f"## {title}\n")
        about = wording().get(prefix, "")
        if prefix:
            parts.append(f"`{name}`: {forms(table[prefix])}. {about}\n")
        rows = [_row(path, _below(path, prefix), table) for path in _told(prefix, table)]
        parts.append(
            "| attribute | value | later file | what it is for |\n|---|---|---|---|\n"
            + "\n".join(rows)
            + "\n"
        )
    return "\n".join(parts)


def _told(prefix: str, table: Mapping[str, Rule]) -> Iterator[str]:
    """Give the paths that a section tells of, in the order of the table, those of one attribute together."""
    order: dict[str, int] = {}
    for path in table:
        order.setdefault(_first(path, prefix), len(order))
    for path in sorted(table, key=lambda path: order[_first(path, prefix)]):
        if path == prefix or path.endswith("**") or _section(path) != prefix:
            continue
        if any(_within(path, twin) and (path != twin or path.endswith("[]")) for twin in _SAME):
            continue
        if path.endswith(("*", "[]")) and path not in wording():
            continue
        yield path


def _first(path: str, prefix: str) -> str:
    return _BREAK.split(path[len(prefix) :].lstrip("."), maxsplit=1)[0] if _within(path, prefix) else ""


def _section(path: str) -> str:
    """Return the section that tells of a path: the longest that it stands in."""
    return max((prefix for prefix in _SECTIONS if _within(path, prefix)), key=len)


def _within(path: str, prefix: str) -> bool:
    return not prefix or path == prefix or (path.startswith(prefix) and path[len(prefix)] in ".[")


def _below(path: str, prefix: str) -> str:
    return _spelled(path[len(prefix) :].removeprefix("."))


def _spelled(path: str) -> str:
    return path.replace("*", "NAME")


def _row(path: str, shown: str, table: Mapping[str, Rule]) -> str:
    about = wording().get(path, "")
    if path in _SECTIONS:
        about += f" See [{_SECTIONS[path]}](#{_anchor(_SECTIONS[path])})."
    about += f" {_SAME.get(path, '')}"
    cells = (f"`{shown}`", forms(table[path]), merging(path, table), about.strip())
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def merging(path: str, table: Mapping[str, Rule]) -> str:
    """Say how a later file's value meets an earlier one's, where it does not go with something above it."""
    above = [outer for outer in table if path != outer and _within(path, outer)]
    if "[]" in path or any(table[outer].merge == "replace" for outer in above):
        return ""
    rule = table[path]
    found = _plain(rule) if rule.merge is None else _MERGES[rule.merge]
    if rule.unique in ("number", "text"):
        return f"{found}, each value once"
    return found if rule.unique is None else f"{found}; the same {_IDENTITIES[rule.unique]} replaces"


def _plain(rule: Rule) -> str:
    if OBJECT in rule.types:
        return "joins"
    return "is appended" if ARRAY in rule.types else "replaces"
