"""Which services take part: profiles, and the services that were named. Prunes what nobody uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zun_compose.parse.tree import Map


def select(tree: Map, profiles: Iterable[str], named: Iterable[str]) -> dict[str, Map]:
    """Take inactive services out of the tree and return them."""
    services = tree.get("services", {})
    # Without any profile asked for, docker compose asks for the empty one.
    active = set(profiles) or {""}
    for name in named:
        if name in services:
            active.update(services[name].get("profiles") or ())
    inactive: dict[str, Map] = {}
    for name in list(services):
        wanted = services[name].get("profiles") or ()
        if wanted and "*" not in active and not active.intersection(wanted) and name not in set(named):
            inactive[name] = services.pop(name)
    return inactive


def prune(tree: Map) -> None:
    """Drop networks, volumes, configs, secrets and models that no service uses."""
    used: Mapping[str, set[str]] = {
        key: set() for key in ("networks", "volumes", "configs", "secrets", "models")
    }
    for service in tree.get("services", {}).values():
        used["networks"].update(service.get("networks") or ())
        used["models"].update(service.get("models") or ())
        for mount in service.get("volumes") or ():
            if mount.get("type") == "volume" and mount.get("source"):
                used["volumes"].add(mount["source"])
        for kind in ("configs", "secrets"):
            used[kind].update(mount.get("source") for mount in service.get(kind) or ())
        used["secrets"].update(mount.get("source") for mount in _build_secrets(service))
        credentials = service.get("credential_spec")
        if isinstance(credentials, dict) and credentials.get("config"):
            used["configs"].add(credentials["config"])
    for kind, names in used.items():
        section = tree.get(kind) or {}
        for name in [name for name in section if name not in names]:
            del section[name]


def _build_secrets(service: Mapping[str, Any]) -> Any:
    build = service.get("build")
    return (build.get("secrets") or ()) if isinstance(build, dict) else ()
