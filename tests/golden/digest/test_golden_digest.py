"""Upgrading zun-compose alone recreates nothing.

labels-SCHEME.json holds the labels that a version wrote for the containers, networks and volumes of `rich`.
Once written it is never written again: a version that finds a divergence would recreate every container of
every user. `--update-golden` writes only the file of a scheme that has none yet.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.digest.rich import FILES, FULL, IMAGE_ID, PLAIN, STACK
from zun_compose import labels as names
from zun_compose.container import NetworkSeen, Observed, State, VolumeSeen
from zun_compose.driver import EngineInfo
from zun_compose.model import (
    BlockIO,
    DeviceRequest,
    Healthcheck,
    Mount,
    MountType,
    Restart,
    RestartName,
    Service,
    Stack,
)
from zun_compose.options import UpOptions
from zun_compose.plan.digest import (
    SCHEME_NUMBER,
    label_set,
    network_digests,
    service_digests,
    volume_digests,
)
from zun_compose.plan.divergence import container_cause
from zun_compose.plan.up import plan_up
from zun_compose.plan.world import World
from zun_compose.record import defaults, replace
from zun_compose.spec import network_labels, specify, volume_labels

HERE = Path(__file__).parent
NOW = HERE / f"labels-{SCHEME_NUMBER}.json"
FROZEN = sorted(HERE.glob("labels-*.json"))
SALT = "0123456789abcdef"
ENGINE = EngineInfo(id="e", driver="docker", name="e")


def labels_of(stack: Stack) -> dict[str, Any]:
    containers = {}
    for service in stack.services.values():
        spec = specify(
            stack,
            service,
            name=service.container_name or f"{stack.name}-{service.name}-1",
            number=1,
            image=service.image or "",
            image_id=IMAGE_ID,
            salt=SALT,
            file_digests=FILES,
            container_of=lambda name: f"id-of-{name}",
            read=lambda thing: b"",
            bind_files=True,
        )
        containers[service.name] = dict(spec.labels)
    return {
        "containers": containers,
        "networks": {
            key: network_labels(stack, key, network_digests(network, SALT), SALT)
            for key, network in stack.networks.items()
        },
        "volumes": {
            key: volume_labels(stack, key, volume_digests(volume, SALT), SALT)
            for key, volume in stack.volumes.items()
        },
    }


def world(made: dict[str, Any], stack: Stack = STACK) -> World:
    """The world as an engine tells of it, with those labels."""
    containers = [
        Observed(
            id=f"{name}" * 12,
            name=stack.services[name].container_name or f"{stack.name}-{name}-1",
            service=name,
            number=1,
            state=State.RUNNING,
            labels=labels,
        )
        for name, labels in made["containers"].items()
    ]
    return World(
        engine=ENGINE,
        containers=tuple(containers),
        networks=tuple(
            NetworkSeen(id=key, name=stack.networks[key].name, labels=labels)
            for key, labels in made["networks"].items()
        ),
        volumes=tuple(
            VolumeSeen(name=stack.volumes[key].name, labels=labels) for key, labels in made["volumes"].items()
        ),
        images={service.image or "": IMAGE_ID for service in stack.services.values()},
        file_digests=FILES,
    )


def test_this_scheme_is_frozen(update_golden: bool) -> None:
    if update_golden and not NOW.exists():
        NOW.write_text(json.dumps(labels_of(STACK), indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    assert NOW.exists()


@pytest.mark.parametrize("file", FROZEN, ids=lambda file: file.stem)
def test_what_an_earlier_version_made_is_as_declared(file: Path) -> None:
    made = json.loads(file.read_text())
    plan = plan_up(STACK, world(made), UpOptions())
    assert plan.steps == ()


def test_labels_tell_no_value() -> None:
    """SEMANTICS 4: "so that the plan names what changed without showing values"."""
    text = json.dumps([labels[names.DIGESTS] for labels in labels_of(STACK)["containers"].values()])
    for value in ("value", "größer", "hidden", "c0ffee", "decade", "1000:1000", "10.9.0.5"):
        assert value not in text


def test_salts_keep_equal_values_apart() -> None:
    one, other = (
        service_digests(STACK, FULL, image_id=IMAGE_ID, files=FILES, salt=salt) for salt in ("aa", "bb")
    )
    assert one.keys() == other.keys()
    assert not set(one.values()) & set(other.values())


NOT_DIGESTED = {
    # Says whose logs an attached up shows.
    "attach",
    # SEMANTICS 4: "Not hashed: depends_on, readiness, scale, profiles, build, x-*, pull_policy"
    "build",
    "dependencies",
    "fate",
    "job",
    "mark",
    "name",
    "once",
    "profiles",
    "pull_policy",
    "readiness",
    "replicas",
    # "images enter by id"
    "image",
}
NAMED_AS = {"mounts": "volumes"}
SET = {name: getattr(FULL, name) for name in Service.__struct_fields__} | {
    "attach": False,
    "container_name": PLAIN.container_name,
    "network_mode": PLAIN.network_mode,
    "job": True,
    "once": True,
    "replicas": 4,
    "mark": None,
    # newer than the frozen labels, which tell of a file without them
    "blkio_config": BlockIO(weight=300),
    "device_cgroup_rules": ("c 1:3 mr",),
    "device_requests": (DeviceRequest(count=-1, capabilities=("gpu",)),),
    "external_links": ("redis",),
    "storage_opt": {"size": "1G"},
    "auto_heal": True,
    "auto_remove": True,
    "availability_zone": "east",
    "cpu_policy": "dedicated",
    "hints": {"label:disk": "ssd"},
    "host": "h1",
    "image_driver": "docker",
}


def default_of(name: str) -> Any:
    return dict(defaults(Service))[name]


@pytest.mark.parametrize("name", [name for name in Service.__struct_fields__ if name not in ("name", "mark")])
def test_each_attribute_is_told_when_it_changes_alone_or_never_counts(name: str) -> None:
    """An attribute that is added to Service must be set here, and decided on."""
    assert SET[name] != default_of(name), f"{name} is not set in the rich service"
    base = Service(name="full", image="app", networks=None)
    changed = replace(base, **{name: SET[name]})
    stack = replace(STACK, services={"full": base})
    made = labels_of(stack)["containers"]["full"]
    seen = Observed(id="x", name="rich-full-1", service="full", number=1, state=State.RUNNING, labels=made)
    there = replace(world({"containers": {}, "networks": {}, "volumes": {}}), images={"app": IMAGE_ID})
    if name == "image":
        there = replace(there, images={"app": IMAGE_ID, str(SET["image"]): IMAGE_ID})
    cause = container_cause(replace(stack, services={"full": changed}), changed, seen, there)
    if name in NOT_DIGESTED:
        assert cause is None
    else:
        assert cause == f"changed: {NAMED_AS.get(name, name)}"


def test_images_enter_by_id() -> None:
    made = labels_of(STACK)["containers"]
    seen = Observed(id="x", name="n", service="full", number=1, state=State.RUNNING, labels=made["full"])
    there = world({"containers": {}, "networks": {}, "volumes": {}})
    pulled = replace(there, images={FULL.image or "": "sha256:new"})
    assert container_cause(STACK, FULL, seen, there) is None
    assert container_cause(STACK, FULL, seen, pulled) == "changed: image"
    unknown = replace(there, images={})
    assert container_cause(STACK, FULL, seen, unknown) is None, "an image that is not here yet is no change"


def test_an_engine_that_pulls_by_itself_tells_of_some_images_alone() -> None:
    service = Service(name="web", image="glance://app", networks=None)
    stack = replace(STACK, services={"web": service})
    there = replace(world({"containers": {}, "networks": {}, "volumes": {}}), has_images=False)
    made = service_digests(stack, service, image_id="id-1", files={}, salt="s")
    seen = Observed(
        id="x", name="n", service="web", number=1, state=State.RUNNING, labels=label_set(made, "s")
    )

    def cause(told: str) -> str | None:
        return container_cause(stack, service, seen, replace(there, images={"glance://app": told}))

    assert cause("id-1") is None
    assert cause("id-2") == "changed: image"
    assert cause("") is None, "one that is gone is no reason to remove what was made of it"


def test_configs_and_secrets_enter_by_content() -> None:
    made = labels_of(STACK)["containers"]
    seen = Observed(id="x", name="n", service="full", number=1, state=State.RUNNING, labels=made["full"])
    there = world({"containers": {}, "networks": {}, "volumes": {}})
    edited = replace(there, file_digests={**FILES, "secrets:password": "other"})
    assert container_cause(STACK, FULL, seen, edited) == "changed: secrets"


def test_what_docker_compose_made_is_recreated() -> None:
    """SEMANTICS 5: "A container made by docker compose is planned as `recreate (made by docker compose)`"."""
    made = labels_of(STACK)["containers"]["full"]
    theirs = {key: value for key, value in made.items() if not key.startswith(names.OUR_PREFIX)}
    seen = Observed(id="x", name="n", service="full", number=1, state=State.RUNNING, labels=theirs)
    cause = container_cause(STACK, FULL, seen, world({"containers": {}, "networks": {}, "volumes": {}}))
    assert cause == "made by docker compose"


def test_docker_compose_finds_what_it_looks_for() -> None:
    """SEMANTICS 5: which labels are written, and "a non-empty .config-hash"."""
    made = labels_of(STACK)["containers"]["full"]
    prefix = "com.docker.compose."
    assert made[f"{prefix}project"] == "rich"
    assert made[f"{prefix}service"] == "full"
    assert made[f"{prefix}container-number"] == "1"
    assert made[f"{prefix}oneoff"] == "False"
    assert made[f"{prefix}project.working_dir"] == "/srv/rich"
    assert made[f"{prefix}project.config_files"] == "/srv/rich/compose.yaml"
    assert made[f"{prefix}config-hash"]
    assert made[f"{prefix}version"]


def test_an_order_of_keys_is_no_change() -> None:
    turned = replace(FULL, environment=dict(reversed(list(FULL.environment.items()))))
    digests = [
        service_digests(STACK, service, image_id=IMAGE_ID, files=FILES, salt=SALT)
        for service in (FULL, turned)
    ]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"healthcheck": Healthcheck(test=("NONE",))}, {"healthcheck": None}),
        (
            {"restart": Restart(name=RestartName.ALWAYS)},
            {"restart": Restart(name=RestartName.UNLESS_STOPPED)},
        ),
        ({"command": ()}, {"command": None}),
        ({"environment": {"A": None}}, {"environment": {"A": ""}}),
        (
            {"mounts": (Mount(type=MountType.BIND, source="/a", target="/t"),)},
            {"mounts": (Mount(type=MountType.BIND, source="/b", target="/t"),)},
        ),
    ],
)
def test_what_looks_alike_is_kept_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    base = Service(name="full", image="app")
    found = [
        service_digests(STACK, replace(base, **given), image_id=IMAGE_ID, files={}, salt=SALT)
        for given in (one, other)
    ]
    assert found[0] != found[1]
