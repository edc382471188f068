"""The table of the language as a JSON Schema (draft 7, which editors know best).

It says of one file what check.py and probes.py say, before variables have their values: where a string is
read as something else, one with a `$` is let through. What no single attribute can tell, such as names that
refer to nothing and attributes that exclude each other, only the program says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from zun_compose.parse.attributes import own_words
from zun_compose.parse.attributes.own import CONDITIONS
from zun_compose.parse.reference import everything
from zun_compose.parse.reference.forms import either
from zun_compose.parse.reference.strings import CASTS, KINDS, WHOLE
from zun_compose.parse.reference.wording import wording
from zun_compose.parse.reference.wording.examples import EXAMPLES
from zun_compose.parse.rules import ARRAY, BOOLEAN, INTEGER, NULL, NUMBER, OBJECT, STRING, Node, Rule, planted

DIALECT = "http://json-schema.org/draft-07/schema#"

_TYPES = {
    STRING: "string",
    NUMBER: "number",
    INTEGER: "integer",
    BOOLEAN: "boolean",
    NULL: "null",
    OBJECT: "object",
    ARRAY: "array",
}

_NAMED: Mapping[str, str] = {
    "include[]": "include",
    "services.*": "service",
    "services.*.build": "build",
    "services.*.build.secrets[]": "secret_mount",
    "services.*.configs[]": "config_mount",
    "services.*.depends_on.*": "edge",
    "services.*.deploy": "deploy",
    "services.*.healthcheck": "healthcheck",
    "services.*.ports[]": "port",
    "services.*.post_start[]": "hook",
    "services.*.pre_stop[]": "hook",
    "services.*.readiness[]": "probe",
    "services.*.secrets[]": "secret_mount",
    "services.*.volumes[]": "mount",
    "services.*.x-depends-on.*": "outside_edge",
    "services.*.x-readiness[]": "probe",
    "networks.*": "network",
    "volumes.*": "volume",
    "secrets.*": "secret",
    "configs.*": "config",
    "models.*": "model",
    "x-zun.externals.*": "external",
    "x-zun.externals.*.readiness[]": "outside_probe",
    "x-zun.externals.*.x-readiness[]": "outside_probe",
}
"""What gets a definition of its own; paths that share one say the same."""


def schema() -> dict[str, Any]:
    """Return the schema."""
    maker = _Maker()
    found = maker.node(planted(everything()), "")
    return {
        "$schema": DIALECT,
        "title": "zun-compose stack",
        **found,
        "definitions": dict(sorted(maker.definitions.items())),
    }


def text() -> str:
    """Return the schema as the file that holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


class _Maker:
    def __init__(self) -> None:
        self.definitions: dict[str, dict[str, Any]] = {}
        self.strict = frozenset(own_words())

    def node(self, node: Node, path: str) -> dict[str, Any]:
        """Return the schema of what stands at a path, or a reference to it."""
        name = _NAMED.get(path)
        found = self.whole(node, path)
        if name is None:
            return found
        assert self.definitions.setdefault(name, found) == found, path
        return {"$ref": f"#/definitions/{name}"}

    def whole(self, node: Node, path: str) -> dict[str, Any]:
        rule = node.rule
        assert rule is not None, path
        found: dict[str, Any] = {}
        if path in wording():
            found["description"] = wording()[path]
        if node.keys and node.item is not None and node.item.keys.keys() == node.keys.keys():
            return {**found, **self.one_or_more(node.item, rule, f"{path}[]")}
        if len(rule.types) < len(_TYPES) - 1:
            types = [_TYPES[kind] for kind in rule.types]
            found["type"] = types[0] if len(types) == 1 else types
        found.update(_strings(rule))
        if "pattern" in found:
            # Not of the standard: what editors say in the pattern's place.
            found["patternErrorMessage"] = "must be " + either(rule).replace("`", "")
        found.update(_bounds(rule))
        if OBJECT in rule.types:
            found.update(self.mapping(node, rule, path))
        if ARRAY in rule.types:
            found.update(self.sequence(node, rule, path))
        if path in EXAMPLES:
            found["examples"] = list(EXAMPLES[path])
        return found

    def one_or_more(self, item: Node, rule: Rule, path: str) -> dict[str, Any]:
        """Say that a thing may stand alone or in a list of such."""
        one = self.node(item, path)
        empty = [{"type": "null"}] if NULL in rule.types else []
        return {"anyOf": [one, {"type": "array", "items": one}, *empty]}

    def mapping(self, node: Node, rule: Rule, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if rule.names is not None:
            found["propertyNames"] = {"pattern": f"^(?:{rule.names.pattern})$"}
        if rule.required:
            found["required"] = list(rule.required)
        if rule.one_of:
            choice = {"oneOf": [{"required": [name]} for name in rule.one_of]}
            # Of what is no mapping all of these would be true.
            found.update(choice if rule.types == (OBJECT,) else {"if": {"type": "object"}, "then": choice})
        if node.free:
            return found
        if node.keys:
            dot = "." if path else ""
            found["properties"] = {key: self.node(node.keys[key], f"{path}{dot}{key}") for key in node.keys}
            if path not in self.strict:
                found["patternProperties"] = {"^x-": {}}
            found["additionalProperties"] = False
        elif node.other is not None:
            found["additionalProperties"] = self.node(node.other, f"{path}.*")
        return found

    def sequence(self, node: Node, rule: Rule, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if node.item is not None and not node.free:
            found["items"] = self.node(node.item, f"{path}[]")
        if rule.filled:
            found["minItems"] = 1
        if rule.distinct:
            found["uniqueItems"] = True
        return found


def _strings(rule: Rule) -> dict[str, Any]:
    """Say which strings are taken. A `$` may stand for any of them."""
    if STRING not in rule.types:
        return {}
    words = CONDITIONS if rule.kind == "condition" else rule.words
    if words:
        others = [{"type": _TYPES[kind]} for kind in rule.types if kind != STRING]
        return {"anyOf": [{"enum": list(words)}, *others, {"type": "string", "pattern": r"\$"}]}
    if rule.pattern is not None:
        return {"pattern": rf"{rule.pattern.pattern}|\$"}
    form = CASTS.get(rule.cast or "") or KINDS.get(rule.kind or "")
    if form is None:
        return {}
    if rule.cast == "float" and NUMBER not in rule.types:
        form = WHOLE
    if rule.cast and rule.minimum is not None and rule.minimum >= 0:
        form = rf"(?!-){form}"
    return {"pattern": rf"^(?:{form})$|\$"}


def _bounds(rule: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if rule.minimum is not None:
        found["minimum"] = rule.minimum
    if rule.maximum is not None:
        found["maximum"] = rule.maximum
    if rule.kind == "span":
        found["exclusiveMinimum"] = 0
    if rule.kind == "true_or_port":
        found["not"] = {"const": False}
    return found
