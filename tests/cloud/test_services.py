"""Each service of the cloud does its work for containers, seen from the host, from Docker and from itself."""

from __future__ import annotations

import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.cloud import cinder, docker, registry, rest
from tests.cloud.fixture import Cloud
from tests.cloud.settings import Port
from tests.cloud.zun import VERSION
from tests.engines import api

pytestmark = pytest.mark.openstack

PATIENCE = 60.0
# ends at once when it is told to, where a plain sleep takes Docker's ten seconds
SLEEP = ["sh", "-c", "trap exit TERM; while :; do sleep 1; done"]
# Who removes Zun's network meanwhile, as tests of that call do, makes two new containers race for it
RACE = "A network with UUID"
T = TypeVar("T")


def until(look: Callable[[], T], wanted: Callable[[T], bool]) -> T:
    """Look until it is as wanted; fails telling what was seen last."""
    deadline = time.monotonic() + PATIENCE
    while not wanted(seen := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"still {seen!r} after {PATIENCE:.0f} s")
        time.sleep(0.2)
    return seen


class Tenant:
    """A user at work; what was made goes at the end, the last first."""

    def __init__(self, cloud: Cloud, user: str) -> None:
        self.session = cloud.session(user)
        self.image = registry.image(cloud.settings, registry.BUSYBOX)
        self._force = "force=true" if user == "admin" else "stop=true"
        self._undo: list[Callable[[], object]] = []

    def ask(self, port: Port, method: str, path: str, body: object = None) -> Any:
        return self.session.ask(port, method, path, body, VERSION if port is Port.ZUN else None)

    def clean(self) -> None:
        while self._undo:
            self._undo.pop()()

    def run(self, **wanted: Any) -> dict[str, Any]:
        """Start a container and wait until Zun calls it running."""
        seen = self._begun(**wanted)
        for _ in range(2):
            if RACE in (seen["status_reason"] or ""):
                seen = self._begun(**wanted)
        assert seen["status"] == "Running", seen["status_reason"]
        return seen

    def _begun(self, **wanted: Any) -> dict[str, Any]:
        body = {"name": f"cloud-{uuid.uuid4().hex[:8]}", "image": self.image, **wanted}
        made = self.ask(Port.ZUN, "POST", "/v1/containers?run=true", body)["uuid"]
        self.later(partial(self.remove, made))
        return until(partial(self.container, made), lambda one: one["status"] in ("Running", "Error"))

    def container(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(Port.ZUN, "GET", f"/v1/containers/{name}")
        return found

    def remove(self, name: str) -> None:
        """Delete a container and wait until Zun has forgotten it."""

        def status(method: str, query: str = "") -> int:
            return self.session.send(Port.ZUN, method, f"/v1/containers/{name}{query}", None, VERSION).status

        if status("GET") != 404:
            status("DELETE", f"?{self._force}")
            until(lambda: status("GET"), lambda code: code == 404)

    def execute(self, name: str, *words: str) -> str:
        """Run a command in a container; returns what it wrote."""
        query = urllib.parse.urlencode({"command": " ".join(words), "run": "true", "interactive": "false"})
        told = self.ask(Port.ZUN, "POST", f"/v1/containers/{name}/execute?{query}")
        assert told["exit_code"] == 0, told
        return str(told["output"])

    def later(self, undo: Callable[[], object]) -> None:
        self._undo.append(undo)


@pytest.fixture
def admin(cloud: Cloud) -> Iterator[Tenant]:
    tenant = Tenant(cloud, "admin")
    yield tenant
    tenant.clean()


@pytest.fixture
def tenant(cloud: Cloud) -> Iterator[Tenant]:
    demo = Tenant(cloud, "demo")
    yield demo
    demo.clean()


def address(container: dict[str, Any]) -> str:
    (ports,) = container["addresses"].values()
    return str(ports[0]["addr"])


def page(host: str, path: str) -> object:
    """Fetch a page of a container as the host sees it, None while nobody serves it."""
    try:
        return rest.call(8080, "GET", path, host=host, timeout=2).body
    except OSError:
        return None


def engine(container: str) -> dict[str, Any]:
    """What Docker says of a container of Zun's."""
    told: dict[str, Any] = api.ask(docker.URL, "GET", f"/containers/zun-{container}/json")
    return told


WEB = ["httpd", "-f", "-p", "8080", "-h", "/etc"]


def test_a_container_serves_the_host_at_its_neutron_port(admin: Tenant) -> None:
    made = admin.run(command=WEB, exposed_ports={"8080/tcp": {}})
    host = address(made)
    hostname = engine(made["uuid"])["Config"]["Hostname"]
    seen = until(lambda: page(host, "/hostname"), lambda body: body is not None)
    assert str(seen).strip() == hostname
    (ports,) = made["addresses"].values()
    where = f"/v2.0/ports/{ports[0]['port']}"
    # the agent tells Neutron of a port some moments after it carries packets
    port = until(
        lambda: admin.ask(Port.NEUTRON, "GET", where)["port"], lambda port: port["status"] == "ACTIVE"
    )
    assert [one["ip_address"] for one in port["fixed_ips"]] == [host]


def test_a_port_that_no_group_opens_stays_shut(admin: Tenant) -> None:
    # of two that differ in nothing else, so that a broken network does not pass for a closed one
    opened = admin.run(command=WEB, exposed_ports={"8080/tcp": {}})
    shut = admin.run(command=WEB)
    until(lambda: page(address(opened), "/hostname"), lambda body: body is not None)
    assert "8080" in admin.execute(shut["uuid"], "netstat", "-ltn")
    assert page(address(shut), "/hostname") is None


def test_a_capsule_runs_its_containers_in_one_network(admin: Tenant) -> None:
    name = f"cloud-{uuid.uuid4().hex[:8]}"
    parts = [
        {"image": admin.image, "command": SLEEP, "name": part, "imagePullPolicy": "ifnotpresent"}
        for part in ("one", "two")
    ]
    template = {
        "kind": "capsule",
        "capsuleVersion": "beta",
        "metadata": {"name": name},
        "spec": {"containers": parts},
    }
    made = admin.ask(Port.ZUN, "POST", "/v1/capsules", {"template": template})
    path = f"/v1/capsules/{made['uuid']}"

    def gone() -> None:
        admin.session.send(Port.ZUN, "DELETE", path, None, VERSION)
        until(
            lambda: admin.session.send(Port.ZUN, "GET", path, None, VERSION).status, lambda code: code == 404
        )

    admin.later(gone)
    seen = until(lambda: admin.ask(Port.ZUN, "GET", path), lambda one: one["status"] in ("Running", "Failed"))
    assert seen["status"] == "Running", seen
    modes = {engine(part["uuid"])["HostConfig"]["NetworkMode"] for part in seen["containers"]}
    assert len(seen["containers"]) == 2
    assert len(modes) == 1
    assert modes.pop().startswith("container:")


def test_heat_makes_a_container_and_takes_it_away(admin: Tenant) -> None:
    name = f"cloud-{uuid.uuid4().hex[:8]}"
    rule = {"protocol": "tcp", "port_range_min": 8080, "port_range_max": 8080}
    web = {
        "name": name,
        "image": admin.image,
        "command": "httpd -f -p 8080 -h /etc",
        "networks": [{"network": "private"}],
        "security_groups": [{"get_resource": "group"}],
    }
    template = {
        "heat_template_version": "2021-04-16",
        "resources": {
            "group": {"type": "OS::Neutron::SecurityGroup", "properties": {"rules": [rule]}},
            "web": {"type": "OS::Zun::Container", "properties": web},
        },
    }
    made = admin.ask(Port.HEAT, "POST", "/v1/%p/stacks", {"stack_name": name, "template": template})
    path = f"/v1/%p/stacks/{name}/{made['stack']['id']}"

    def status() -> str:
        return str(admin.ask(Port.HEAT, "GET", path)["stack"]["stack_status"])

    admin.later(lambda: admin.session.send(Port.HEAT, "DELETE", path))
    assert until(status, lambda one: not one.endswith("_IN_PROGRESS")) == "CREATE_COMPLETE"
    container = admin.container(name)
    seen = until(lambda: page(address(container), "/hostname"), lambda body: body is not None)
    assert str(seen).strip() == engine(container["uuid"])["Config"]["Hostname"]
    admin.ask(Port.HEAT, "DELETE", path)
    assert until(status, lambda one: not one.endswith("_IN_PROGRESS")) == "DELETE_COMPLETE"
    assert admin.session.send(Port.ZUN, "GET", f"/v1/containers/{name}", None, VERSION).status == 404


def test_an_image_of_glance_starts(admin: Tenant) -> None:
    name = f"cloud-{uuid.uuid4().hex[:8]}"
    api.ask(docker.URL, "POST", f"/images/{registry.BUSYBOX}:latest/tag?repo={name}&tag=latest")
    saved = api.call(docker.URL, "GET", f"/images/{name}:latest/get")[1]
    api.ask(docker.URL, "DELETE", f"/images/{name}:latest")
    wanted = {"name": name, "container_format": "docker", "disk_format": "raw"}
    image = admin.ask(Port.GLANCE, "POST", "/v2/images", wanted)["id"]
    admin.later(lambda: admin.ask(Port.GLANCE, "DELETE", f"/v2/images/{image}"))
    # the engine gets it from Glance alone, and keeps it
    admin.later(lambda: api.call(docker.URL, "DELETE", f"/images/{name}:latest"))
    stream = {"Content-Type": "application/octet-stream"}
    admin.session.ask(Port.GLANCE, "PUT", f"/v2/images/{image}/file", saved, stream)
    made = admin.run(image=name, image_driver="glance", command=SLEEP)
    assert engine(made["uuid"])["Config"]["Image"] == f"{name}:latest"


def test_a_volume_of_cinder_keeps_its_data_from_one_container_to_the_next(
    cloud: Cloud, admin: Tenant
) -> None:
    wanted = {"volume": {"name": f"cloud-{uuid.uuid4().hex[:8]}", "size": 1}}
    volume = admin.ask(Port.CINDER, "POST", "/v3/%p/volumes", wanted)["volume"]["id"]
    path = f"/v3/%p/volumes/{volume}"

    def status() -> str:
        return str(admin.ask(Port.CINDER, "GET", path)["volume"]["status"])

    admin.later(lambda: admin.ask(Port.CINDER, "DELETE", path))
    until(status, lambda one: one == "available")
    mounts = [{"type": "volume", "source": volume, "destination": "/data"}]
    first = admin.run(command=SLEEP, mounts=mounts)
    assert status() == "in-use"
    admin.execute(first["uuid"], "cp", "/etc/hostname", "/data/left")
    words = admin.execute(first["uuid"], "cat", "/data/left")
    admin.remove(first["uuid"])
    until(status, lambda one: one == "available")
    assert volume not in attached(), "the loop device stayed"
    second = admin.run(command=SLEEP, mounts=mounts)
    assert admin.execute(second["uuid"], "cat", "/data/left") == words
    assert volume in attached()
    admin.remove(second["uuid"])
    until(status, lambda one: one == "available")
    assert (cinder.volumes(cloud.settings) / volume).exists()


def test_an_ordinary_tenant_runs_containers_of_its_own(admin: Tenant, tenant: Tenant) -> None:
    made = tenant.run(command=SLEEP)
    assert engine(made["uuid"])["State"]["Running"]
    assert tenant.container(made["uuid"])["project_id"] == tenant.session.project
    admin.session.login()
    assert admin.session.project != tenant.session.project
    refused = tenant.session.send(Port.ZUN, "GET", "/v1/hosts", None, VERSION)
    assert refused.status == 403


def attached() -> str:
    """The files behind the machine's loop devices."""
    files = Path("/sys/block").glob("loop*/loop/backing_file")
    return "\n".join(file.read_text() for file in files)
