"""Quotas of a project of its own: what finds no room fails the plan, and what just fits comes up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.cloud.fixture import Cloud
from tests.e2e.site import Workplace
from tests.openstack.conftest import IMAGE, Zun, unique
from tests.openstack.site import workplace, zun
from zun_compose import openstack
from zun_compose.openstack.connection import Connection

pytestmark = pytest.mark.timeout(600)

SLEEP = "sh -c 'trap exit TERM; sleep 1000 & wait'"


class Project(NamedTuple):
    """A project, and an ordinary user's view of it."""

    id: str
    conn: Connection
    clouds_yaml: Path


@pytest.fixture
def project(cloud: Cloud, admin: Zun, tmp_path: Path) -> Iterator[Project]:
    identity: Any = admin.conn.identity
    made = identity.create_project(name=unique(), domain_id="default")
    entry = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]["demo"]
    user = identity.find_user(entry["auth"]["username"], ignore_missing=False)
    identity.assign_project_role_to_user(made, user, identity.find_role("member", ignore_missing=False))
    entry["auth"].pop("project_id", None)
    entry["auth"]["project_name"] = made.name
    file = tmp_path / "clouds.yaml"
    file.write_text(yaml.safe_dump({"clouds": {"own": entry}}))
    patch = pytest.MonkeyPatch()
    patch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
    conn = openstack.connect("own")
    patch.undo()
    # Neutron makes the project's default group when it is first asked
    assert len(list(conn.network.security_groups())) == 1
    yield Project(made.id, conn, file)
    for group in conn.network.security_groups():
        admin.conn.network.delete_security_group(group.id)
    admin.conn.network.delete_quota(made.id)
    admin.proxy.revert_quota(made.id)
    admin.conn.block_storage.revert_quota_set(made.id)
    conn.close()
    identity.delete_project(made)


@pytest.fixture
def place(project: Project, tmp_path: Path) -> Iterator[Workplace]:
    environment = {"OS_CLIENT_CONFIG_FILE": str(project.clouds_yaml), "OS_CLOUD": "own"}
    with workplace("quotas", tmp_path, environment) as made:
        yield made


STACK = f"""
services:
  web:
    image: {IMAGE}
    command: {SLEEP}
    scale: NUMBER
    environment: {{WORD: "SAID"}}
    ports: ["80"]
    mem_limit: 64m
    cpus: 0.5
    volumes: ["/scratch", "data:/data"]
volumes: {{data: {{driver_opts: {{size: "3", type: loop-multi}}}}}}
"""


NEUTRON = ("network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule")


def limited(admin: Zun, project: Project, **more: int) -> None:
    """Leave room for just one container of the stack, plus `more` of some kinds."""
    left = {
        **{"containers": 1, "memory": 64, "cpu": 1},
        **{"network": 1, "subnet": 1, "port": 2, "router": 1, "floatingip": 1},
        **{"security_group": 2, "security_group_rule": 8},
        **{"volumes": 2, "gigabytes": 4, "volumes_loop-multi": 1, "gigabytes_loop-multi": 3},
    }
    left |= {kind: left[kind] + number for kind, number in more.items()}
    zun_kinds = ("containers", "memory", "cpu")
    used = project.conn.container.get_quota(project.id, usages=True).in_use
    admin.proxy.update_quota(project.id, **{kind: int(left[kind] + used[kind]) for kind in zun_kinds})
    network = admin.conn.network.get(f"/quotas/{project.id}/details").json()["quota"]
    limits = {kind: left[kind] + network[kind]["used"] for kind in NEUTRON}
    admin.conn.network.put(f"/quotas/{project.id}", json={"quota": limits})
    cinder = {kind: number for kind, number in left.items() if kind.startswith(("volumes", "gigabytes"))}
    admin.conn.block_storage.put(f"/os-quota-sets/{project.id}", json={"quota_set": cinder})


def test_what_is_short_is_named_before_anything_is_made(
    place: Workplace, project: Project, admin: Zun
) -> None:
    limited(admin, project, gigabytes=-1, network=-1, floatingip=-1)
    place.write(STACK.replace("NUMBER", "3").replace("SAID", "one"))
    for words in (("plan",), ("up", "-d")):
        said = zun(place, *words, expect=2)
        assert (
            "the project's quotas leave too little: needs 3 containers, 1 left; 192 MiB of memory, 64 left; "
            "1.5 CPUs, 1 left; 1 network, 0 left; 4 ports, 2 left; 1 floating IP, 0 left; "
            "4 volumes, 2 left; 6 GiB of volumes, 3 left"
        ) in said
        assert said.count("quotas") == 1
    assert not list(project.conn.container.containers())
    assert not list(project.conn.network.networks(project_id=project.id))
    assert not list(project.conn.block_storage.volumes())


def test_what_just_fits_comes_up_and_is_replaced(place: Workplace, project: Project, admin: Zun) -> None:
    limited(admin, project)
    place.write(STACK.replace("NUMBER", "1").replace("SAID", "one"))
    zun(place, "up", "-d")
    quota = admin.conn.network.get(f"/quotas/{project.id}/details").json()["quota"]
    for kind in NEUTRON:
        assert quota[kind]["used"] == quota[kind]["limit"], f"{kind}: what is counted is what was made"
    place.write(STACK.replace("NUMBER", "1").replace("SAID", "two"))
    assert "changed: environment" in zun(place, "plan")
    place.write(STACK.replace("NUMBER", "2").replace("SAID", "one"))
    said = zun(place, "plan", expect=2)
    assert (
        "needs 1 container, 0 left; 64 MiB of memory, 0 left; 1 port, 0 left; 1 volume, 0 left; 1 GiB" in said
    )
    zun(place, "down", "-v", "-t", "1")
