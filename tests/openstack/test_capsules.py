"""A capsule's containers are seen in the engine, and go with it."""

from __future__ import annotations

import docker
import pytest

from tests.openstack.conftest import IMAGE, SLEEP, Zun, unique
from zun_compose.openstack import errors


def test_a_capsule_comes_and_goes(demo: Zun, engine: docker.DockerClient) -> None:
    name, secret = unique(), "hunter2hunter2"

    def part(role: str) -> dict[str, object]:
        return {"image": IMAGE, "command": SLEEP, "env": {"TOKEN": secret, "ROLE": role}}

    made = demo.proxy.create_capsule(
        {
            "kind": "capsule",
            "capsuleVersion": "beta",
            "metadata": {"name": name, "labels": {"mine": "yes"}},
            "spec": {"containers": [part("first"), part("second")]},
        }
    )
    assert made.name == name
    demo.proxy.wait_for_status(made, "Running", interval=0.5)
    seen = [engine.containers.get(f"zun-{one['uuid']}") for one in made.containers]
    assert [{"ROLE=first", "ROLE=second"} & set(one.attrs["Config"]["Env"]) for one in seen] == [
        {"ROLE=first"},
        {"ROLE=second"},
    ]
    assert {one.status for one in seen} == {"running"}
    assert made.labels == {"mine": "yes"}
    assert secret not in repr(made)
    assert demo.proxy.get_capsule(made.id).name == name
    assert demo.proxy.find_capsule(name, ignore_missing=False).id == made.id
    assert demo.proxy.find_capsule("zct-nowhere") is None
    assert made.id in {row.id for row in demo.proxy.capsules(limit=1)}
    assert made.id not in {row.id for row in demo.proxy.containers()}
    demo.proxy.delete_capsule(made)
    demo.proxy.wait_for_delete(made, interval=0.5)
    assert demo.proxy.find_capsule(name) is None
    for one in seen:
        with pytest.raises(docker.errors.NotFound):
            engine.containers.get(str(one.id))
    demo.proxy.delete_capsule(made)
    with pytest.raises(errors.NotFound):
        demo.proxy.delete_capsule(made, ignore_missing=False)


def test_what_is_no_capsule_is_refused_without_its_secrets(demo: Zun) -> None:
    secret = "hunter2hunter2"
    spec = {"containers": [{"image": IMAGE, "env": {"TOKEN": [secret]}}]}
    with pytest.raises(errors.BadRequest) as caught:
        demo.proxy.create_capsule({"kind": "capsule", "metadata": {"name": unique()}, "spec": spec})
    assert secret not in str(caught.value)
