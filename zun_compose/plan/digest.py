"""Divergence: one salted digest an attribute, kept in a label, so that a plan can name what changed.

Only attributes that are set are digested, so a newer zun-compose that knows more of them finds
the same digests for an unchanged file. `SCHEME_NUMBER` changes only when that no longer holds; then
the old way of digesting stays here beside the new one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from zun_compose import labels as names
from zun_compose.model import Network, Service, Stack, Volume
from zun_compose.record import Record, defaults, replace

SCHEME_NUMBER = 1

_NOT_DIGESTED = frozenset(
    {
        "attach",
        "build",
        "configs",
        "dependencies",
        "fate",
        "image",
        "job",
        "mark",
        "mounts",
        "name",
        "networks",
        "once",
        "profiles",
        "pull_policy",
        "readiness",
        "replicas",
        "secrets",
    }
)
"""Ordering and readiness change no container; image, mounts, networks and files are digested resolved."""


_NOT_GUESSABLE = frozenset({"command", "entrypoint", "healthcheck"})
"""Left out where the salt is known, so that nobody tries values on the label: these may hold secrets."""


def service_digests(
    stack: Stack, service: Service, *, image_id: str, files: Mapping[str, str], salt: str
) -> dict[str, str]:
    """Digest each attribute of a service as it would be created now."""
    content: dict[str, Any] = {
        name: value
        for name, default in defaults(Service)
        if name not in _NOT_DIGESTED and (value := getattr(service, name)) != default
    }
    content["image"] = image_id
    if service.mounts:
        content["volumes"] = [
            {**_plain(mount), "source": _volume_name(stack, mount.source)} for mount in service.mounts
        ]
    if service.networks is not None:
        content["networks"] = [
            {**_plain(attachment), "network": stack.networks[attachment.network].name}
            for attachment in service.networks
        ]
    for kind, uses in (("configs", service.configs), ("secrets", service.secrets)):
        if uses:
            content[kind] = [
                {**_plain(use), "content": files.get(f"{kind}:{use.source}", "")} for use in uses
            ]
    return {name: digest(value, salt) for name, value in content.items()}


def config_hash(stack: Stack, service: Service) -> str:
    """Return the value of docker compose's config-hash label: 64 hex digits that the file alone decides.

    The engine's image ids and the contents of configs and secrets do not enter, as in docker compose, so
    that `config --hash` says it without an engine. Nor does what may be secret: of environment, labels,
    annotations and options of the log only the keys, of commands and healthchecks nothing, since its salt
    is no secret (ADR 0007). What has diverged is judged by our own labels alone.
    """
    shown = _without_values(service)
    digests = service_digests(stack, shown, image_id=service.image or "", files={}, salt=stack.name)
    digests = {name: value for name, value in digests.items() if name not in _NOT_GUESSABLE}
    return hashlib.sha256(json.dumps(dict(sorted(digests.items()))).encode()).hexdigest()


def _without_values(service: Service) -> Service:
    logging = service.logging
    return replace(
        service,
        environment=dict.fromkeys(service.environment),
        labels=dict.fromkeys(service.labels, ""),
        annotations=dict.fromkeys(service.annotations, ""),
        logging=logging and replace(logging, options=dict.fromkeys(logging.options, "")),
    )


def network_digests(network: Network, salt: str) -> dict[str, str]:
    """Digest the attributes of a network."""
    return _object_digests(network, salt)


def volume_digests(volume: Volume, salt: str) -> dict[str, str]:
    """Digest the attributes of a volume."""
    return _object_digests(volume, salt)


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Name the attributes whose digests differ, in order."""
    return tuple(name for name in sorted({*before, *after}) if before.get(name) != after.get(name))


def digest(value: Any, salt: str) -> str:
    """Digest one value: 16 hex digits over its canonical JSON, salted so that values cannot be looked up."""
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=8, key=salt.encode()).hexdigest()


def label_set(digests: Mapping[str, str], salt: str) -> dict[str, str]:
    """Return our own labels for an object with these digests."""
    return {
        names.SCHEME: str(SCHEME_NUMBER),
        names.SALT: salt,
        names.DIGESTS: json.dumps(dict(sorted(digests.items())), separators=(",", ":")),
    }


def _object_digests(thing: Network | Volume, salt: str) -> dict[str, str]:
    return {
        name: digest(value, salt)
        for name, default in defaults(type(thing))
        if name not in ("mark", "key", "name", "external") and (value := getattr(thing, name)) != default
    }


def _volume_name(stack: Stack, source: str | None) -> str | None:
    volume = stack.volumes.get(source) if source is not None else None
    return volume.name if volume is not None else source


def _plain(value: Any) -> Any:
    """Reduce a value to JSON; of records only what differs from the default."""
    if isinstance(value, Record):
        return {
            name: _plain(part)
            for name, default in defaults(type(value))
            if name != "mark" and (part := getattr(value, name)) != default
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value
