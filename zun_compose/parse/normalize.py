"""Fills in what a stack file leaves unsaid.

The default network, engine names, build defaults, implied edges, what env_file and label_file hold.

Runs on a tree in long form, in place. Files are read through the Source only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from zun_compose.parse import dotenv
from zun_compose.parse.layers import reason
from zun_compose.parse.source import Source
from zun_compose.parse.tree import Faults, Map, Path
from zun_compose.parse.volumes import clean

_PAIR = 2
_NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")
_IMPLYING = frozenset((*_NAMESPACES, "links", "volumes_from"))

FOLDED = 500_000
"""How many variables all env files and label files together may give to services."""

_PARSED = 8
# Bytes that cost as much to parse as one variable to hand on.


def defaults(tree: Map) -> None:
    """Write out defaults of ports, secrets and builds."""
    for service in tree.get("services", {}).values():
        for port in service.get("ports") or ():
            port.setdefault("protocol", "tcp")
            port.setdefault("mode", "ingress")
        for secret in service.get("secrets") or ():
            if "target" not in secret:
                secret["target"] = f"/run/secrets/{secret.get('source', '')}"


def environment(
    tree: Map, source: Source, variables: Mapping[str, str], faults: Faults, files: list[str]
) -> None:
    """Fold env_file and label_file into environment and labels, and give bare names their value.

    `files` gets the paths of the env files that were read.
    """
    folder = _Folding(tree, source, variables, faults, files)
    for name, service in tree.get("services", {}).items():
        folder.environment(name, service)
        folder.labels(name, service)


class _Folding:
    """Reads the files that services name; each once, unless what it refers to differs."""

    def __init__(
        self, tree: Map, source: Source, variables: Mapping[str, str], faults: Faults, files: list[str]
    ) -> None:
        self.tree = tree
        self.source = source
        self.variables = variables
        self.faults = faults
        self.files = files
        self.known: dict[tuple[str, Any], list[_Read]] = {}
        self.folded = 0

    def environment(self, name: str, service: Map) -> None:
        own = service.get("environment") or {}
        for key, value in own.items():
            if value is None and key in self.variables:
                own[key] = self.variables[key]
        given = {key: value for key, value in own.items() if value is not None}
        outer = {**given, **self.variables} if given else self.variables
        folded: dict[str, str] = {}
        for index, entry in enumerate(service.get("env_file") or ()):
            place: Path = ("services", name, "env_file", index)
            kind = entry.get("format") or None
            if kind not in (None, "raw"):
                what = f'service "{name}": unknown env_file format "{kind}"'
                self.faults.at(self.tree, place, "env_file", what, "leave it out, or raw")
            elif not self.source.exists(entry["path"]):
                if entry.get("required", True):
                    what = f'service "{name}": there is no env file "{entry["path"]}"'
                    self.faults.at(self.tree, place, "env_file", what, "required: false lets it be missing")
            else:
                if entry["path"] not in self.files:
                    self.files.append(entry["path"])
                folded.update(self.read(place, entry["path"], kind, outer, folded))
        service.pop("env_file", None)
        if folded:
            service["environment"] = _over(folded, own)

    def labels(self, name: str, service: Map) -> None:
        folded: dict[str, str] = {}
        for index, path in enumerate(service.get("label_file") or ()):
            place: Path = ("services", name, "label_file", index)
            if self.source.exists(path):
                # Labels refer to labels alone.
                folded.update(self.read(place, path, None, dict(folded), {}))
            else:
                what = f'service "{name}": there is no label file "{path}"'
                self.faults.at(self.tree, place, "label_file", what)
        service.pop("label_file", None)
        if folded:
            service["labels"] = _over(folded, service.get("labels"))

    def read(
        self,
        place: Path,
        path: str,
        kind: str | None,
        outer: Mapping[str, str],
        earlier: Mapping[str, str],
    ) -> dict[str, str]:
        """Return what a file says that may refer to `outer`, and below that to `earlier`.

        A file that cannot be read is a fault of the service at `place` that names it.
        """
        known = self.known.setdefault((path, kind), [])
        for one in known:
            if one.holds(outer, earlier):
                return self.counted(path, one.found, 0)
        if self.folded > FOLDED:
            return {}
        try:
            content = self.source.read(path)
        except OSError as error:
            what = f'service "{place[1]}": cannot read "{path}": {reason(error)}'
            self.faults.at(self.tree, place, "env_file", what)
            return {}
        asked = _Asked(outer), _Asked(earlier)
        if kind == "raw":
            found = dotenv.raw(content, path, asked[0], self.faults)
        else:
            found = dotenv.read(content, path, asked[0], self.faults, asked[1])
        known.append(_Read(found, *(one.asked for one in asked)))
        return self.counted(path, found, len(content) // _PARSED)

    def counted(self, path: str, found: dict[str, str], work: int) -> dict[str, str]:
        """Return what was found, unless all that was found so far is too much."""
        self.folded += len(found) + work
        if self.folded <= FOLDED:
            return found
        self.faults.add("env_file", f'cannot read "{path}" for all services: they come to too much')
        return {}


class _Asked(Mapping[str, str]):
    """Variables that remember which of them were asked for, and what the answer was."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.asked: dict[str, str | None] = {}

    def __getitem__(self, name: str) -> str:
        value = self.asked[name] = self._values.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class _Read(NamedTuple):
    """What a file came to, and on which variables from outside and of earlier files that rests."""

    found: dict[str, str]
    outer: Mapping[str, str | None]
    earlier: Mapping[str, str | None]

    def holds(self, outer: Mapping[str, str], earlier: Mapping[str, str]) -> bool:
        """Tell whether the file comes to the same with other variables."""
        return all(
            given.get(name) == value
            for given, asked in ((outer, self.outer), (earlier, self.earlier))
            for name, value in asked.items()
        )


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
            if "name" not in entry:
                entry["name"] = key if entry.get("external") is True else f"{stack}_{key}"
    for name, model in (tree.get("models") or {}).items():
        if isinstance(model, dict):
            model.setdefault("name", f"{stack}_{name}")


def _service(service: Map, variables: Mapping[str, str]) -> bool:
    joined = False
    if "network_mode" not in service and not service.get("networks") and "provider" not in service:
        service["networks"] = Map()
        service["networks"]["default"] = None
    if "default" in (service.get("networks") or {}):
        joined = True
    if service.get("pull_policy") == "if_not_present":
        service["pull_policy"] = "missing"
    build = service.get("build")
    if isinstance(build, dict):
        _build(build, variables)
    for mount in service.get("volumes") or ():
        if mount.get("target"):
            mount["target"] = clean(mount["target"])
    deploy = service.get("deploy")
    if isinstance(deploy, dict) and service.get("scale") is not None:
        deploy.setdefault("replicas", service["scale"])
    _implied_edges(service)
    return joined


def _implied_edges(service: Map) -> None:
    for edge, restart in implied(service):
        wanted = service.setdefault("depends_on", Map())
        if edge not in wanted:
            entry = wanted[edge] = Map()
            entry["condition"] = "service_started"
            if restart:
                entry["restart"] = True
            entry["required"] = True


def _build(build: dict[str, Any], variables: Mapping[str, str]) -> None:
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


def explicit(tree: Map) -> None:
    """Remember which edges the file names itself, and which of them say nothing about their condition."""
    for service in tree.get("services", {}).values():
        edges = service.get("depends_on")
        if edges:
            service["#explicit"] = {
                name: "long" if "condition" in getattr(edge, "places", ()) else "short"
                for name, edge in edges.items()
            }


def implied(service: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Return the services that others of the attributes need, and whether their restart matters."""
    if _IMPLYING.isdisjoint(service):
        return []
    links = [link.split(":") for link in service.get("links") or ()]
    found = [(parts[0] if len(parts) == _PAIR else ":".join(parts), True) for parts in links]
    for key in _NAMESPACES:
        mode = service.get(key)
        if isinstance(mode, str) and mode.startswith("service:"):
            found.append((mode[len("service:") :], True))
    origins = [origin for origin in service.get("volumes_from") or () if not origin.startswith("container:")]
    found.extend((origin.partition(":")[0], False) for origin in origins)
    return found
