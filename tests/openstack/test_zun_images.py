"""Images that Zun takes from Glance and from a registry with a password, as a tenant has them run."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import docker
import pytest

from tests.cloud.docker import URL as DOCKER
from tests.cloud.fixture import Cloud
from tests.cloud.service import found
from tests.e2e.site import Workplace, until
from tests.openstack.belongings import belongings
from tests.openstack.conftest import Zun
from tests.openstack.site import workplace, zun

pytestmark = pytest.mark.timeout(600)

BOX = "busybox:latest"
SECRET = "quince-and-medlar"
SLEEP = "sh -c 'trap exit TERM; sleep 1000 & wait'"


@pytest.fixture
def place(cloud: Cloud, tmp_path: Path) -> Iterator[Workplace]:
    environment = {
        "OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml),
        "OS_CLOUD": "demo",
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        # the one under Zun, not another that tests of Docker have started
        "DOCKER_HOST": DOCKER,
        "COMPOSE_PROGRESS": "plain",
    }
    with workplace("images", tmp_path, environment) as made:
        yield made


@pytest.fixture
def glance(demo: Zun, place: Workplace) -> Iterator[Any]:
    """The tenant's Glance, from which the stack's images go in the end."""
    images = demo.conn.image
    yield images
    for one in images.images():
        if one.name.startswith(place.name):
            images.delete_image(one.id)


def digests(demo: Zun, engine: docker.DockerClient, place: Workplace) -> dict[str, str]:
    """Return the image that the engine runs, by the name of the container without the stack's."""
    ours = [one for one in demo.proxy.containers() if one.name.startswith(f"{place.name}-")]
    return {
        one.name.removeprefix(f"{place.name}-"): str(engine.api.inspect_container(f"zun-{one.id}")["Image"])
        for one in ours
    }


def test_images_of_every_origin_run_from_glance(
    place: Workplace, demo: Zun, glance: Any, engine: docker.DockerClient
) -> None:
    file = place.folder / "box.tar"
    with file.open("wb") as out:
        out.writelines(engine.images.get(BOX).save(named=True))

    def push(*words: str) -> str:
        return place.run("image", "push", "--to", "glance", *words).out.split()[-1]

    of_docker = push("--name", f"{place.name}-docker", BOX)
    of_file = push("--name", f"{place.name}-file", "box.tar")
    place.run("image", "import", "box.tar", "--reference", f"{place.name}-local")
    push(f"{place.name}-local")
    told = glance.get_image(of_docker)
    assert (told.container_format, told.disk_format, told.status) == ("docker", "raw", "active")

    taken = place.run("image", "push", "--to", "glance", "--name", f"{place.name}-file", "box.tar", expect=1)
    assert "the name is taken" in taken.err
    assert [one.id for one in glance.images(name=f"{place.name}-file")] == [of_file]

    place.write(
        f"""
        services:
          name: {{image: "glance://{place.name}-docker", command: "{SLEEP}"}}
          id: {{image: "glance://{of_file}", command: "{SLEEP}"}}
          word:
            image: {place.name}-local
            command: {SLEEP}
            x-zun: {{image_driver: glance}}
        """
    )
    zun(place, "up", "-d")
    ran = digests(demo, engine, place)
    box = str(engine.images.get(BOX).id)
    assert (ran["name-1"], ran["id-1"]) == (box, box), "nothing of it has changed on the way"
    rows = place.run("--driver", "zun", "ps", "--format", "json").rows()
    shown = {row["Service"]: row["Image"] for row in rows}
    assert shown["name"] == f"glance://{place.name}-docker"
    assert shown["word"] == f"glance://{place.name}-local"
    assert "nothing to do" in zun(place, "plan")

    push("--name", f"{place.name}-docker", "--replace", "box.tar")
    assert len(list(glance.images(name=f"{place.name}-docker"))) == 1
    changed = zun(place, "plan")
    assert f"create {place.name}-name-1: changed: image" in changed
    assert f"{place.name}-word-1" not in changed

    zun(place, "down", "-t", "1")
    assert not belongings(demo, place.name)


def test_what_glance_lacks_fails_the_plan(place: Workplace, demo: Zun, glance: Any) -> None:
    for name in ("twice", "twice", "bare"):
        kind = "bare" if name == "bare" else "docker"
        made = glance.create_image(
            f"{place.name}-{name}", container_format=kind, disk_format="raw", allow_duplicates=True
        )
        glance.put(f"/images/{made.id}/file", data=b"x", headers={"Content-Type": "application/octet-stream"})

    def refused(image: str, *words: str, expect: int) -> str:
        place.write(
            f"""
            services:
              web: {{image: {image}}}
              other: {{image: {image}, depends_on: [web]}}
            """
        )
        return zun(place, *words, expect=expect)

    for words in (("plan",), ("up", "-d")):
        said = refused(f"glance://{place.name}-none", *words, expect=2)
        assert f'service "web": image "{place.name}-none" does not exist in Glance' in said
    assert "is of format bare" in refused(f"glance://{place.name}-bare", "plan", expect=2)
    assert "2 images in Glance have the name" in refused(f"glance://{place.name}-twice", "plan", expect=1)
    assert not belongings(demo, place.name)


def test_what_is_no_image_is_not_pushed(place: Workplace, glance: Any) -> None:
    place.put("nothing.tar", "no archive at all")
    said = place.run("image", "push", "--to", "glance", "--name", f"{place.name}-x", "nothing.tar", expect=1)
    assert 'image archive "nothing.tar" is refused' in said.err
    place.run("image", "push", "--to", "glance", "--from", "local", f"{place.name}-x", expect=1)
    place.run("image", "push", "--to", "glance", "--from", "docker", f"{place.name}-x", expect=1)
    said = place.run("image", "push", "--to", "glance", f"{place.name}-x", expect=1)
    assert "is no file and not in the local store, and not to be had from Docker" in said.err
    assert not list(glance.images(name=f"{place.name}-x"))


class Private(NamedTuple):
    """A registry that asks for a password, and an image in it."""

    domain: str
    image: str


@pytest.fixture
def private(cloud: Cloud, engine: docker.DockerClient, tmp_path: Path) -> Iterator[Private]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # what the registry takes is bcrypt, and the cloud's own environment has that
    code = f"import bcrypt; print(bcrypt.hashpw({SECRET!r}.encode(), bcrypt.gensalt(4)).decode())"
    digest = subprocess.run(
        [cloud.programs / "python", "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()
    (tmp_path / "htpasswd").write_text(f"me:{digest}\n")
    wanted = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "auth": {"htpasswd": {"realm": "tests", "path": str(tmp_path / "htpasswd")}},
    }
    (tmp_path / "registry.yml").write_text(json.dumps(wanted))
    server = subprocess.Popen(
        [found("docker-registry"), "serve", tmp_path / "registry.yml"],
        env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        stderr=subprocess.DEVNULL,
    )
    domain = f"127.0.0.1:{port}"
    image = f"{domain}/private/box"
    try:
        until(lambda: _answers(port), "the registry answers")
        engine.images.get(BOX).tag(image)
        said = engine.images.push(image, auth_config={"username": "me", "password": SECRET})
        assert "error" not in said, said
        engine.images.remove(image)
        yield Private(domain, image)
    finally:
        server.terminate()
        server.wait(30)
        if any(image in tag for one in engine.images.list() for tag in one.tags):
            engine.images.remove(image)


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
    except OSError:
        return False
    return True


def test_a_private_registry_is_pulled_from_with_the_docker_clis_login(
    place: Workplace, demo: Zun, private: Private, tmp_path: Path
) -> None:
    place.write(f"services: {{web: {{image: {private.image}, command: {SLEEP!r}}}}}")

    def login(password: str) -> None:
        word = base64.b64encode(f"me:{password}".encode()).decode()
        (tmp_path / "docker").mkdir(exist_ok=True)
        (tmp_path / "docker" / "config.json").write_text(
            json.dumps({"auths": {private.domain: {"auth": word}}})
        )

    def ours() -> list[str]:
        return [str(one.name) for one in demo.proxy.registries() if one.name.startswith(place.name)]

    refused = zun(place, "up", "-d", expect=1)
    assert private.image in refused
    login("not-the-word")
    refused = zun(place, "up", "-d", expect=1)
    assert "not-the-word" not in refused
    assert not ours(), "what failed leaves no login behind"

    login(SECRET)
    said = zun(place, "up", "-d")
    (seen,) = [one for one in demo.proxy.containers() if one.name == f"{place.name}-web-1"]
    (name,) = ours()
    registry = demo.proxy.get_registry(name)
    assert (registry.domain, registry.username) == (private.domain, "me")
    assert (seen.status, seen.registry_id) == ("Running", registry.id)
    said += zun(place, "--progress", "json", "up", "-d", "--force-recreate")
    assert len(ours()) == 1
    said += zun(place, "down", "-t", "1")
    assert not ours()
    assert SECRET not in said
    kept = [path for path in place.state.rglob("*") if path.is_file()]
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]
    assert not belongings(demo, place.name), said
