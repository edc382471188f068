"""One service of the tree to the model's Service."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from zun_compose.model import (
    Condition,
    Dependency,
    Expose,
    External,
    Probe,
    Restart,
    RestartName,
    Service,
)
from zun_compose.parse import parts, placing
from zun_compose.parse.attributes import own as own_words
from zun_compose.parse.normalize import implied
from zun_compose.parse.probes import Reader
from zun_compose.parse.tree import Faults, Map, Path, locate, spell
from zun_compose.record import replace

_Read = Callable[[Any], Any]

# Attributes that stand for themselves: the model's field and how it is read. None is as none at all.
_ALONE: Mapping[str, tuple[str, _Read]] = {
    **{
        name: (name, parts.same)
        for name in (
            *("image", "pull_policy", "platform", "container_name", "hostname", "domainname", "working_dir"),
            *("user", "init", "runtime", "stop_signal", "network_mode", "mac_address", "pid", "ipc", "uts"),
            *("userns_mode", "cgroup", "cgroup_parent"),
        )
    },
    **{
        name: (name, tuple)
        for name in (
            *(
                "command",
                "entrypoint",
                "group_add",
                "dns",
                "dns_search",
                "dns_opt",
                "links",
                "external_links",
            ),
            *("tmpfs", "volumes_from", "profiles", "cap_add", "cap_drop", "security_opt"),
            "device_cgroup_rules",
        )
    },
    **{name: (name, dict) for name in ("environment", "labels", "annotations", "sysctls")},
    **{name: (name, bool) for name in ("tty", "stdin_open", "privileged", "read_only")},
    "attach": ("attach", bool),
    "blkio_config": ("blkio_config", parts.block_io),
    "build": ("build", parts.build),
    "configs": ("configs", lambda value: parts.file_mounts(value, "/")),
    "devices": ("devices", parts.devices),
    "extra_hosts": ("extra_hosts", parts.hosts),
    "healthcheck": ("healthcheck", parts.healthcheck),
    "logging": ("logging", parts.logging),
    "networks": ("networks", parts.attachments),
    "ports": ("ports", parts.ports),
    "secrets": ("secrets", lambda value: parts.file_mounts(value, "/run/secrets/")),
    "shm_size": ("shm_size", int),
    "stop_grace_period": ("stop_grace_period", parts.seconds),
    "storage_opt": ("storage_opt", parts.texts),
    "ulimits": ("ulimits", parts.ulimits),
    "volumes": ("mounts", parts.mounts),
}
_COUNT = re.compile(r"[0-9]{1,9}")
_RESTARTS = frozenset(name.value for name in RestartName)
_OWN_KEYS = ("x-readiness", "x-zun", "x-depends-on")


class Binder:
    """Binds the services of one tree. `gate` is what the short form of depends_on waits for."""

    def __init__(
        self,
        tree: Map,
        reader: Reader,
        faults: Faults,
        gate: Condition,
        externals: Mapping[str, External],
        inactive: Mapping[str, tuple[str, ...]],
        *,
        lenient: bool,
    ) -> None:
        self.lenient = lenient
        self.tree = tree
        self.reader = reader
        self.faults = faults
        self.gate = gate
        self.externals = externals
        self.inactive = inactive
        self.services: Mapping[str, Any] = tree.get("services") or {}

    def _odd(self, path: Path, what: str, hint: str = "") -> None:
        """Note a value that no engine could carry out."""
        if self.lenient:
            self.faults.warn(f"{spell(path)}: {what}")
        else:
            self._fault(path, what, hint)

    def _fault(self, path: Path, what: str, hint: str = "") -> None:
        self.faults.at(self.tree, path, "value", what, hint)

    def service(self, name: str, raw: Map) -> Service:
        """Return the service, its edges included."""
        path: Path = ("services", name)
        own = self._own(raw, path)
        self._near_misses(raw, _OWN_KEYS, path)
        deploy = raw.get("deploy") or {}
        fields: dict[str, Any] = {}
        for key, value in raw.items():
            if value is not None and key in _ALONE:
                field, read = _ALONE[key]
                fields[field] = read(value)
        if deploy or not parts.RESOURCES.isdisjoint(raw):
            fields["resources"] = parts.resources(raw, deploy)
            fields["device_requests"] = parts.device_requests(raw, deploy)
        if own:
            fields.update(once=bool(own.get("once")), fate=own.get("fate") or {})
        fields.update(placing.read(own, fields.get("image"), (*path, "x-zun"), self._fault))
        return Service(
            name=name,
            restart=self._restart(raw, deploy, path),
            expose=self._expose(raw.get("expose") or (), path),
            dependencies=self._dependencies(name, raw, own, path),
            readiness=self._readiness(raw, path),
            replicas=parts.replicas(raw, deploy),
            job=bool(own.get("job")) or deploy.get("mode") in ("replicated-job", "global-job"),
            mark=locate(self.tree, path, key=True),
            **fields,
        )

    def _near_misses(self, entry: Map, known: tuple[str, ...], path: Path) -> None:
        """Warn of x-... keys that were probably meant as ours: nothing else would ever tell."""
        for key in entry:
            if key.startswith("x-") and key not in known:
                hint = self.faults.near(key, known, cutoff=0.8)
                if hint:
                    self.faults.warn(f"{spell(path)}: {key} means nothing here, {hint}")

    def _own(self, raw: Map, path: Path) -> Mapping[str, Any]:
        """Return the service's x-zun, checked."""
        own = raw.get("x-zun")
        place = (*path, "x-zun")
        if own is None or not self.reader.keys(own, own_words.SERVICE_WORDS, place):
            return {}
        for key in ("job", "once"):
            if key in own and not isinstance(own[key], bool):
                self._fault((*place, key), f"{spell((*place, key))} must be true or false")
        if "fate" in own and not isinstance(own["fate"], dict):
            self._fault((*place, "fate"), f"{spell((*place, 'fate'))} must be a mapping")
            return {key: value for key, value in own.items() if key != "fate"}
        checked: Mapping[str, Any] = own
        return checked

    def _readiness(self, raw: Map, path: Path) -> tuple[Probe, ...]:
        given = [key for key in ("x-readiness", "readiness") if raw.get(key) is not None]
        # The one that loses is read too: what is wrong with it will not be found by docker compose.
        probes = [self.reader.probes(raw[key], (*path, key)) for key in given]
        return probes[0] if probes else ()

    def _restart(self, raw: Map, deploy: Mapping[str, Any], path: Path) -> Restart:
        text = raw.get("restart")
        policy = deploy.get("restart_policy")
        if not text and policy:
            maximum = policy.get("max_attempts")
            word = policy.get("condition", "any")
            # The same reading as docker compose: any is always, whatever else stands there is a policy name.
            name = {"any": "always", "none": "no"}.get(word, word)
            if name not in _RESTARTS:
                self._odd(
                    (*path, "deploy", "restart_policy", "condition"), f'unknown restart condition "{word}"'
                )
                name = "no"
            return Restart(name=RestartName(name), maximum=maximum if name == "on-failure" else None)
        if not text:
            return Restart()
        name, colon, count = text.partition(":")
        if name not in _RESTARTS or (colon and (name != "on-failure" or not _COUNT.fullmatch(count))):
            hint = (
                self.faults.near(name, sorted(_RESTARTS))
                or "no, always, on-failure[:COUNT] or unless-stopped"
            )
            self._odd((*path, "restart"), f'unknown restart policy "{text}"', hint)
            return Restart()
        return Restart(name=RestartName(name), maximum=int(count) if count else None)

    def _expose(self, entries: Any, path: Path) -> tuple[Expose, ...]:
        found = []
        for index, entry in enumerate(entries):
            body, _, protocol = str(entry).partition("/")
            first, _, last = body.partition("-")
            try:
                found.append(Expose(first=int(first), last=int(last or first), protocol=protocol or "tcp"))
            except ValueError:
                self._odd((*path, "expose", index), f'is no port: "{entry}"')
        return tuple(found)

    def _dependencies(
        self, name: str, raw: Map, own: Mapping[str, Any], path: Path
    ) -> tuple[Dependency, ...]:
        gate = self.gate
        if "gate" in own:
            gate = self.reader.condition(own["gate"], (*path, "x-zun", "gate")) or gate
        found: list[Dependency] = []
        needs = implied(raw)
        namespaced = {edge for edge, restart in needs if restart}
        sources = {edge for edge, _ in needs}
        explicit = raw.get("#explicit") or {}
        for target, entry in (raw.get("depends_on") or {}).items():
            place = (*path, "depends_on", target)
            if target not in self.services:
                continue
            if target in sources and target not in explicit:
                found.append(
                    Dependency(
                        on=target,
                        restart=target in namespaced,
                        implicit=True,
                        mark=locate(self.tree, place, key=True),
                    )
                )
                continue
            short = explicit.get(target) == "short"
            found.append(self._edge(target, entry, place, gate if short else None, external=False))
        found.extend(self._outside(raw, path))
        return tuple(found)

    def _outside(self, raw: Map, path: Path) -> list[Dependency]:
        value = raw.get("x-depends-on")
        place = (*path, "x-depends-on")
        if value is None:
            return []
        if isinstance(value, str):
            value = [value]
        if isinstance(value, list):
            entries: dict[str, Any] = {item: {} for item in value if isinstance(item, str)}
            for index in (index for index, item in enumerate(value) if not isinstance(item, str)):
                self._fault((*place, index), f"{spell((*place, index))} must be the name of an external")
        elif isinstance(value, dict):
            entries = {key: item if item is not None else {} for key, item in value.items()}
        else:
            self._fault(place, f"{spell(place)} must be a list or a mapping")
            return []
        found = []
        for target, entry in entries.items():
            if target not in self.externals:
                hint = self.faults.near(target, self.externals) or "declare it under x-zun: externals:"
                self.faults.at(
                    self.tree, (*place, target), "undefined_external", f'unknown external "{target}"', hint
                )
            elif self.reader.keys(entry, own_words.OUTSIDE_EDGE_WORDS, (*place, target)):
                edge = self._edge(target, entry, (*place, target), Condition.READY, external=True)
                if edge.condition is not Condition.READY:
                    self._fault(
                        (*place, target), f'external "{target}" can only be waited for with condition ready'
                    )
                found.append(edge)
        return found

    def _edge(
        self, target: str, entry: Any, place: Path, gate: Condition | None, *, external: bool
    ) -> Dependency:
        condition: Condition | None = None
        self._near_misses(entry, own_words.EDGE_WORDS, place)
        if entry.get("x-condition") is not None:
            condition = self.reader.condition(entry["x-condition"], (*place, "x-condition"))
        elif gate is not None and ("condition" not in entry or not external):
            condition = gate
        elif "condition" in entry:
            condition = self.reader.condition(entry["condition"], (*place, "condition"))
        for word in ("required", "restart"):
            if external and not isinstance(entry.get(word, False), bool):
                self._fault((*place, word), f"{spell((*place, word))} must be true or false")
        return Dependency(
            on=target,
            condition=condition or Condition.STARTED,
            required=entry.get("required") is not False,
            restart=entry.get("restart") is True,
            external=external,
            mark=locate(self.tree, place, key=True),
            **self._bounds(entry, place),
        )

    def _bounds(self, entry: Any, place: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for word in own_words.BOUNDS:
            key = f"x-{word}" if f"x-{word}" in entry else word
            if key not in entry:
                continue
            value = entry[key]
            if word == "timeout":
                values[word] = self.reader.seconds(value, (*place, key))
            elif word == "retries":
                values[word] = self.reader.count(value, (*place, key))
            elif value == "any":
                values[word] = 1
            elif value != "all":
                values[word] = self.reader.count(value, (*place, key), 1)
        return values

    def with_jobs(self, services: dict[str, Service]) -> dict[str, Service]:
        """Return the services with those marked as jobs whose end somebody waits for."""
        ended = {
            edge.on
            for service in services.values()
            for edge in service.dependencies
            if edge.condition.completion and not edge.external
        }
        return {
            name: replace(service, job=True) if name in ended and not service.job else service
            for name, service in services.items()
        }
