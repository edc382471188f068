"""What an attribute takes, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from zun_compose.parse.attributes.own import CONDITIONS
from zun_compose.parse.rules import ARRAY, BOOLEAN, INTEGER, NULL, NUMBER, OBJECT, STRING, Rule

_KINDS: Mapping[str, tuple[str, ...]] = {
    "amount": ("a whole number",),
    "cores": ("a number",),
    "count": ("a whole number",),
    "duration": ("a duration such as `1m30s`",),
    "filled": ("a string that is not empty",),
    "host": ("`NAME=ADDRESS`",),
    "line": ("a command line",),
    "mode": ("permissions such as `0440`",),
    "outside_place": ("`HOST:PORT`",),
    "outside_url": ("a URL",),
    "own_place": ("a port",),
    "own_url": ("a port", "an address such as `:8080/up`"),
    "port": ("a port", "`[ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL]`"),
    "port_number": ("a port",),
    "ports": ("a port", "a range"),
    "positive": ("a whole number",),
    "quantity": ("a whole number", "`all`"),
    "replicas": ("a whole number", "`any`", "`all`"),
    "restart": ("`no`", "`always`", "`on-failure[:TIMES]`", "`unless-stopped`"),
    "restart_condition": ("`any`", "`on-failure`", "`none`"),
    "seconds": ("a duration such as `1m30s`", "seconds"),
    "size": ("a size such as `64m`",),
    "span": ("a duration such as `1m30s`", "seconds"),
    "status": ("a status", "a range such as `200-299`"),
    "true_or_port": ("`true`", "a port"),
}
"""By the rule's `kind`: what its strings and numbers stand for."""

_CASTS: Mapping[str, str] = {"bool": "true or false", "int": "a whole number", "float": "a number"}


def forms(rule: Rule) -> str:
    """Say what a rule takes, with its limits."""
    if len(rule.types) > 5:
        return "anything"
    return either(rule) + _limits(rule)


def either(rule: Rule) -> str:
    """Say what a rule takes."""
    found = list(dict.fromkeys(_scalars(rule)))
    if rule.merge == "pairs":
        found += ["a mapping", "a list of `NAME=value`"]
    else:
        found += [kind for kind in (OBJECT, ARRAY) if kind in rule.types]
    if NULL in rule.types:
        found.append(NULL)
    return found[0] if len(found) == 1 else ", ".join(found[:-1]) + " or " + found[-1]


def _scalars(rule: Rule) -> Iterator[str]:
    simple = [kind for kind in (STRING, NUMBER, INTEGER, BOOLEAN) if kind in rule.types]
    words = CONDITIONS if rule.kind == "condition" else rule.words
    if rule.looks:
        yield rule.looks
    elif words:
        yield from (f"`{word}`" for word in words)
    elif rule.cast:
        yield _CASTS[rule.cast]
    elif rule.kind is not None and rule.kind in _KINDS:
        yield from _KINDS[rule.kind]
    else:
        yield from simple


def _limits(rule: Rule) -> str:
    found = ""
    if rule.required:
        found += "; needs " + ", ".join(f"`{name}`" for name in rule.required)
    if rule.one_of:
        found += "; exactly one of " + ", ".join(f"`{name}`" for name in rule.one_of)
    if rule.kind in (
        "port",
        "port_number",
        "own_place",
        "own_url",
        "outside_place",
        "outside_url",
        "status",
        "true_or_port",
    ):
        return found
    if rule.minimum is not None and rule.maximum is not None:
        found += f"; from {rule.minimum:g} to {rule.maximum:g}"
    elif rule.minimum is not None:
        found += f"; at least {rule.minimum:g}"
    return found
