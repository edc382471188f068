"""Words of x-zun, policies and volumes: what Zun, its engine and Cinder have of what the file says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.cloud.fixture import Cloud
from tests.e2e.site import Workplace, until
from tests.openstack.belongings import belongings
from tests.openstack.conftest import IMAGE, Zun
from tests.openstack.site import workplace, zun

pytestmark = pytest.mark.timeout(600)

SLEEP = "sh -c 'trap exit TERM; sleep 1000 & wait'"


@pytest.fixture
def place(cloud: Cloud, tmp_path: Path) -> Iterator[Workplace]:
    environment = {"OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml), "OS_CLOUD": "demo"}
    with workplace("words", tmp_path, environment) as made:
        yield made


def container(view: Zun, place: Workplace, service: str) -> Any:
    (one,) = [one for one in view.proxy.containers() if one.name == f"{place.name}-{service}-1"]
    return view.proxy.get_container(one.id)


def test_words_and_policies_reach_zun_and_its_engine(
    place: Workplace, demo: Zun, engine: docker.DockerClient
) -> None:
    text = f"""
        services:
          web:
            image: {IMAGE}
            command: {SLEEP}
            restart: on-failure:3
            healthcheck: {{test: "true", interval: 2s, timeout: 1s, retries: 4}}
            x-zun:
              availability_zone: ZONE
              hints: {{colour: blue}}
              cpu_policy: shared
              image_driver: docker
              auto_heal: HEAL
          brief:
            image: {IMAGE}
            command: "true"
            x-zun: {{auto_remove: true}}
        """
    place.write(text.replace("ZONE", "mars").replace("HEAL", "true"))
    for words in (("plan",), ("up", "-d")):
        said = zun(place, *words, expect=2)
        assert 'service "web": Zun has no availability zone "mars" (there are: nova)' in said
    assert not belongings(demo, place.name)

    place.write(text.replace("ZONE", "nova").replace("HEAL", "true"))
    zun(place, "up", "-d")
    seen = container(demo, place, "web")
    assert (seen.auto_heal, seen.cpu_policy, seen.image_driver) == (True, "shared", "docker")
    assert seen.restart_policy == {"Name": "on-failure", "MaximumRetryCount": "3"}
    assert (seen.healthcheck["interval"], seen.healthcheck["retries"]) == (2, 4)
    told = engine.api.inspect_container(f"zun-{seen.id}")
    assert told["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert told["Config"]["Healthcheck"] == {
        "Test": ["CMD-SHELL", "true"],
        "Interval": 2_000_000_000,
        "Timeout": 1_000_000_000,
        "Retries": 4,
    }
    until(
        lambda: f"{place.name}-brief-1" not in {one.name for one in demo.proxy.containers()},
        "what ends with auto_remove is gone",
        limit=120,
    )

    place.write(text.replace("ZONE", "nova").replace("HEAL", "false"))
    assert f"create {place.name}-web-1: changed: auto_heal" in zun(place, "plan")
    zun(place, "down", "-t", "1")
    assert not belongings(demo, place.name)


def test_a_host_is_for_admins(place: Workplace, demo: Zun, admin: Zun) -> None:
    (host,) = admin.proxy.hosts()
    place.write(
        f"services: {{web: {{image: {IMAGE}, command: {SLEEP!r}, x-zun: {{host: {host.hostname}}}}}}}"
    )
    said = zun(place, "up", "-d", expect=1)
    assert "requested_destination" in said
    zun(place, "down")
    assert not belongings(demo, place.name)

    def as_admin(*words: str) -> str:
        return zun(place, "--host", "admin", *words)

    try:
        as_admin("up", "--no-start")
        assert container(admin, place, "web").host == host.hostname
    finally:
        as_admin("down", "-t", "1")


VOLUMES = f"""
services:
  web:
    image: {IMAGE}
    command: {SLEEP}
    volumes: ["own:/own", "theirs:/theirs"]
volumes:
  own: {{driver_opts: {{size: "2", type: TYPE, availability_zone: nova}}}}
  theirs: {{external: true, name: NAME}}
"""


def test_volumes_are_cinders(place: Workplace, demo: Zun) -> None:
    cinder = demo.conn.block_storage
    name = f"{place.name}-theirs"
    text = VOLUMES.replace("NAME", name)

    place.write(text.replace("TYPE", "loop-multi"))
    assert f'volume "{name}" is declared external but does not exist' in zun(place, "up", "-d", expect=2)
    theirs = cinder.create_volume(name=name, size=1)
    try:
        cinder.wait_for_status(theirs, "available", interval=0.2, wait=60)
        place.write(text.replace("TYPE", "golden"))
        for words in (("plan",), ("up", "-d")):
            said = zun(place, *words, expect=2)
            assert 'volume "own": Cinder has no volume type "golden" (there are: ' in said
            assert said.count("golden") == 1 + said.count("driver_opts: {")
        assert belongings(demo, place.name) == {"volumes": {name}}, "only the one that is theirs"

        place.write(text.replace("TYPE", "loop-multi"))
        zun(place, "up", "-d")
        own = cinder.find_volume(f"{place.name}_own", ignore_missing=False)
        own = cinder.get_volume(own.id)
        assert (own.size, own.volume_type, own.availability_zone) == (2, "loop-multi", "nova")
        assert (own.status, cinder.get_volume(theirs.id).status) == ("in-use", "in-use")

        zun(place, "down", "-t", "1")
        assert belongings(demo, place.name) == {"volumes": {own.name, name}}, "data stays"
        zun(place, "down", "-v")
        assert belongings(demo, place.name) == {"volumes": {name}}, "what is external is never removed"
        assert cinder.get_volume(theirs.id).status == "available"
    finally:
        zun(place, "down", "-v", "-t", "1")
        cinder.delete_volume(theirs.id)
        cinder.wait_for_delete(theirs, interval=0.2, wait=60)
