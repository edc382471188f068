"""Fills in what a stack file leaves unsaid: the default network, engine names, build defaults, implied edges,
what env_file and label_file hold.

Runs on a tree in long form, in place. Files are read through the Source only.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from zun_compose.parse import dotenv
from zun_compose.parse.layers import reason
from zun_compose.parse.source import Source
from zun_compose.parse.tree import Faults, Map, Path, locate

_NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")


def defaults(tree: Map) -> None:
    """Write out defaults of ports, secrets and builds."""
    for service in tree.get("services", {}).values():
        for port in service.get("ports") or ():
            port.setdefault("protocol", "tcp")
            port.setdefault("mode", "ingress")
        for secret in service.get("secrets") or ():
            if not secret.get("target"):
                secret["target"] = posixpath.join("/run/secrets", str(secret.get("source", "")))


def environment(
    tree: Map, source: Source, variables: Mapping[str, str], faults: Faults, files: list[str]
) -> None:
    """Fold env_file and label_file into environment and labels, and give bare names their value.

    `files` gets the paths of the env files that were read.
    """
    read: dict[tuple[str, Any], dict[str, str]] = {}
    for name, service in tree.get("services", {}).items():
        own = service.get("environment")
        if own:
            for key, value in own.items():
                if value is None and key in variables:
                    own[key] = variables[key]
        folded: dict[str, str] = {}
        for index, entry in enumerate(service.pop("env_file", None) or ()):
            path = entry["path"]
            kind = entry.get("format")
            path_of: Path = ("services", name, "env_file", index)
            if kind not in (None, "", "raw"):
                faults.at(tree, path_of, "env_file", f'service "{name}": unknown env_file format "{kind}"', "leave it out, or raw")
                continue
            if not source.exists(path):
                if entry.get("required", True):
                    mark = locate(service, ()) or locate(tree, ("services", name))
                    faults.add("env_file", f'service "{name}": there is no env file "{path}"', mark)
                continue
            if path not in files:
                files.append(path)
            folded.update(_env_file(path, kind, source, variables, own or {}, faults, read))
        if folded:
            service["environment"] = _over(folded, own)
        labels: dict[str, str] = {}
        for path in service.pop("label_file", None) or ():
            if not source.exists(path):
                faults.add("label_file", f'service "{name}": there is no label file "{path}"', locate(tree, ("services", name)))
                continue
            labels.update(_env_file(path, None, source, variables, {}, faults, read))
        if labels:
            service["labels"] = _over(labels, service.get("labels"))


def _env_file(
    path: str,
    kind: Any,
    source: Source,
    variables: Mapping[str, str],
    own: Mapping[str, str | None],
    faults: Faults,
    read: dict[tuple[str, Any], dict[str, str]],
) -> dict[str, str]:
    given = {key: value for key, value in own.items() if value is not None}
    key = (path, kind)
    if not given and key in read:
        return read[key]
    try:
        content = source.read(path)
    except OSError as error:
        faults.add("env_file", f'cannot read "{path}": {reason(error)}')
        return {}
    outer = {**given, **variables}
    found = dotenv.raw(content, path, outer, faults) if kind == "raw" else dotenv.read(content, path, outer, faults)
    if not given:
        read[key] = found
    return found


def _over(folded: Mapping[str, str], own: Any) -> Map:
    result = Map(getattr(own, "mark", None))
    result.update(folded)
    if own:
        for key, value in own.items():
            result.take(key, value, own)
    return result


def normalize(tree: Map, stack: str, variables: Mapping[str, str]) -> None:
    """Name everything, join services to the default network, write implied edges and build defaults."""
    services = tree.get("services", {})
    joined = False
    for service in services.values():
        joined = _service(service, variables) or joined
    networks = tree.setdefault("networks", Map())
    if joined and networks.get("default") is None:
        networks["default"] = Map()
    for kind in ("networks", "volumes", "secrets", "configs", "models"):
        for key, entry in (tree.get(kind) or {}).items():
            if kind == "models" or not isinstance(entry, dict):
                continue
            if "name" not in entry or (not entry["name"] and entry.get("external") is not True):
                entry["name"] = key if entry.get("external") is True else f"{stack}_{key}"
    for name, model in (tree.get("models") or {}).items():
        if isinstance(model, dict):
            model.setdefault("name", f"{stack}_{name}")


def _service(service: Map, variables: Mapping[str, str]) -> bool:
    joined = False
    if not service.get("network_mode") and not service.get("networks") and "provider" not in service:
        service["networks"] = Map()
        service["networks"]["default"] = None
    if "default" in (service.get("networks") or {}):
        joined = True
    if service.get("pull_policy") == "if_not_present":
        service["pull_policy"] = "missing"
    build = service.get("build")
    if isinstance(build, dict):
        _build(build, variables)
    for edge, restart in implied(service):
        wanted = service.setdefault("depends_on", Map())
        if edge not in wanted:
            entry = wanted[edge] = Map()
            entry["condition"] = "service_started"
            if restart:
                entry["restart"] = True
            entry["required"] = True
    return joined


def _build(build: Map, variables: Mapping[str, str]) -> None:
    if "context" not in build:
        build["context"] = "."
    if "dockerfile" not in build and not build.get("dockerfile_inline"):
        build["dockerfile"] = "Dockerfile"
    arguments = build.get("args")
    if arguments:
        for key in list(arguments):
            if arguments[key] is None:
                if key in variables:
                    arguments[key] = variables[key]
                else:
                    del arguments[key]


def implied(service: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Return the services that others of the attributes need, and whether their restart matters."""
    found: list[tuple[str, bool]] = []
    for link in service.get("links") or ():
        found.append((link.partition(":")[0], True))
    for key in _NAMESPACES:
        mode = service.get(key)
        if isinstance(mode, str) and mode.startswith("service:"):
            found.append((mode[len("service:") :], True))
    for origin in service.get("volumes_from") or ():
        if not origin.startswith("container:"):
            found.append((origin.partition(":")[0], False))
    return found
