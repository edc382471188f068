"""Every attribute of the language has its row for every driver, and what the row says is what happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import yaml

from tests.unit.parse.reading import read
from zun_compose.capability import (
    Finding,
    Table,
    Verdict,
    lookup,
    normal,
    row_for,
    rows,
    rows_of,
    table,
    told,
)
from zun_compose.driver import EngineInfo
from zun_compose.drivers.docker.capabilities import NEWEST, SINCE, asked_in_vain
from zun_compose.drivers.docker.capabilities import capabilities as docker
from zun_compose.drivers.local.capabilities import capabilities as local
from zun_compose.drivers.local.cgroups import EVERY, ONLY_1
from zun_compose.drivers.local.refusals import asked_in_vain as asked_of_local
from zun_compose.drivers.memory.capabilities import capabilities as memory
from zun_compose.errors import SpecError
from zun_compose.model import Stack
from zun_compose.options import UpOptions
from zun_compose.parse import Loaded
from zun_compose.parse.attributes import attributes, own_words
from zun_compose.parse.carried import carried
from zun_compose.parse.rules import Rule
from zun_compose.parse.uncarried import uses
from zun_compose.parse.usage import used
from zun_compose.plan.lifecycle import plan_restart, plan_start
from zun_compose.plan.up import plan_up
from zun_compose.plan.world import World

OLD = (1, 41)
# What limits are kept in which places.
LIMITS: Mapping[str, frozenset[str]] = {
    "local": EVERY,
    "local-cgroups-2": EVERY - ONLY_1,
    "local-without-memory": frozenset({"cpus", "pids"}),
    "local-without-cgroups": frozenset(),
    "local-plain": EVERY,
}
TABLES: Mapping[str, Table] = {
    "docker": docker(NEWEST),
    "docker-1.41": docker(OLD),
    **{name: local(isolated=name != "local-plain", limits=kept) for name, kept in LIMITS.items()},
    "memory": memory(),
}
PATHS = {normal(path): path for path in attributes()}
WORDS = {normal(path) for path in own_words()}
RULES: dict[str, Rule] = {}
for each, its_rule in attributes().items():
    RULES.setdefault(normal(each), its_rule)
LISTS = {normal(path) for path in attributes() if path.endswith("[]")}

# What a generated value would not be, by path of the language.
VALUES: Mapping[str, Any] = {
    "services.*.cgroup": "private",
    "services.*.container_name": "web-box",
    "services.*.configs.source": "settings",
    "services.*.configs.uid": "5",
    "services.*.configs.gid": "5",
    "services.*.configs.mode": "0400",
    "services.*.depends_on.*.condition": "service_started",
    "services.*.deploy.mode": "replicated",
    "services.*.deploy.restart_policy.condition": "on-failure",
    "services.*.devices.permissions": "rwm",
    "services.*.dns": "10.0.0.1",
    "services.*.env_file.format": "raw",
    "services.*.env_file.path": "/stack/env",
    "services.*.expose": "80",
    "services.*.extends.file": "other.yaml",
    "services.*.extends.service": "base",
    "services.*.external_links": "redis",
    "services.*.extra_hosts": "db=10.0.0.1",
    "services.*.healthcheck.test": ["CMD", "true"],
    "services.*.image": "host",
    "services.*.ipc": "host",
    "services.*.label_file": "/stack/env",
    "services.*.links": "other",
    "services.*.logging.driver": "json-file",
    "services.*.logging.options": {"max-size": "1m"},
    "services.*.mac_address": "02:42:ac:11:00:02",
    "services.*.models": ["llm"],
    "services.*.network_mode": "host",
    "services.*.networks.*.gw_priority": 5,
    "services.*.networks.*.priority": 5,
    "services.*.pid": "host",
    "services.*.ports.host_ip": "127.0.0.1",
    "services.*.ports.mode": "ingress",
    "services.*.ports.protocol": "tcp",
    "services.*.ports.published": "80",
    "services.*.pull_policy": "missing",
    "services.*.readiness": {"tcp": 80},
    "services.*.restart": "always",
    "services.*.secrets.source": "token",
    "services.*.secrets.uid": "5",
    "services.*.secrets.gid": "5",
    "services.*.secrets.mode": "0400",
    "services.*.security_opt": "no-new-privileges:true",
    "services.*.storage_opt": {"size": "1G"},
    "services.*.sysctls": {"net.core.somaxconn": "5"},
    "services.*.tmpfs": "/run:size=1m",
    "services.*.ulimits": {"nofile": 5},
    "services.*.user": "root",
    "services.*.userns_mode": "host",
    "services.*.uts": "host",
    "services.*.volumes.bind.recursive": "enabled",
    "services.*.volumes.source": "/somewhere",
    "services.*.volumes_from": "other",
    "services.*.build.additional_contexts": {"base": "/stack"},
    "services.*.build.extra_hosts": "db=10.0.0.1",
    "services.*.build.isolation": "default",
    "services.*.build.secrets.source": "token",
    "services.*.build.secrets.mode": "0400",
    "services.*.isolation": "default",
    "services.*.gpus.count": 1,
    "services.*.deploy.resources.reservations.devices.count": 1,
    "networks.*.driver": "bridge",
    "networks.*.ipam.driver": "default",
    "networks.*.ipam.config.subnet": "10.9.0.0/16",
    "networks.*.ipam.config.ip_range": "10.9.1.0/24",
    "networks.*.ipam.config.gateway": "10.9.0.1",
    "networks.*.enable_ipv4": True,
    "volumes.*.driver": "local",
}
# What rows with a condition are about: values that are refused or ignored somewhere.
ODD: Mapping[str, Sequence[Any]] = {
    "services.*.build.isolation": ["hyperv"],
    "services.*.deploy.endpoint_mode": ["vip", "dnsrr"],
    "services.*.deploy.mode": ["global", "somewhere"],
    "services.*.devices.permissions": ["r"],
    "services.*.image": ["x"],
    "services.*.ipc": ["service:other", "elsewhere"],
    "services.*.isolation": ["hyperv"],
    "services.*.links": ["other:database"],
    "services.*.logging.driver": ["syslog"],
    "services.*.logging.options": [{"labels": "a"}],
    "services.*.network_mode": ["none", "bridge", "elsewhere"],
    "services.*.pid": ["service:other", "elsewhere"],
    "services.*.ports.mode": ["host"],
    "services.*.ports.protocol": ["sctp"],
    "services.*.pull_policy": ["daily"],
    "services.*.security_opt": ["seccomp=unconfined", "systempaths=unconfined"],
    "services.*.sysctls": [{"kernel.shmmax": "5"}],
    "services.*.tmpfs": ["/run:uid=5"],
    "services.*.ulimits": [{"files": 5}],
    "services.*.user": ["app"],
    "services.*.uts": ["other"],
    "services.*.volumes.bind.recursive": ["disabled"],
    "services.*.volumes.type": ["npipe", "image", "tmpfs", "volume"],
    "networks.*.driver": ["overlay"],
    "networks.*.enable_ipv4": [False],
    "networks.*.ipam.driver": ["dhcp"],
    "volumes.*.driver": ["nfs"],
}
# What must stand beside an attribute for the file to be one.
BESIDE: Mapping[str, Mapping[str, Any]] = {
    "services.*.build": {"context": "/stack"},
    "services.*.configs": {"source": "settings"},
    "services.*.secrets": {"source": "token"},
    "services.*.build.secrets": {"source": "token"},
    "services.*.develop.watch": {"path": "/a", "action": "rebuild", "target": "/b"},
    "services.*.develop.watch.exec": {"command": "ls"},
    "services.*.devices": {"source": "/dev/null", "target": "/dev/null"},
    "services.*.deploy.resources.reservations.devices": {"capabilities": ["gpu"]},
    "services.*.env_file": {"path": "/stack/env"},
    "services.*.extends": {"service": "base"},
    "services.*.ports": {"target": 80},
    "services.*.post_start": {"command": "ls"},
    "services.*.pre_stop": {"command": "ls"},
    "services.*.provider": {"type": "cloud"},
    "services.*.build.ulimits.*": {"hard": 5, "soft": 5},
    "services.*.ulimits.*": {"hard": 5, "soft": 5},
    "services.*.volumes": {"type": "bind", "source": "/a", "target": "/b"},
    "services.*.depends_on.*": {"condition": "service_started"},
    "services.*.deploy.restart_policy": {"condition": "on-failure"},
}
NAMES: Mapping[str, str] = {
    "services.*.depends_on": "other",
    "services.*.networks": "front",
    "services.*.models": "llm",
    "services.*.ulimits": "nofile",
    "services.*.build.ulimits": "nofile",
    "networks": "front",
    "volumes": "data",
    "configs": "settings",
    "secrets": "token",
}
REST: dict[str, dict[str, dict[str, Any]]] = {
    "networks": {"front": {}},
    "volumes": {"data": {}},
    "configs": {"settings": {"content": "x"}},
    "secrets": {"token": {"environment": "WORD"}},
    "models": {"llm": {"model": "ai/x"}},
}
# Whole sections, tags of files and what only stands for others: nothing of a service, a network or a volume.
ABOVE = ("include", "name", "version", "models", "services", "networks", "volumes", "configs", "secrets")


def leaves() -> list[str]:
    """The attributes that hold values, not others."""
    found = []
    for path, raw in PATHS.items():
        section = path.partition(".")[0]
        if path in ABOVE or section in ("", "include", "models") or ".x-" in path or path.startswith("x-"):
            continue
        inner = [other for other in PATHS if other.startswith(f"{path}.")]
        if not inner and not raw.endswith(".external.name"):
            found.append(path)
    return sorted(found)


def value_of(path: str) -> Any:
    """A value that the rule of the language takes."""
    if path in VALUES:
        return VALUES[path]
    raw = PATHS[path]
    rule = RULES[path]
    if rule.words:
        return rule.words[0]
    if rule.kind == "duration":
        return "5s"
    if rule.kind == "size":
        return "5m"
    if rule.cast == "bool" or rule.types == ("true or false",):
        return True
    if "a mapping" in rule.types:
        return {"a": "5"}
    if "a list" in rule.types or raw.endswith("[]"):
        return ["a"] if "a list" in rule.types else "a"
    if "a whole number" in rule.types or "a number" in rule.types:
        return 5
    return "a"


def declared(path: str, value: Any) -> dict[str, Any]:
    """A whole file that uses one attribute."""
    parts = path.split(".")
    tree: dict[str, Any] = {
        **{key: {name: dict(body) for name, body in section.items()} for key, section in REST.items()},
        "services": {"other": {"image": "host", "networks": ["front"], "command": "x"}},
    }
    web: dict[str, Any] = {"image": "host"}
    if parts[0] != "services" or parts[2] != "network_mode":
        web["networks"] = {"front": {}}
    tree["services"]["web"] = web
    if parts[0] == "volumes":
        web["volumes"] = ["data:/data"]
    if parts[0] in ("configs", "secrets"):
        web[parts[0]] = [NAMES[parts[0]]]
    here: Any = tree
    for depth, part in enumerate(parts[:-1]):
        above = ".".join(parts[:depth])
        key = part
        if part == "*":
            key = "web" if above == "services" else NAMES.get(above, "a")
        inner = ".".join(parts[: depth + 1])
        beside = dict(BESIDE.get(inner, {}))
        below = here.get(key)
        if inner in LISTS and parts[depth + 1] != "*" and inner != "services.*.networks":
            here[key] = [beside]
            here = beside
        else:
            here[key] = here = {**beside, **(below if isinstance(below, dict) else {})}
    last = parts[-1]
    if isinstance(value, str) and path in LISTS and "a string" not in RULES[path].types:
        value = [value]
    here[last] = value
    settle(tree, path, value)
    return tree


def settle(tree: dict[str, Any], path: str, value: Any) -> None:
    """Take out what goes not together with an attribute, and give what it needs."""
    web = tree["services"]["web"]
    section, _, name = path.partition(".*.")
    if name.startswith("build"):
        web.pop("image")
    if section in ("configs", "secrets") and name in ("file", "environment", "content", "external"):
        tree[section][NAMES[section]] = {name: value}
    if path == "volumes.*.external":
        tree["volumes"]["data"] = {"external": True}
    if name == "extends.file":
        web["extends"]["service"] = "base"
    if name.startswith("extends"):
        tree["services"]["base"] = {"image": "host"}
    if section == "services":
        settle_mount(web, name, value)


def settle_mount(web: dict[str, Any], name: str, value: Any) -> None:
    """Give a mount the type that its attributes belong to."""
    kind = name.split(".")[1] if name.startswith("volumes.") else ""
    if kind in ("volume", "tmpfs", "image"):
        web["volumes"][0].update(type=kind, source="data")
    if "tmpfs" in (kind, value) or (kind, value) == ("type", "volume"):
        web["volumes"][0].pop("source", None)


def loaded(path: str, value: Any) -> Loaded:
    text = yaml.safe_dump(declared(path, value))
    return read(
        text,
        files={"env": "A=b\n", "other.yaml": "services: {base: {image: host}}\n"},
        environment={"WORD": "swordfish", "a": "b"},
        profiles=("a",),
    )


def asked(driver: str, stack: Stack) -> tuple[Finding, ...]:
    match driver:
        case "docker":
            return asked_in_vain(stack, NEWEST)
        case "docker-1.41":
            return asked_in_vain(stack, OLD)
        case "memory":
            return ()
        case _:
            isolated = driver != "local-plain"
            return asked_of_local(stack, isolated=isolated, several_users=True, limits=LIMITS[driver])


def items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, dict | list) else [value]


CASES = [(path, value_of(path)) for path in leaves()]
CASES += [(path, value) for path, values in ODD.items() for value in values]


@pytest.mark.parametrize("driver", TABLES)
def test_every_attribute_has_its_row_for_every_driver(driver: str) -> None:
    missing = [path for path in {*PATHS, *WORDS} if path and not rows_of(carried(), TABLES[driver], path)]
    assert missing == []


@pytest.mark.parametrize("driver", TABLES)
def test_no_row_is_about_nothing_or_given_twice(driver: str) -> None:
    for path in (*carried(), *TABLES[driver]):
        plain = path.removesuffix(".**")
        assert plain in {*PATHS, *WORDS}, path
        # what is free below has no paths of its own
        inner = {*PATHS, *WORDS, f"{normal('services.*.x-zun.fate')}.**"}
        assert plain == path or any(other.startswith(f"{plain}.") for other in inner), path
    assert not carried().keys() & TABLES[driver].keys()


@pytest.mark.parametrize(("path", "value"), CASES, ids=[f"{path}={value}" for path, value in CASES])
def test_what_a_row_says_is_what_happens(path: str, value: Any) -> None:
    file = loaded(path, value)
    for driver in TABLES:
        happens(driver, path, value, file)


def happens(driver: str, path: str, value: Any, file: Loaded) -> None:
    found = rows_of(carried(), TABLES[driver], path)
    verdicts = {row_for(found, one).verdict for one in items(value)}
    findings = asked(driver, file.stack)
    mine = {finding.verdict for finding in findings if _about(path, finding.paths)}
    section, _, name = path.partition(".*.")
    said = {f.verdict: [str(f)] for f in findings if _about(path, f.paths)}
    for use in uses(file.tree, file.stack.services["web"]):
        if use.path[0] == section and _about(name, (use.name,)):
            mine.add(use.row.verdict)
            said.setdefault(use.row.verdict, []).append(f"{use.name}")
    if Verdict.REFUSES in mine and Verdict.REFUSES in verdicts:
        mine.discard(Verdict.IGNORES)
    assert mine == verdicts & {Verdict.REFUSES, Verdict.IGNORES}, driver

    world = World(
        engine=EngineInfo(id="e", driver=driver, name="e"),
        images={"host": "sha256:1", "x": "sha256:2", "stack-web": "sha256:3"},
        refused=told(findings, Verdict.REFUSES),
        lacking=told(findings, Verdict.IGNORES),
        externals=frozenset({"network:front", "volume:data", "network:a", "volume:a"}),
        has_images=False,
    )
    if Verdict.REFUSES in verdicts:
        for plan in (
            lambda: plan_up(file.stack, world, UpOptions()),
            lambda: plan_start(file.stack, world),
            lambda: plan_restart(file.stack, world),
        ):
            with pytest.raises(SpecError) as caught:
                plan()
            words = " ".join(fault.what for fault in caught.value.faults)
            assert any(text in words for text in said[Verdict.REFUSES]), words
    elif not any(f.verdict is Verdict.REFUSES for f in findings) and not file.stack.uncarried:
        told_of = (*file.stack.warnings, *plan_up(file.stack, world, UpOptions()).warnings)
        assert (Verdict.IGNORES in said) is (Verdict.IGNORES in verdicts)
        for text in said.get(Verdict.IGNORES, ()):
            assert any(text in warning for warning in told_of), told_of
        assert bool(told_of) is bool(said), told_of


def _about(path: str, names: Sequence[str]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in names)


@pytest.mark.parametrize("path", [path for path, _ in CASES])
def test_what_is_used_is_found_in_the_file(path: str) -> None:
    if path.startswith(("services.*.env_file", "services.*.label_file", "services.*.extends")):
        return  # read and put into others before anybody is asked
    found = [one for one in used(loaded(path, value_of(path)).tree) if _about(one.path, (path,))]
    assert found
    assert all(one.mark is not None for one in found)


def test_what_an_engine_learnt_later_is_refused_before() -> None:
    for path, api in SINCE.items():
        assert lookup(docker(api), path)[0].verdict is Verdict.DOES
        assert lookup(docker((api[0], api[1] - 1)), path)[0].verdict is Verdict.REFUSES


def test_the_nearest_row_wins() -> None:
    known = table(rows("", Verdict.IGNORES, "a.**"), rows("", Verdict.DOES, "a.b.c"))
    assert lookup(known, "a.b.c")[0].verdict is Verdict.DOES
    assert lookup(known, "a.b")[0].verdict is Verdict.IGNORES
    assert lookup(known, "a.b.d.e")[0].verdict is Verdict.IGNORES
    assert lookup(known, "b") == ()
    with pytest.raises(ValueError, match="twice"):
        table(rows("", Verdict.DOES, "a a"))


def test_those_with_one_reason_are_one_sentence() -> None:
    stack = read(
        "services: {web: {image: host, cpus: 0.5, mem_limit: 5m, sysctls: {kernel.a: 1, kernel.b: 1}}}"
    )
    found = asked_of_local(stack.stack, several_users=True, limits=frozenset())
    (warning,) = told(found, Verdict.IGNORES)["web"]
    assert warning.startswith("cpus, mem_limit: not enforced")
    assert [text.partition(": ")[0] for text in told(found, Verdict.REFUSES)["web"]] == [
        'sysctls "kernel.a"',
        'sysctls "kernel.b"',
    ]


def test_a_one_off_container_is_told_what_it_runs_without() -> None:
    stack = read("services: {web: {image: host, cpus: 0.5}}").stack
    lacking = told(asked_of_local(stack, several_users=True, limits=frozenset()), Verdict.IGNORES)
    world = World(
        engine=EngineInfo(id="e", driver="local", name="e"), images={"host": "sha256:1"}, lacking=lacking
    )
    plan = plan_up(stack, world, UpOptions(no_deps=True), oneoff=stack.services["web"])
    assert any("cpus: not enforced" in warning for warning in plan.warnings)
