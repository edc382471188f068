"""What no single attribute can tell: references that lead nowhere, and attributes that exclude each other."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from zun_compose.parse.attributes.own import CONDITIONS
from zun_compose.parse.normalize import implied
from zun_compose.parse.tree import Faults, Map, Path, spell

_ORIGINS = {"configs": ("file", "environment", "content"), "secrets": ("file", "environment")}


def resources(tree: Map, faults: Faults) -> None:
    """Check volumes, configs and secrets by themselves."""
    for name, volume in (tree.get("volumes") or {}).items():
        if volume.get("external") is True:
            for key in volume:
                if key not in ("name", "external") and not key.startswith("x-"):
                    what = f"volumes.{name} is external and cannot have {key}"
                    faults.at(tree, ("volumes", name, key), "conflict", what, key=True)
    for kind, origins in _ORIGINS.items():
        for name, entry in (tree.get(kind) or {}).items():
            _origin(tree, (kind, name), entry, origins, faults)


def _origin(tree: Map, path: Path, entry: Map, origins: tuple[str, ...], faults: Faults) -> None:
    given = [key for key in origins if key in entry]
    if len(given) > 1:
        faults.at(tree, path, "conflict", f"{spell(path)} has both {given[0]} and {given[1]}")
    elif entry.get("external") is True:
        if given:
            faults.warn(f"{spell(path)} is external, its {given[0]} is ignored")
    elif not given and "driver" not in entry and "external" not in entry:
        hint = f"one of {', '.join(origins)}, or external: true"
        faults.at(tree, path, "missing", f"{spell(path)} does not say where its content is", hint)
    elif path[0] == "secrets" and not any(entry.get(key) for key in given):
        faults.at(tree, path, "missing", f"{spell(path)} needs a file or an environment variable")


class Consistency:
    """Checks the services of a tree in long form; `inactive` are the ones that profiles leave out."""

    def __init__(self, tree: Map, inactive: Mapping[str, Map], faults: Faults) -> None:
        self.tree = tree
        self.services: Mapping[str, Any] = tree.get("services", {})
        self.inactive = inactive
        self.faults = faults

    def run(self) -> None:
        """Note all faults."""
        names: dict[str, str] = {}
        for name, service in self.services.items():
            path: Path = ("services", name)
            self._image(name, service, path)
            self._build(name, service, path)
            self._references(name, service, path)
            self._dependencies(name, service, path)
            self._exclusive(name, service, path)
            self._mounts(service, path)
            container = service.get("container_name")
            if container:
                if container in names:
                    what = f'service "{name}" has the same container_name as "{names[container]}"'
                    self._fault((*path, "container_name"), "conflict", what)
                names[container] = name

    def _fault(self, path: Path, code: str, what: str, hint: str = "", *, key: bool = False) -> None:
        self.faults.at(self.tree, path, code, what, hint, key=key)

    def _image(self, name: str, service: Map, path: Path) -> None:
        if not service.get("image") and "build" not in service and "provider" not in service:
            self._fault(path, "missing", f'service "{name}" has neither image nor build', key=True)
        test = (service.get("healthcheck") or {}).get("test")
        if test and test[0] not in ("CMD", "CMD-SHELL", "NONE"):
            self._fault(
                (*path, "healthcheck", "test"),
                "value",
                f'healthcheck.test of "{name}" must start with CMD, CMD-SHELL or NONE',
            )

    def _build(self, name: str, service: Map, path: Path) -> None:
        build = service.get("build")
        if not isinstance(build, dict):
            return
        if build.get("dockerfile") and build.get("dockerfile_inline"):
            self._fault(
                (*path, "build"), "conflict", f'build of "{name}" has both dockerfile and dockerfile_inline'
            )
        platforms = build.get("platforms")
        if platforms and service.get("platform") and service["platform"] not in platforms:
            self._fault(
                (*path, "build", "platforms"),
                "conflict",
                f'build.platforms of "{name}" must include its platform',
            )
        for key, context in (build.get("additional_contexts") or {}).items():
            if isinstance(context, str) and context.startswith("service:"):
                self._context(name, context[len("service:") :], (*path, "build", "additional_contexts", key))
        for index, secret in enumerate(build.get("secrets") or ()):
            self._known(name, "secret", secret.get("source"), (*path, "build", "secrets", index))

    def _context(self, name: str, target: str, path: Path) -> None:
        other = self.services.get(target) or self.inactive.get(target)
        if other is None:
            self._undefined(name, "service", target, path, self.services)
        elif "build" not in other:
            self._fault(path, "value", f'service "{name}" builds on service "{target}", which is not built')

    def _undefined(self, name: str, kind: str, target: str, path: Path, known: Any) -> None:
        hint = self.faults.near(target, known) if known else ""
        if not hint and kind in ("network", "volume", "config", "secret", "model"):
            hint = f"declare it under {kind}s:"
        self._fault(
            path, f"undefined_{kind}", f'service "{name}" refers to undefined {kind} "{target}"', hint
        )

    def _known(self, name: str, kind: str, target: Any, path: Path) -> None:
        section = self.tree.get(f"{kind}s") or {}
        if target not in section:
            self._undefined(name, kind, str(target), path, section)

    def _references(self, name: str, service: Map, path: Path) -> None:
        for network in service.get("networks") or ():
            self._known(name, "network", network, (*path, "networks", network))
        for model in service.get("models") or ():
            self._known(name, "model", model, (*path, "models", model))
        for index, mount in enumerate(service.get("volumes") or ()):
            if mount.get("type") == "volume" and mount.get("source"):
                self._known(name, "volume", mount["source"], (*path, "volumes", index))
        for kind in ("config", "secret"):
            for index, mount in enumerate(service.get(f"{kind}s") or ()):
                self._known(name, kind, mount.get("source"), (*path, f"{kind}s", index))

    def _dependencies(self, name: str, service: Map, path: Path) -> None:
        edges = service.get("depends_on") or {}
        for target, entry in edges.items():
            place = (*path, "depends_on", target)
            condition = entry.get("condition") if isinstance(entry, dict) else None
            if condition is not None and condition not in CONDITIONS:
                self._fault(
                    (*place, "condition"),
                    "value",
                    f'{spell(place)}.condition cannot be "{condition}"',
                    self.faults.near(condition, CONDITIONS) or "one of: " + ", ".join(CONDITIONS),
                )
            self._target(name, target, place, required=entry.get("required") is not False)
        for target, _ in implied(service):
            if target not in edges:
                self._target(name, target, path, required=True)

    def _target(self, name: str, target: str, place: Path, *, required: bool) -> None:
        if target in self.services or (not required and target in self.inactive):
            return
        if target in self.inactive:
            wanted = ", ".join(self.inactive[target].get("profiles") or ())
            what = f'service "{name}" depends on "{target}", which is not active'
            self._fault(
                place,
                "inactive_service",
                what,
                f"it needs the profile {wanted}, or required: false here",
                key=True,
            )
        else:
            self._fault(
                place,
                "undefined_service",
                f'service "{name}" depends on undefined service "{target}"',
                self.faults.near(target, chain(self.services, self.inactive)),
                key=True,
            )

    def _exclusive(self, name: str, service: Map, path: Path) -> None:
        if service.get("network_mode") and service.get("networks"):
            self._fault(
                (*path, "network_mode"),
                "conflict",
                f'service "{name}" has both network_mode and networks',
                "keep one of them",
            )
        deploy = service.get("deploy") or {}
        replicas, scale = deploy.get("replicas"), service.get("scale")
        if replicas is not None and scale is not None and replicas != scale:
            self._fault((*path, "scale"), "conflict", f'service "{name}": scale and deploy.replicas differ')
        count = scale if scale is not None else replicas
        if service.get("container_name") and isinstance(count, int) and count > 1:
            self._fault(
                (*path, "container_name"),
                "conflict",
                f'service "{name}" has a container_name and cannot have {count} replicas',
            )
        resources = deploy.get("resources") or {}
        for key, part, inner in (
            ("cpus", "limits", "cpus"),
            ("mem_limit", "limits", "memory"),
            ("pids_limit", "limits", "pids"),
            ("mem_reservation", "reservations", "memory"),
        ):
            one, section = service.get(key), resources.get(part)
            if one and section is not None and one != section.get(inner):
                self._fault(
                    (*path, key),
                    "conflict",
                    f'service "{name}": {key} and deploy.resources.{part}.{inner} differ',
                )
        for index, watch in enumerate((service.get("develop") or {}).get("watch") or ()):
            if not watch.get("path"):
                self._fault(
                    (*path, "develop", "watch", index),
                    "missing",
                    f'service "{name}": develop.watch needs a path here',
                )
            if watch.get("action") not in ("rebuild", "restart") and not watch.get("target"):
                self._fault(
                    (*path, "develop", "watch", index),
                    "missing",
                    f'service "{name}": develop.watch needs a target here',
                )
        self._mac(name, service, path)

    def _mac(self, name: str, service: Map, path: Path) -> None:
        own = service.get("mac_address")
        for network, entry in (service.get("networks") or {}).items():
            other = entry.get("mac_address") if isinstance(entry, dict) else None
            if own and other and own != other:
                self._fault(
                    (*path, "networks", network), "conflict", f'service "{name}" has two MAC addresses'
                )

    def _mounts(self, service: Map, path: Path) -> None:
        targets: set[str] = set()
        for index, tmpfs in enumerate(service.get("tmpfs") or ()):
            self._twice(tmpfs.partition(":")[0], targets, (*path, "tmpfs", index))
        for index, mount in enumerate(service.get("volumes") or ()):
            self._twice(str(mount.get("target")), targets, (*path, "volumes", index))
            if not mount.get("target"):
                self._fault(
                    (*path, "volumes", index), "missing", f"{spell(path)}.volumes[{index}] needs a target"
                )
            if mount.get("type") == "bind" and not mount.get("source"):
                self._fault(
                    (*path, "volumes", index), "missing", f"{spell(path)}.volumes[{index}] needs a source"
                )

    def _twice(self, target: str, targets: set[str], path: Path) -> None:
        if target in targets:
            self._fault(path, "conflict", f'{spell(path)}: something else is mounted at "{target}" already')
        targets.add(target)
