"""A stack of five services on a real cloud as its tenant would bring it up, and what the cloud says of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from docker import DockerClient

from tests.cloud.fixture import Cloud
from tests.e2e.site import until
from tests.openstack.conftest import IMAGE, Zun
from tests.openstack.site import CloudSite, sites
from tests.openstack.tenant import Tenant, tenancy

pytestmark = pytest.mark.timeout(900)

# What each service runs. A service may as well run an image of Glance's.
IMAGES = {name: IMAGE for name in ("db", "migrate", "app", "front", "watch")}

STACK = """
services:
  db:
    image: {db}
    command: sh -c 'trap exit TERM; echo WORD >> /data/log; sleep 1; httpd -f -p 8080 -h /data & wait'
    expose: ["8080"]
    networks: [back]
    volumes: ["data:/data"]
    configs: [{{source: settings, target: /etc/shop.conf, mode: 0440, uid: "7"}}]
    healthcheck: {{test: ["CMD", "nc", "127.0.0.1", "8080", "-e", "true"], interval: 2s}}
  migrate:
    image: {migrate}
    command: sh -c 'wget -q -O - http://db:8080/log && echo migrated'
    networks: [back]
    depends_on: {{db: {{condition: service_healthy}}}}
  app:
    image: {app}
    command: sh -c 'trap exit TERM; httpd -f -p 8080 & wait'
    expose: ["8080"]
    networks: [back, edge]
    depends_on: {{migrate: {{condition: service_completed_successfully}}}}
  front:
    image: {front}
    command: sh -c 'trap exit TERM; sleep 1; httpd -f -p 80 & wait'
    ports: ["80"]
    networks: [edge]
    depends_on: {{app: {{condition: service_started, x-condition: service_listening}}}}
  watch:
    image: {watch}
    command: sh -c 'trap exit TERM; sleep 1000 & wait'
    networks: [edge]
    depends_on: [front]
networks:
  back: {{ipam: {{config: [{{subnet: 10.91.7.0/24}}]}}}}
  edge: {{}}
volumes: {{data: {{driver_opts: {{size: 1}}}}}}
configs: {{settings: {{content: "told"}}}}
"""

# Zun's words and those that `ps` has for them.
STATES = {"Running": "running", "Stopped": "exited", "Created": "created"}


@dataclass(frozen=True, kw_only=True)
class Shop:
    """The stack, what its tenant sees, and what the engine under Zun does."""

    site: CloudSite
    tenant: Tenant

    def write(self, word: str) -> None:
        """Write the stack; `word` is what db adds to its volume at each start."""
        self.site.write(STACK.format(**IMAGES).replace("WORD", word))

    def readiness(self) -> dict[str, str]:
        """Return how each container stands, once the openstack program has told the same state of each."""
        before = {row["Name"]: row["State"] for row in self.rows()}
        shown = self.tenant.cli("appcontainer list", *(f"appcontainer show {name}" for name in before))
        rows = self.rows()
        after = {row["Name"]: row["State"] for row in rows}
        assert {one["name"] for one in shown[0]} == before.keys() == after.keys()
        for one in shown[1:]:
            # a job may end between two looks; whoever looks between two others sees what one of them saw
            name = one["name"]
            assert STATES.get(one["status"]) in (before[name], after[name]), name
        return {row["Name"].removeprefix(f"{self.site.name}-"): row["Readiness"] for row in rows}

    def rows(self) -> list[dict[str, Any]]:
        """Return what `ps` tells of all containers."""
        return self.site.run("ps", "-a", "--format", "json").rows()

    def migrated(self) -> list[str]:
        """Return what migrate read in its last run: what db had in its volume."""
        return [line.split("| ")[1] for line in self.site.run("logs", "migrate").out.splitlines()]


def ready(apps: int) -> dict[str, str]:
    names = ("db-1", "front-1", "watch-1", *(f"app-{number}" for number in range(1, apps + 1)))
    return {**dict.fromkeys(names, "ready"), "migrate-1": "completed"}


@pytest.fixture
def shop(
    cloud: Cloud, admin: Zun, engine: DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with tenancy(cloud, admin, folder) as tenant, sites(folder, engine, tenant.environment()) as make:
        yield Shop(site=make("shop"), tenant=tenant)


def test_a_stack_comes_up_changes_scales_and_goes(shop: Shop, engine: DockerClient) -> None:
    site, tenant = shop.site, shop.tenant
    before = tenant.lists()
    shop.write("first")
    site.run("up", "-d")
    assert shop.readiness() == ready(1)
    assert shop.migrated() == ["first", "migrated"]
    assert (
        site.inside("db", "sh", "-c", "cat /etc/shop.conf; stat -c ' %a %u' /etc/shop.conf") == "told 440 7\n"
    )
    networks = {one["Name"]: one["ID"] for one in tenant.cli("network list")[0]}
    for key in ("back", "edge"):
        seen = engine.api.inspect_network(networks[f"{site.name}_{key}"])
        assert (seen["Driver"], seen["IPAM"]["Driver"]) == ("kuryr", "kuryr")

    volume = tenant.cli("volume list")[0]
    old = site.container("db")["Id"]
    shop.write("second")
    site.run("up", "-d")
    # app waited for migrate in its first life, and does not wait again
    until(lambda: shop.readiness() == ready(1), "migrate is completed again", limit=60)
    assert site.container("db")["Id"] != old
    assert shop.migrated()[-3:] == ["first", "second", "migrated"], "the volume keeps what it held"

    site.run("up", "-d", "--scale", "app=3")
    assert shop.readiness() == ready(3)

    site.run("down", "-t", "1")
    assert shop.readiness() == {}
    kept = [{key: row[key] for key in ("ID", "Name", "Size")} for row in volume]
    now = tenant.lists()
    assert [{key: row[key] for key in ("ID", "Name", "Size")} for row in now["volume"]] == kept
    assert {**now, "volume": before["volume"]} == before, "all but the volume is gone"

    site.run("up", "-d")
    assert shop.readiness() == ready(1)
    assert shop.migrated()[:2] == ["first", "second"], "the volume outlives the stack"

    site.run("down", "-v", "-t", "1")
    assert shop.readiness() == {}
    assert tenant.lists() == before
    assert site.containers(oneoff=True) == []
