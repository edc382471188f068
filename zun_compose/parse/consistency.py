"""What no single attribute can tell: references that lead nowhere, and attributes that exclude each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zun_compose.parse.check import CONDITIONS, OWN_CONDITIONS
from zun_compose.parse.normalize import implied
from zun_compose.parse.tree import Faults, Map, Path, near, spell


def resources(tree: Map, faults: Faults) -> None:
    """Check networks, volumes, configs and secrets by themselves."""
    for kind, allowed in (("volumes", {"name", "external"}), ("networks", None)):
        for name, entry in (tree.get(kind) or {}).items():
            if allowed is None or not isinstance(entry, dict) or entry.get("external") is not True:
                continue
            for key in entry:
                if key not in allowed and not key.startswith("x-") and entry[key]:
                    faults.at(tree, (kind, name, key), "conflict", f"{kind}.{name} is external and cannot have {key}", key=True)
    for kind, ways in (("configs", ("file", "environment", "content")), ("secrets", ("file", "environment"))):
        for name, entry in (tree.get(kind) or {}).items():
            if not isinstance(entry, dict):
                continue
            given = [way for way in ways if way in entry]
            if entry.get("external") is True:
                if given:
                    faults.at(tree, (kind, name), "conflict", f"{kind}.{name} is external and cannot have {given[0]}")
            elif len(given) > 1:
                faults.at(tree, (kind, name), "conflict", f"{kind}.{name} has both {given[0]} and {given[1]}")
            elif not given and not (kind == "secrets" and "driver" in entry):
                hint = " or ".join(ways)
                faults.at(tree, (kind, name), "missing", f"{kind}.{name} has no source", f"one of {hint}, or external: true")
            elif not given:
                faults.at(tree, (kind, name), "missing", f"{kind}.{name} has no file or environment")


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
            self.image(name, service, path)
            self.build(name, service, path)
            self.references(name, service, path)
            self.dependencies(name, service, path)
            self.exclusive(name, service, path)
            self.mounts(service, path)
            container = service.get("container_name")
            if container:
                if container in names:
                    what = f'services "{names[container]}" and "{name}" have the same container_name "{container}"'
                    self.fault((*path, "container_name"), "conflict", what)
                names[container] = name

    def fault(self, path: Path, code: str, what: str, hint: str = "", *, key: bool = False) -> None:
        self.faults.at(self.tree, path, code, what, hint, key=key)

    def image(self, name: str, service: Map, path: Path) -> None:
        if not service.get("image") and "build" not in service and "provider" not in service:
            self.fault(path, "missing", f'service "{name}" has neither image nor build', key=True)
        test = (service.get("healthcheck") or {}).get("test")
        if test and test[0] not in ("CMD", "CMD-SHELL", "NONE"):
            self.fault((*path, "healthcheck", "test"), "value", f'healthcheck.test of "{name}" must start with CMD, CMD-SHELL or NONE')

    def build(self, name: str, service: Map, path: Path) -> None:
        build = service.get("build")
        if not isinstance(build, dict):
            return
        if build.get("dockerfile") and build.get("dockerfile_inline"):
            self.fault((*path, "build"), "conflict", f'build of "{name}" has both dockerfile and dockerfile_inline')
        platforms = build.get("platforms")
        if platforms and service.get("platform") and service["platform"] not in platforms:
            self.fault((*path, "build", "platforms"), "conflict", f'build.platforms of "{name}" must include its platform')
        for key, context in (build.get("additional_contexts") or {}).items():
            if isinstance(context, str) and context.startswith("service:"):
                target = context[len("service:") :]
                if target not in self.services and target not in self.inactive:
                    self.undefined(name, "service", target, (*path, "build", "additional_contexts", key), self.services)
        for index, secret in enumerate(build.get("secrets") or ()):
            self.known(name, "secret", secret.get("source"), (*path, "build", "secrets", index))

    def undefined(self, name: str, kind: str, target: str, path: Path, known: Any) -> None:
        hint = near(target, known) if known else ""
        if not hint and kind in ("network", "volume", "config", "secret", "model"):
            hint = f"declare it under {kind}s:"
        self.fault(path, f"undefined_{kind}", f'service "{name}" refers to undefined {kind} "{target}"', hint)

    def known(self, name: str, kind: str, target: Any, path: Path) -> None:
        section = self.tree.get(f"{kind}s") or {}
        if target not in section:
            self.undefined(name, kind, str(target), path, section)

    def references(self, name: str, service: Map, path: Path) -> None:
        for network in service.get("networks") or ():
            self.known(name, "network", network, (*path, "networks", network))
        for model in service.get("models") or ():
            self.known(name, "model", model, (*path, "models", model))
        for index, mount in enumerate(service.get("volumes") or ()):
            if mount.get("type") == "volume" and mount.get("source"):
                self.known(name, "volume", mount["source"], (*path, "volumes", index))
        for kind in ("config", "secret"):
            for index, mount in enumerate(service.get(f"{kind}s") or ()):
                self.known(name, kind, mount.get("source"), (*path, f"{kind}s", index))

    def dependencies(self, name: str, service: Map, path: Path) -> None:
        edges = service.get("depends_on") or {}
        for target, entry in edges.items():
            place = (*path, "depends_on", target)
            condition = entry.get("condition") if isinstance(entry, dict) else None
            if condition is not None and condition not in CONDITIONS and condition not in OWN_CONDITIONS:
                words = (*CONDITIONS, *OWN_CONDITIONS)
                self.fault((*place, "condition"), "value", f'{spell(place)}.condition cannot be "{condition}"', near(condition, words) or "one of: " + ", ".join(words))
            self.target(name, target, place, required=entry.get("required") is not False)
        for target, _ in implied(service):
            if target not in edges:
                self.target(name, target, path, required=True)

    def target(self, name: str, target: str, place: Path, *, required: bool) -> None:
        if target in self.services or (not required and target in self.inactive):
            return
        if target in self.inactive:
            wanted = ", ".join(self.inactive[target].get("profiles") or ())
            what = f'service "{name}" depends on "{target}", which is not active'
            self.fault(place, "inactive_service", what, f"it needs the profile {wanted}, or required: false here", key=True)
        else:
            self.fault(
                place,
                "undefined_service",
                f'service "{name}" depends on undefined service "{target}"',
                near(target, (*self.services, *self.inactive)),
                key=True,
            )

    def exclusive(self, name: str, service: Map, path: Path) -> None:
        if service.get("network_mode") and service.get("networks"):
            self.fault((*path, "network_mode"), "conflict", f'service "{name}" has both network_mode and networks', "keep one of them")
        deploy = service.get("deploy") or {}
        replicas, scale = deploy.get("replicas"), service.get("scale")
        if replicas is not None and scale is not None and replicas != scale:
            self.fault((*path, "scale"), "conflict", f'service "{name}": scale and deploy.replicas differ')
        count = scale if scale is not None else replicas
        if service.get("container_name") and isinstance(count, int) and count > 1:
            self.fault((*path, "container_name"), "conflict", f'service "{name}" has a container_name and cannot have {count} replicas')
        resources = deploy.get("resources") or {}
        for key, part, inner in (
            ("cpus", "limits", "cpus"),
            ("mem_limit", "limits", "memory"),
            ("pids_limit", "limits", "pids"),
            ("mem_reservation", "reservations", "memory"),
        ):
            one, two = service.get(key), (resources.get(part) or {}).get(inner)
            if one and two and one != two:
                self.fault((*path, key), "conflict", f'service "{name}": {key} and deploy.resources.{part}.{inner} differ')
        for index, watch in enumerate((service.get("develop") or {}).get("watch") or ()):
            if watch.get("action") not in ("rebuild", "restart") and not watch.get("target"):
                self.fault((*path, "develop", "watch", index), "missing", f'service "{name}": develop.watch needs a target here')
        self.mac(name, service, path)

    def mac(self, name: str, service: Map, path: Path) -> None:
        own = service.get("mac_address")
        for network, entry in (service.get("networks") or {}).items():
            other = entry.get("mac_address") if isinstance(entry, dict) else None
            if own and other and own != other:
                self.fault((*path, "networks", network), "conflict", f'service "{name}" has two MAC addresses')

    def mounts(self, service: Map, path: Path) -> None:
        for index, mount in enumerate(service.get("volumes") or ()):
            if not mount.get("target"):
                self.fault((*path, "volumes", index), "missing", f"{spell(path)}.volumes[{index}] needs a target")
            if mount.get("type") == "bind" and not mount.get("source"):
                self.fault((*path, "volumes", index), "missing", f"{spell(path)}.volumes[{index}] needs a source")
