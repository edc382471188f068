"""What many attributes have in common: the forms that one rule, or a small group of rules, gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Union

from zun_compose.parse.rules import ARRAY, BOOLEAN, INTEGER, NULL, NUMBER, OBJECT, STRING, Rule

Entry = Union[Rule, Mapping[str, "Entry"]]  # noqa: UP007 - a recursive alias cannot be spelled with |
Group = Mapping[str, Entry]


def rule(*types: str, **rest: object) -> Rule:
    """Return the rule of an attribute that takes these types."""
    return Rule(types=types, **rest)  # type: ignore[arg-type]


def text(**rest: object) -> Rule:
    """Return the rule of a string."""
    return rule(STRING, **rest)


def matching(regex: str, looks: str) -> Rule:
    """Return the rule of a string in which `regex` is found; `looks` says so to people."""
    return text(pattern=re.compile(regex), looks=looks)


FLAG = rule(BOOLEAN, STRING, cast="bool")
COUNT = rule(INTEGER, STRING, cast="int")
SIZE = rule(NUMBER, STRING, kind="size")
WHOLE_SIZE = rule(INTEGER, STRING, kind="size")
DURATION = rule(STRING, kind="duration")
ANYTHING = rule(STRING, NUMBER, BOOLEAN, NULL, OBJECT, ARRAY)

NAMES = re.compile(r"[a-zA-Z0-9._-]+")
_SOME = re.compile(r"[\s\S]+")


def pairs(**rest: object) -> Group:
    """Return the rules of a mapping that may also be a list of KEY=VALUE."""
    return {
        "": rule(OBJECT, ARRAY, merge="pairs", names=_SOME, **rest),
        ".*": rule(STRING, NUMBER, BOOLEAN, NULL),
        "[]": text(),
    }


def options() -> Group:
    """Return the rules of a mapping of driver options."""
    return {"": rule(OBJECT), ".*": rule(STRING, NUMBER)}


def strings(unique: str | None = None, **rest: object) -> Group:
    """Return the rules of a list of strings."""
    return {"": rule(ARRAY, unique=unique, **rest), "[]": text()}


def string_or_list(unique: str | None = None, **rest: object) -> Group:
    """Return the rules of a list of strings that may also be one string."""
    return {"": rule(STRING, ARRAY, merge="sequence", unique=unique, **rest), "[]": text()}


def command(**rest: object) -> Group:
    """Return the rules of a command: a line or a list of words."""
    return {"": rule(STRING, ARRAY, NULL, merge="replace", **rest), "[]": text()}


def extra_hosts() -> Group:
    """Return the rules of names with their addresses."""
    return {
        "": rule(OBJECT, ARRAY, merge="hosts", distinct=True, names=_SOME),
        ".*": rule(STRING, ARRAY),
        ".*[]": text(),
        "[]": text(kind="host"),
    }


def ulimits() -> Group:
    """Return the rules of limits by name: one number, or a soft and a hard one."""
    return {
        "": rule(OBJECT),
        ".*": rule(INTEGER, STRING, OBJECT, cast="int", merge="ulimit", required=("hard", "soft")),
        ".*.hard": COUNT,
        ".*.soft": COUNT,
    }


def file_mounts(unique: str | None = None) -> Group:
    """Return the rules of the configs or secrets that are put into a container."""
    return {
        "": rule(ARRAY, unique=unique),
        "[]": rule(STRING, OBJECT, required=("source",)),
        "[].source": text(),
        "[].target": text(),
        "[].uid": text(),
        "[].gid": text(),
        "[].mode": rule(INTEGER, STRING, kind="mode", keep=True),
    }


HOOK: Group = {
    "": rule(OBJECT, required=("command",)),
    "command": command(keep=True),
    "user": text(),
    "privileged": FLAG,
    "working_dir": text(),
    "environment": pairs(),
}

HOOKS: Group = {"": rule(ARRAY), "[]": HOOK}


def devices(*, single: bool) -> Group:
    """Return the rules of requests for devices such as GPUs; `single`: one word may ask for all."""
    return {
        "": rule(STRING, ARRAY, words=("all",)) if single else rule(ARRAY),
        "[]": rule(OBJECT) if single else rule(OBJECT, required=("capabilities",)),
        "[].capabilities": strings(distinct=True),
        "[].count": rule(STRING, INTEGER, kind="quantity"),
        "[].device_ids": strings(distinct=True),
        "[].driver": text(),
        "[].options": pairs(),
    }


def block_io(value: Rule, key: str) -> Group:
    """Return the rules of a list of devices, each with a number named `key`."""
    return {"": rule(ARRAY), "[]": rule(OBJECT), "[].path": text(), f"[].{key}": value}
