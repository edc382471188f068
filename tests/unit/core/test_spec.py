"""What a driver is asked to create for a declared service."""

from __future__ import annotations

from typing import Any

import pytest

from zun_compose import labels
from zun_compose.container import ContainerSpec, FileContent
from zun_compose.model import (
    Attachment,
    Condition,
    Dependency,
    FileMount,
    FileObject,
    Mount,
    MountType,
    Network,
    Service,
    Stack,
    Volume,
)
from zun_compose.plan.digest import network_digests
from zun_compose.spec import network_labels, specify

NETWORKS = {key: Network(key=key, name=f"t_{key}") for key in ("back", "front")}


def spec(service: Service, **asked: Any) -> ContainerSpec:
    things = {
        name: asked.pop(name) for name in ("configs", "secrets", "volumes", "services") if name in asked
    }
    stack = Stack(name="t", services={"a": service}, networks=NETWORKS, **things)
    given: dict[str, Any] = {
        "name": "t-a-1",
        "number": 1,
        "image": "app",
        "image_id": "sha256:1",
        "salt": "s",
        "file_digests": {},
        "container_of": lambda name: f"id-of-{name}",
        "read": lambda thing: (thing.content or "").encode(),
        "bind_files": True,
    }
    return specify(stack, service, **{**given, **asked})


def test_the_network_of_the_highest_priority_is_the_first() -> None:
    service = Service(
        name="a",
        networks=(
            Attachment(network="back"),
            Attachment(network="front", priority=5, aliases=("www", "a")),
        ),
    )
    made = spec(service)
    assert [join.network for join in made.joins] == ["t_front", "t_back"]
    assert made.joins[0].aliases == ("t-a-1", "a", "www")


def test_a_successor_answers_to_its_final_name() -> None:
    made = spec(
        Service(name="a", networks=(Attachment(network="back"),)), name="123_t-a-1", final_name="t-a-1"
    )
    assert made.name == "123_t-a-1"
    assert made.joins[0].aliases == ("t-a-1", "a")


def test_a_one_off_answers_to_no_service_name() -> None:
    made = spec(Service(name="a", networks=(Attachment(network="back"),)), oneoff=True)
    assert made.joins[0].aliases == ()
    assert made.labels[labels.ONEOFF] == "True"


def test_shared_namespaces_are_those_of_containers() -> None:
    made = spec(Service(name="a", network_mode="service:b", pid="service:c", ipc="host"))
    assert (made.network_mode, made.pid_mode, made.ipc_mode) == (
        "container:id-of-b",
        "container:id-of-c",
        "host",
    )


@pytest.mark.parametrize(
    ("entry", "resolved"),
    [
        ("b", "id-of-b"),
        ("b:ro", "id-of-b:ro"),
        ("container:other", "other"),
        ("container:other:ro", "other:ro"),
    ],
)
def test_volumes_from(entry: str, resolved: str) -> None:
    assert spec(Service(name="a", volumes_from=(entry,))).volumes_from == (resolved,)


def test_volumes_go_by_the_engines_names_and_carried_ones_take_the_anonymous_place() -> None:
    named = Mount(type=MountType.VOLUME, source="data", target="/data")
    anonymous = Mount(type=MountType.VOLUME, target="/cache")
    carried = Mount(type=MountType.VOLUME, source="f00", target="/cache")
    volumes = {"data": Volume(key="data", name="t_data")}
    service = Service(name="a", mounts=(named, anonymous))
    assert [mount.source for mount in spec(service, volumes=volumes).mounts] == ["t_data", None]
    made = spec(service, volumes=volumes, carried=(carried,))
    assert [(mount.source, mount.target) for mount in made.mounts] == [("t_data", "/data"), ("f00", "/cache")]


FILE = FileObject(key="c", name="c", file="/etc/hosts")
TEXT = FileObject(key="c", name="c", content="hello")


def test_a_host_file_is_mounted_read_only_and_never_made() -> None:
    service = Service(name="a", configs=(FileMount(source="c", target="/c"),))
    made = spec(service, configs={"c": FILE})
    (mount,) = made.mounts
    assert (mount.type, mount.source, mount.read_only, mount.create_host_path) == (
        MountType.BIND,
        "/etc/hosts",
        True,
        False,
    )
    assert made.files == ()


@pytest.mark.parametrize(
    ("thing", "use", "local"),
    [
        (TEXT, FileMount(source="c", target="/c"), True),
        # A remote engine does not have our files.
        (FILE, FileMount(source="c", target="/c"), False),
        # Owner and mode of a host file are not ours to change.
        (FILE, FileMount(source="c", target="/c", mode=0o600), True),
        (FILE, FileMount(source="c", target="/c", uid="5"), True),
    ],
)
def test_what_cannot_be_mounted_is_put_in(thing: FileObject, use: FileMount, local: bool) -> None:
    made = spec(
        Service(name="a", secrets=(use,)), secrets={"c": thing}, read=lambda _: b"text", bind_files=local
    )
    assert made.mounts == ()
    assert made.files == (
        FileContent(target="/c", content=b"text", uid=int(use.uid or 0), gid=0, mode=use.mode or 0o444),
    )


@pytest.mark.parametrize(
    "closed",
    [
        {"read_only": True},
        {"tmpfs": ("/run:size=1m",)},
        {"tmpfs": ("/",)},
        {"mounts": (Mount(type=MountType.TMPFS, target="/run/secrets"),)},
    ],
)
def test_a_host_file_that_could_not_be_put_in_is_mounted_whatever_its_owner(closed: dict[str, Any]) -> None:
    use = FileMount(source="c", target="/run/secrets/c", uid="5", mode=0o400)
    made = spec(Service(name="a", secrets=(use,), **closed), secrets={"c": FILE})
    assert ("/etc/hosts", "/run/secrets/c") in [(mount.source, mount.target) for mount in made.mounts]
    assert made.files == ()


@pytest.mark.parametrize("tmpfs", ["/running", "/run/secrets/c/deeper", "/tmp"])
def test_a_tmpfs_elsewhere_closes_nothing(tmpfs: str) -> None:
    assert Service(name="a", tmpfs=(tmpfs,)).closed_to("/run/secrets/c") == ""


def test_contents_show_in_no_repr() -> None:
    made = spec(
        Service(name="a", environment={"TOKEN": "hunter2"}, secrets=(FileMount(source="c", target="/c"),)),
        secrets={"c": FileObject(key="c", name="c", content="swordfish")},
    )
    assert "hunter2" not in repr(made)
    assert "swordfish" not in repr(made)


def test_dependencies_are_written_in_docker_composes_words() -> None:
    """Docker's own tools read the label: our conditions must not puzzle them."""
    service = Service(
        name="a",
        dependencies=(
            Dependency(on="b", condition=Condition.LISTENING),
            Dependency(on="c", condition=Condition.HEALTHY, restart=True),
            Dependency(on="d", condition=Condition.COMPLETED),
            Dependency(on="far", external=True),
        ),
    )
    assert spec(service).labels[labels.DEPENDS_ON] == (
        "b:service_started:false,c:service_healthy:true,d:service_completed_successfully:false"
    )


def test_a_users_label_never_hides_one_of_ours() -> None:
    service = Service(name="a", labels={labels.PROJECT: "other", labels.SALT: "x", "mine": "y"})
    made = spec(service)
    assert (made.labels[labels.PROJECT], made.labels[labels.SALT], made.labels["mine"]) == ("t", "s", "y")


def test_networks_tell_whose_they_are() -> None:
    network = Network(key="back", name="t_back", internal=True, labels={"n": "1"})
    stack = Stack(name="t", services={}, networks={"back": network})
    made = network_labels(stack, "back", network_digests(network, "s"), "s")
    assert made[labels.PROJECT] == "t"
    assert made[labels.NETWORK] == "back"
    assert made["n"] == "1"
    assert set(labels.digests(made)) == {"internal", "labels"}
    assert labels.belongs(made, "t")
    assert not labels.belongs(made, "u")


@pytest.mark.parametrize("text", ["{", "[]", "7", ""])
def test_a_spoilt_digests_label_counts_as_empty(text: str) -> None:
    assert labels.digests({labels.DIGESTS: text}) == {}
