"""What must not be shown: values of environments, passwords, contents of injected files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

MASK = "***"

# A key of a request's or an answer's body whose value, with all in it, is not shown.
SECRET = frozenset({"environment", "env", "password", "data"})


def shown(value: Any, key: str = "") -> Any:
    """Return the same value with what is secret masked; of an environment the names stay."""
    if key in SECRET and value:
        return dict.fromkeys(value, MASK) if isinstance(value, Mapping) else MASK
    if isinstance(value, Mapping):
        # A bind mount is a file's contents.
        hidden = "source" if value.get("type") == "bind" else None
        return {name: MASK if name == hidden else shown(part, str(name)) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(part) for part in value]
    return value


def secrets_of(body: object) -> list[str]:
    """Return the secret values of a request's body, the longest first."""
    if not isinstance(body, (str, bytes)):
        return []
    try:
        tree = json.loads(body)
    except ValueError:
        return []
    return sorted(set(_secrets(tree)), key=len, reverse=True)


def _secrets(value: Any, key: str = "") -> Iterator[str]:
    if key in SECRET:
        yield from _leaves(value)
    elif isinstance(value, Mapping):
        if value.get("type") == "bind":
            yield from _leaves(value.get("source"))
        for name, part in value.items():
            yield from _secrets(part, str(name))
    elif isinstance(value, list):
        for part in value:
            yield from _secrets(part)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for part in value.values():
            # A mapping where a value should be: all of it is secret, its keys too.
            if isinstance(part, (Mapping, list)):
                yield str(part)
            yield from _leaves(part)
    elif isinstance(value, list):
        yield str(value)
        for part in value:
            yield from _leaves(part)
    elif value is not None and value != "":
        yield str(value)


def masked(text: str, secrets: list[str]) -> str:
    """Return the text without these values; one or two characters only where they stand in quotes."""
    for secret in secrets:
        for spelled in {repr(secret), f"'{secret}'", f'"{secret}"', json.dumps(secret)}:
            text = text.replace(spelled, MASK)
        if len(secret) > 2:
            text = text.replace(secret, MASK)
    return text
