"""One service of the tree to the model's Service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zun_compose.model import (
    Attachment,
    Build,
    Condition,
    Dependency,
    Device,
    Expose,
    External,
    FileMount,
    Healthcheck,
    Logging,
    Mount,
    MountType,
    Port,
    Probe,
    Resources,
    Restart,
    RestartName,
    Service,
    Ulimit,
)
from zun_compose.parse.normalize import implied
from zun_compose.parse.probes import Reader
from zun_compose.parse.tree import Duration, Faults, Map, Path, locate, near, spell

_SERVICE_WORDS = ("job", "once", "gate", "fate")
_RESTARTS = frozenset(name.value for name in RestartName)
_EDGE_WORDS = ("condition", "timeout", "retries", "replicas", "required", "restart")


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
    ) -> None:
        self.tree = tree
        self.reader = reader
        self.faults = faults
        self.gate = gate
        self.externals = externals
        self.inactive = inactive
        self.services: Mapping[str, Any] = tree.get("services") or {}

    def fault(self, path: Path, what: str, hint: str = "") -> None:
        self.faults.at(self.tree, path, "value", what, hint)

    def service(self, name: str, raw: Map) -> Service:
        """Return the service, its edges included."""
        path: Path = ("services", name)
        own = self.own(raw, path)
        build = raw.get("build")
        networks = raw.get("networks")
        deploy = raw.get("deploy") or {}
        logging = raw.get("logging")
        return Service(
            name=name,
            image=raw.get("image"),
            build=_build(build) if build is not None else None,
            pull_policy=raw.get("pull_policy"),
            platform=raw.get("platform"),
            container_name=raw.get("container_name"),
            hostname=raw.get("hostname"),
            domainname=raw.get("domainname"),
            command=_words(raw.get("command")),
            entrypoint=_words(raw.get("entrypoint")),
            environment=dict(raw.get("environment") or {}),
            working_dir=raw.get("working_dir"),
            user=raw.get("user"),
            group_add=_tuple(raw, "group_add"),
            init=raw.get("init"),
            tty=bool(raw.get("tty")),
            stdin_open=bool(raw.get("stdin_open")),
            privileged=bool(raw.get("privileged")),
            read_only=bool(raw.get("read_only")),
            runtime=raw.get("runtime"),
            stop_signal=raw.get("stop_signal"),
            stop_grace_period=_seconds(raw.get("stop_grace_period")),
            restart=self.restart(raw, deploy, path),
            labels=dict(raw.get("labels") or {}),
            annotations=dict(raw.get("annotations") or {}),
            ports=tuple(_port(entry) for entry in raw.get("ports") or ()),
            expose=self.expose(raw.get("expose") or (), path),
            networks=None if networks is None else tuple(_attachment(key, entry) for key, entry in networks.items()),
            network_mode=raw.get("network_mode"),
            mac_address=raw.get("mac_address"),
            dns=_tuple(raw, "dns"),
            dns_search=_tuple(raw, "dns_search"),
            dns_opt=_tuple(raw, "dns_opt"),
            extra_hosts=_hosts(raw.get("extra_hosts")),
            links=_tuple(raw, "links"),
            mounts=tuple(_mount(entry) for entry in raw.get("volumes") or ()),
            tmpfs=_tuple(raw, "tmpfs"),
            volumes_from=_tuple(raw, "volumes_from"),
            configs=_files(raw.get("configs"), "/"),
            secrets=_files(raw.get("secrets"), "/run/secrets/"),
            dependencies=self.dependencies(name, raw, own, path),
            healthcheck=self.healthcheck(raw),
            readiness=self.readiness(raw, path),
            profiles=_tuple(raw, "profiles"),
            replicas=_replicas(raw, deploy),
            resources=_resources(raw, deploy),
            ulimits=tuple(_ulimit(key, entry) for key, entry in (raw.get("ulimits") or {}).items()),
            cap_add=_tuple(raw, "cap_add"),
            cap_drop=_tuple(raw, "cap_drop"),
            security_opt=_tuple(raw, "security_opt"),
            sysctls=dict(raw.get("sysctls") or {}),
            devices=tuple(
                Device(source=entry["source"], target=entry["target"], permissions=entry["permissions"])
                for entry in raw.get("devices") or ()
            ),
            shm_size=_int(raw.get("shm_size")),
            pid=raw.get("pid"),
            ipc=raw.get("ipc"),
            uts=raw.get("uts"),
            userns_mode=raw.get("userns_mode"),
            cgroup=raw.get("cgroup"),
            cgroup_parent=raw.get("cgroup_parent"),
            logging=Logging(driver=logging.get("driver"), options=dict(logging.get("options") or {})) if logging else None,
            job=bool(own.get("job")) or deploy.get("mode") == "replicated-job",
            once=bool(own.get("once")),
            fate=own.get("fate") or {},
            mark=locate(self.tree, path, key=True),
        )

    def own(self, raw: Map, path: Path) -> Mapping[str, Any]:
        """Return the service's x-zun, checked."""
        own = raw.get("x-zun")
        place = (*path, "x-zun")
        if own is None or not self.reader.keys(own, _SERVICE_WORDS, place):
            return {}
        for key in ("job", "once"):
            if key in own and not isinstance(own[key], bool):
                self.fault((*place, key), f"{spell((*place, key))} must be true or false")
        if "fate" in own and not isinstance(own["fate"], dict):
            self.fault((*place, "fate"), f"{spell((*place, 'fate'))} must be a mapping")
            return {key: value for key, value in own.items() if key != "fate"}
        checked: Mapping[str, Any] = own
        return checked

    def readiness(self, raw: Map, path: Path) -> tuple[Probe, ...]:
        for key in ("x-readiness", "readiness"):
            if raw.get(key) is not None:
                return self.reader.probes(raw[key], (*path, key))
        return ()

    def healthcheck(self, raw: Map) -> Healthcheck | None:
        check = raw.get("healthcheck")
        if check is None:
            return None
        test = check.get("test")
        if check.get("disable"):
            test = ("NONE",)
        retries = check.get("retries")
        return Healthcheck(
            test=tuple(test) if test else None,
            interval=_seconds(check.get("interval")),
            timeout=_seconds(check.get("timeout")),
            retries=None if retries is None else int(retries),
            start_period=_seconds(check.get("start_period")),
            start_interval=_seconds(check.get("start_interval")),
        )

    def restart(self, raw: Map, deploy: Mapping[str, Any], path: Path) -> Restart:
        text = raw.get("restart")
        policy = deploy.get("restart_policy")
        if not text and policy:
            maximum = policy.get("max_attempts")
            word = policy.get("condition", "any")
            # The same reading as docker compose: any is always, whatever else stands there is a policy name.
            name = {"any": "always", "none": "no"}.get(word, word)
            if name not in _RESTARTS:
                self.fault((*path, "deploy", "restart_policy", "condition"), f'unknown restart condition "{word}"')
                name = "no"
            return Restart(name=RestartName(name), maximum=maximum if name == "on-failure" else None)
        if not text:
            return Restart()
        name, colon, count = text.partition(":")
        if name not in _RESTARTS or (colon and (name != "on-failure" or not count.isdigit())):
            hint = near(name, [word.value for word in RestartName]) or "no, always, on-failure[:COUNT] or unless-stopped"
            self.fault((*path, "restart"), f'unknown restart policy "{text}"', hint)
            return Restart()
        return Restart(name=RestartName(name), maximum=int(count) if count else None)

    def expose(self, entries: Any, path: Path) -> tuple[Expose, ...]:
        found = []
        for index, entry in enumerate(entries):
            body, _, protocol = str(entry).partition("/")
            first, _, last = body.partition("-")
            try:
                found.append(Expose(first=int(first), last=int(last or first), protocol=protocol or "tcp"))
            except ValueError:
                self.fault((*path, "expose", index), f'is no port: "{entry}"')
        return tuple(found)

    def dependencies(self, name: str, raw: Map, own: Mapping[str, Any], path: Path) -> tuple[Dependency, ...]:
        gate = self.gate
        if "gate" in own:
            gate = self.reader.condition(own["gate"], (*path, "x-zun", "gate")) or gate
        found: list[Dependency] = []
        namespaced = {edge for edge, restart in implied(raw) if restart}
        sources = {edge for edge, _ in implied(raw)}
        explicit = raw.get("#explicit") or {}
        for target, entry in (raw.get("depends_on") or {}).items():
            place = (*path, "depends_on", target)
            if target not in self.services:
                continue
            if target in sources and target not in explicit:
                found.append(
                    Dependency(on=target, restart=target in namespaced, implicit=True, mark=locate(self.tree, place, key=True))
                )
                continue
            short = explicit.get(target) == "short"
            found.append(self.edge(target, entry, place, gate if short else None, external=False))
        found.extend(self.outside(raw, path))
        return tuple(found)

    def outside(self, raw: Map, path: Path) -> list[Dependency]:
        value = raw.get("x-depends-on")
        place = (*path, "x-depends-on")
        if value is None:
            return []
        if isinstance(value, str):
            value = [value]
        if isinstance(value, list):
            entries: dict[str, Any] = {str(item): {} for item in value}
        elif isinstance(value, dict):
            entries = {key: item if item is not None else {} for key, item in value.items()}
        else:
            self.fault(place, f"{spell(place)} must be a list or a mapping")
            return []
        found = []
        allowed = (*_EDGE_WORDS, *(f"x-{word}" for word in _EDGE_WORDS))
        for target, entry in entries.items():
            if target not in self.externals:
                hint = near(target, self.externals) or "declare it under x-zun: externals:"
                self.faults.at(self.tree, (*place, target), "undefined_external", f'unknown external "{target}"', hint)
            elif self.reader.keys(entry, allowed, (*place, target)):
                edge = self.edge(target, entry, (*place, target), Condition.READY, external=True)
                if edge.condition is not Condition.READY:
                    self.fault((*place, target), f'external "{target}" can only be waited for with condition ready')
                found.append(edge)
        return found

    def edge(self, target: str, entry: Any, place: Path, gate: Condition | None, *, external: bool) -> Dependency:
        condition: Condition | None = None
        if entry.get("x-condition") is not None:
            condition = self.reader.condition(entry["x-condition"], (*place, "x-condition"))
        elif gate is not None and ("condition" not in entry or not external):
            condition = gate
        elif "condition" in entry:
            condition = self.reader.condition(entry["condition"], (*place, "condition"))
        values: dict[str, Any] = {}
        for word in ("timeout", "retries", "replicas"):
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
        for word in ("required", "restart"):
            if external and not isinstance(entry.get(word, False), bool):
                self.fault((*place, word), f"{spell((*place, word))} must be true or false")
        return Dependency(
            on=target,
            condition=condition or Condition.STARTED,
            required=entry.get("required") is not False,
            restart=entry.get("restart") is True,
            external=external,
            mark=locate(self.tree, place, key=True),
            **values,
        )

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


def _words(value: Any) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _tuple(raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = raw.get(key)
    return tuple(value) if value else ()


def _seconds(value: Any) -> float | None:
    return value.seconds if isinstance(value, Duration) else None


def _int(value: Any) -> int | None:
    return None if value is None else int(value)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _hosts(value: Any) -> tuple[tuple[str, str], ...]:
    found = []
    for entry in value or ():
        name, _, address = entry.partition("=")
        found.append((name, address))
    return tuple(found)


def _files(value: Any, folder: str) -> tuple[FileMount, ...]:
    found = []
    for entry in value or ():
        target = entry.get("target") or entry["source"]
        found.append(
            FileMount(
                source=entry["source"],
                target=target if target.startswith("/") else folder + target,
                uid=entry.get("uid"),
                gid=entry.get("gid"),
                mode=entry.get("mode"),
            )
        )
    return tuple(found)


def _port(entry: Mapping[str, Any]) -> Port:
    return Port(
        target=int(entry["target"]),
        published=entry.get("published") or None,
        protocol=entry.get("protocol") or "tcp",
        host_ip=entry.get("host_ip") or None,
        mode=entry.get("mode") or "ingress",
        name=entry.get("name"),
        app_protocol=entry.get("app_protocol"),
        span=entry.get("#span"),
    )


def _attachment(key: str, entry: Any) -> Attachment:
    entry = entry or {}
    return Attachment(
        network=key,
        aliases=_tuple(entry, "aliases"),
        ipv4_address=entry.get("ipv4_address"),
        ipv6_address=entry.get("ipv6_address"),
        link_local_ips=_tuple(entry, "link_local_ips"),
        mac_address=entry.get("mac_address"),
        priority=int(entry.get("priority") or 0),
        gw_priority=int(entry.get("gw_priority") or 0),
        interface_name=entry.get("interface_name"),
        driver_opts=dict(entry.get("driver_opts") or {}),
    )


def _mount(entry: Mapping[str, Any]) -> Mount:
    bind, volume, tmpfs = entry.get("bind") or {}, entry.get("volume") or {}, entry.get("tmpfs") or {}
    return Mount(
        type=MountType(entry["type"]),
        target=entry["target"],
        source=entry.get("source") or None,
        read_only=bool(entry.get("read_only")),
        consistency=entry.get("consistency"),
        propagation=bind.get("propagation"),
        # The short form creates the path; the long one only where it does not say otherwise.
        create_host_path=bind.get("create_host_path", True) is not False,
        selinux=bind.get("selinux"),
        nocopy=bool(volume.get("nocopy")),
        subpath=volume.get("subpath") or (entry.get("image") or {}).get("subpath"),
        tmpfs_size=_int(tmpfs.get("size")),
        tmpfs_mode=_int(tmpfs.get("mode")),
        volume_labels=dict(volume.get("labels") or {}),
    )


def _ulimit(name: str, entry: Any) -> Ulimit:
    if isinstance(entry, dict):
        return Ulimit(name=name, soft=int(entry.get("soft", 0)), hard=int(entry.get("hard", 0)))
    return Ulimit(name=name, soft=int(entry), hard=int(entry))


def _replicas(raw: Mapping[str, Any], deploy: Mapping[str, Any]) -> int:
    scale = raw.get("scale")
    if scale is None:
        scale = deploy.get("replicas")
    return 1 if scale is None else int(scale)


def _build(build: Mapping[str, Any]) -> Build:
    return Build(
        context=build.get("context") or ".",
        dockerfile=build.get("dockerfile"),
        dockerfile_inline=build.get("dockerfile_inline"),
        args=dict(build.get("args") or {}),
        target=build.get("target"),
        labels=dict(build.get("labels") or {}),
        cache_from=_tuple(build, "cache_from"),
        network=build.get("network"),
        no_cache=bool(build.get("no_cache")),
        pull=bool(build.get("pull")),
        platforms=_tuple(build, "platforms"),
        tags=_tuple(build, "tags"),
        shm_size=_int(build.get("shm_size")),
        extra_hosts=_hosts(build.get("extra_hosts")),
    )


def _resources(raw: Mapping[str, Any], deploy: Mapping[str, Any]) -> Resources:
    wanted = deploy.get("resources") or {}
    limits, reserved = wanted.get("limits") or {}, wanted.get("reservations") or {}

    def first(*values: Any) -> Any:
        return next((value for value in values if value not in (None, "")), None)

    return Resources(
        cpus=_float(first(limits.get("cpus"), raw.get("cpus"))),
        memory=_int(first(limits.get("memory"), raw.get("mem_limit"))),
        pids=_int(first(limits.get("pids"), raw.get("pids_limit"))),
        reserved_cpus=_float(reserved.get("cpus")),
        reserved_memory=_int(first(reserved.get("memory"), raw.get("mem_reservation"))),
        memory_swap=_int(raw.get("memswap_limit")),
        memory_swappiness=_int(raw.get("mem_swappiness")),
        cpu_shares=_int(raw.get("cpu_shares")),
        cpu_quota=_int(raw.get("cpu_quota")),
        cpu_period=_int(raw.get("cpu_period")),
        cpuset=raw.get("cpuset"),
        oom_kill_disable=raw.get("oom_kill_disable"),
        oom_score_adj=_int(raw.get("oom_score_adj")),
    )


