"""What `config` prints instead of the model: names, variables, hashes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from zun_compose.cli.invocation import check_services
from zun_compose.cli.table import table
from zun_compose.plan.digest import config_hash

if TYPE_CHECKING:
    from zun_compose.model import Stack
    from zun_compose.parse import Loaded, Variable


def names(kind: str, loaded: Loaded) -> Iterable[str]:
    """Return the names of one kind: services, images, volumes, networks, models, else profiles."""
    stack = loaded.stack
    match kind:
        case "services":
            return stack.services
        case "images":
            return [service.image or f"{stack.name}-{name}" for name, service in stack.services.items()]
        case "volumes":
            return stack.volumes
        case "networks":
            return stack.networks
        case "models":
            return sorted(loaded.tree.get("models") or ())
        case _:
            active = {name for service in stack.services.values() for name in service.profiles}
            return sorted(active.union(*stack.inactive.values()))


def hashes(stack: Stack, wanted: str) -> Iterable[str]:
    """Return "SERVICE HASH" by name, for services between commas or for all ("*"); raises UsageError."""
    chosen = list(stack.services) if wanted == "*" else wanted.split(",")
    check_services(stack, chosen)
    return [f"{name} {config_hash(stack, stack.services[name])}" for name in sorted(set(chosen))]


def environment(variables: Mapping[str, str]) -> Iterable[str]:
    """Return NAME=VALUE by name."""
    return [f"{name}={variables[name]}" for name in sorted(variables)]


def variables(found: Sequence[Variable], form: str) -> str:
    """Return the variables that the files use, in docker compose's two forms: "json", else a table."""
    if form == "json":
        rows = {
            one.name: {
                "Name": one.name,
                "DefaultValue": one.default,
                "PresenceValue": one.alternate,
                "Required": one.required,
            }
            for one in found
        }
        return json.dumps(rows, indent=4, ensure_ascii=False)
    return table(
        ("NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"),
        [
            (one.name, str(one.required).lower(), _one_line(one.default), _one_line(one.alternate))
            for one in found
        ],
    )


def _one_line(text: str) -> str:
    return " ".join(text.split()) if any(letter in text for letter in "\t\n\r") else text
