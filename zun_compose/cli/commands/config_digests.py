"""config --resolve-image-digests and --lock-image-digests: what registries have under images' names now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zun_compose.errors import DriverError

_AT_ONCE = 8


def pinned(canonical: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model with each service's image by its digest; raises DriverError naming the image."""
    services: Mapping[str, Any] = canonical["services"]
    known = _digests(service["image"] for service in services.values() if service.get("image"))
    return {
        **canonical,
        "services": {
            name: {**service, "image": known[service["image"]]} if service.get("image") else service
            for name, service in services.items()
        },
    }


def override(canonical: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stack file to lay over others: it says nothing but each service's image by its digest."""
    services: Mapping[str, Any] = pinned(canonical)["services"]
    return {
        "services": {
            name: {"image": service["image"]} if service.get("image") else {}
            for name, service in services.items()
        }
    }


def _digests(images: Iterable[str]) -> dict[str, str]:
    from concurrent.futures import ThreadPoolExecutor

    names = list(dict.fromkeys(images))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(names, pool.map(_pinned, names), strict=True))


def _pinned(image: str) -> str:
    """Return the whole name with the digest, as docker compose spells it; a digest that is given is taken."""
    from zun_compose.drivers.local.images.records import LIMITS
    from zun_compose.drivers.local.images.references import parse
    from zun_compose.drivers.local.images.registry import digest_at_registry

    try:
        name = parse(image)
        whole = f"{name.domain}/{name.path}"
        if name.digest is not None:
            return f"{whole}@{name.digest}"
        return f"{whole}:{name.tag}@{digest_at_registry(name, LIMITS)}"
    except DriverError as error:
        raise type(error)(f'cannot tell the digest of image "{image}": {error}') from error
