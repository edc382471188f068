"""What an operator sees and sets: hosts, services, zones, quotas, images, registries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import docker
import pytest
from openstack import exceptions as sdk

from tests.openstack.conftest import IMAGE, Zun, unique, until
from zun_compose.openstack import errors
from zun_compose.openstack.proxy import Proxy

REGISTRY = IMAGE.partition("/")[0]


def test_hosts_are_those_with_an_engine(admin: Zun, demo: Zun, engine: docker.DockerClient) -> None:
    (host,) = admin.proxy.hosts()
    told = engine.info()
    assert (host.hostname, host.cpus, host.architecture) == (told["Name"], told["NCPU"], told["Architecture"])
    assert "runc" in host.runtimes
    assert admin.proxy.get_host(host.hostname).id == host.id
    assert admin.proxy.find_host(host.hostname, ignore_missing=False).name == host.name
    assert admin.proxy.find_host("nowhere") is None
    with pytest.raises(errors.Forbidden):
        list(demo.proxy.hosts())
    assert [zone.name for zone in demo.proxy.availability_zones()] == ["nova"]


def test_a_service_is_disabled_forced_down_and_back(admin: Zun) -> None:
    zun = admin.proxy

    def now() -> tuple[bool, str | None, bool, str]:
        (found,) = zun.services(binary="zun-compute")
        return found.disabled, found.disabled_reason, found.forced_down, found.state

    (service,) = zun.services(binary="zun-compute")
    try:
        assert zun.disable_service(service.host, service.binary, "for a test").disabled
        assert now()[:2] == (True, "for a test")
        zun.force_down_service(service.host, service.binary)
        assert now()[2:] == (True, "down")
    finally:
        zun.force_down_service(service.host, service.binary, forced_down=False)
        zun.enable_service(service.host, service.binary)
    assert now() == (False, None, False, "up")
    with pytest.raises(errors.NotFound):
        zun.enable_service("nowhere", "zun-compute")
    # The cloud's only one is not deleted, but the call is understood.
    zun.delete_service("nowhere", "zun-compute")
    with pytest.raises(errors.NotFound):
        zun.delete_service("nowhere", "zun-compute", ignore_missing=False)
    assert now()[3] == "up"


@pytest.fixture
def project(admin: Zun) -> Iterator[tuple[str, Proxy]]:
    """A project of its own, and the admin's Proxy in it."""
    identity: Any = admin.conn.identity
    made = identity.create_project(name=unique(), domain_id="default")
    role = identity.find_role("admin", ignore_missing=False)
    identity.assign_project_role_to_user(made, admin.conn.current_user_id, role)
    inside = admin.conn.connect_as_project(made)
    yield made.id, inside.container
    inside.close()
    identity.delete_project(made)


def test_a_quota_holds_and_is_told_when_it_does(admin: Zun, project: tuple[str, Proxy]) -> None:
    ident, inside = project
    defaults = admin.proxy.get_quota_defaults(ident)
    assert admin.proxy.get_quota(ident).containers == defaults.containers
    assert admin.proxy.update_quota(ident, containers=0, memory=1024).containers == 0
    told = inside.get_quota(ident, usages=True)
    assert (told.containers, told.memory, told.in_use["containers"]) == (0, 1024, 0)
    with pytest.raises(errors.QuotaExceeded) as caught:
        inside.create_container(IMAGE, name=unique())
    assert caught.value.resources == ("containers",)
    assert isinstance(caught.value, sdk.ForbiddenException)
    assert list(inside.containers()) == []
    admin.proxy.revert_quota(ident)
    assert admin.proxy.get_quota(ident).memory == defaults.memory


def test_a_class_of_quotas_is_kept(admin: Zun) -> None:
    # Zun cannot forget one, so it is always the same.
    limit = 7 if admin.proxy.get_quota_class("zct-sdk").containers != 7 else 8
    assert admin.proxy.update_quota_class("zct-sdk", containers=limit).containers == limit
    assert admin.proxy.get_quota_class("zct-sdk").containers == limit
    assert admin.proxy.get_quota_class("default").containers != limit


@pytest.fixture
def pushed(engine: docker.DockerClient) -> str:
    """An image of its own in the registry, and not in the engine."""
    name = f"{REGISTRY}/{unique()}"
    source = engine.containers.create("busybox:latest", ["true"])
    source.commit(name, "v1", changes=f"LABEL made={name}")
    source.remove()
    said = engine.images.push(name, "v1")
    assert "error" not in said, said
    engine.images.remove(f"{name}:v1")
    return f"{name}:v1"


def test_an_image_is_pulled_and_removed(admin: Zun, pushed: str, engine: docker.DockerClient) -> None:
    (host,) = admin.proxy.hosts()
    asked = admin.proxy.pull_image(pushed, host.hostname)
    until(lambda: admin.proxy.get_image(asked.id).image_id)
    image = admin.proxy.get_image(asked)
    assert f"{image.repo}:{image.tag}" == pushed
    assert engine.images.get(pushed).id == image.image_id
    assert image.id in {row.id for row in admin.proxy.images(limit=1)}
    admin.proxy.delete_image(image)
    admin.proxy.wait_for_delete(image, interval=0.2)
    with pytest.raises(docker.errors.ImageNotFound):
        engine.images.get(pushed)
    admin.proxy.delete_image(image)
    with pytest.raises(errors.NotFound):
        admin.proxy.delete_image(image, ignore_missing=False)
    with pytest.raises(errors.BadRequest):
        admin.proxy.pull_image(pushed, "nowhere")


def test_a_registry_is_kept_without_telling_its_password(demo: Zun) -> None:
    name, secret = unique(), "hunter2hunter2"
    made = demo.proxy.create_registry(REGISTRY, name=name, username="me", password=secret)
    try:
        assert secret not in repr(made)
        assert demo.proxy.get_registry(name).id == made.id
        assert demo.proxy.find_registry(name, ignore_missing=False).domain == REGISTRY
        assert demo.proxy.find_registry("zct-nowhere") is None
        assert demo.proxy.update_registry(made, username="you").username == "you"
        assert demo.proxy.get_registry(made.id).username == "you"
        assert [row.id for row in demo.proxy.registries(name=name)] == [made.id]
        with pytest.raises(errors.BadRequest) as caught:
            demo.proxy.update_registry(made, name="x", password=secret)
        assert secret not in str(caught.value)
        # The registry here lets anybody in.
        container = demo.run(image=IMAGE.partition("/")[2], registry=name)
        assert container.registry_id == made.id
        demo.proxy.kill_container(container)
        demo.proxy.wait_for_status(container, "Stopped", interval=0.2)
        demo.proxy.delete_container(container)
        demo.proxy.wait_for_delete(container, interval=0.2)
    finally:
        demo.proxy.delete_registry(made)
    assert demo.proxy.find_registry(name) is None
    with pytest.raises(errors.NotFound):
        demo.proxy.delete_registry(made, ignore_missing=False)
