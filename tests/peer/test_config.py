"""`config` of both on the same files: what it lists instead of the model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from tests.e2e.site import Ran, Site
from tests.engines.registry import Registry, private_registry, registry

__all__ = ["private_registry", "registry"]

pytestmark = [pytest.mark.docker, pytest.mark.peer]

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "parse"

# One use of each variable: of several, docker compose shows any one's default, another at each call.
FILES = {
    "forms": """
        services:
          a:
            image: "busybox:${A:-1}"
            command: ["$B", "${C}", "${D-d}", "${E:+e}", "${F+f}", "$$G", "${H:-}", "${I-}"]
            environment: {J: "${J:?}", K: "${K?must}", L: "${L:-a b}", M: "${M:-$$}"}
        """,
    "nested": """
        services:
          a:
            image: "${A:-${B:-${C-c}}}"
            labels: {x: "${D:+${E}}", y: "${F-$G}", z: "${H:-a${I:-b}c}"}
        """,
    "places": """
        services:
          a:
            image: busybox
            ports: ["${PORT:-8080}:80", {target: "${TARGET:-80}"}]
            volumes: ["${DATA:-./data}:/data"]
            deploy: {resources: {limits: {memory: "${MEMORY:-64m}"}}}
        networks: {n: {name: "${NETWORK:-net}"}}
        volumes: {v: {name: "${VOLUME:-vol}"}}
        secrets: {s: {file: "./${SECRET:-secret}"}}
        x-any: {deep: [{er: "${DEEP:-x}"}]}
        """,
    "included": """
        include: [part.yaml]
        services:
          a: {extends: {file: part.yaml, service: p}, image: "${A:-busybox}"}
        """,
    "part": 'services: {p: {image: "${P:-busybox}", command: ["${Q:-true}"]}}',
}


@pytest.fixture
def theirs(site: Site, docker_compose: list[str]) -> Callable[..., Ran]:
    """Run docker compose in the stack's folder."""

    def run(*arguments: str) -> Ran:
        return site.run(*arguments, command=docker_compose)

    return run


@pytest.mark.parametrize("name", [name for name in FILES if name != "part"])
def test_variables_are_the_same(name: str, site: Site, theirs: Callable[..., Ran]) -> None:
    (site.folder / "part.yaml").write_text(dedent(FILES["part"]))
    site.write(FILES[name])
    command = ("config", "--variables", "--format", "json")
    assert json.loads(site.run(*command).out) == json.loads(theirs(*command).out)
    peer = theirs("config", "--variables").out.splitlines()
    own = site.run("config", "--variables").out.splitlines()
    assert sorted(line.split() for line in own) == sorted(line.split() for line in peer)


def test_names_are_the_same(site: Site, theirs: Callable[..., Ran]) -> None:
    site.write(
        """
        services:
          a: {image: busybox, profiles: [x, y]}
          b: {image: "busybox:1", volumes: ["v:/v"], networks: [n], models: [m]}
          c: {build: ., networks: [default]}
        volumes: {v: {}, unused: {}}
        networks: {n: {}, unused: {}}
        models: {m: {model: m}}
        """
    )
    for kind in ("services", "volumes", "networks", "images", "profiles", "models"):
        own, peer = site.run("config", f"--{kind}").out, theirs("config", f"--{kind}").out
        assert sorted(own.split()) == sorted(peer.split()), kind


def test_environment_is_the_same(site: Site, theirs: Callable[..., Ran]) -> None:
    site.write("services: {a: {image: busybox}}")
    (site.folder / ".env").write_text("A=1\nB=${A}2\nC='two words'\nHOME=/elsewhere\n")
    assert site.run("config", "--environment").out == theirs("config", "--environment").out


def test_hashes_have_the_same_form_and_are_the_labels(site: Site, theirs: Callable[..., Ran]) -> None:
    site.write("services: {b: {image: busybox, command: [top]}, a: {image: busybox, command: [top]}}")
    form = r"a [0-9a-f]{64}\nb [0-9a-f]{64}\n"
    own = site.run("config", "--hash", "*").out
    assert re.fullmatch(form, own)
    assert re.fullmatch(form, theirs("config", "--hash", "*").out)
    site.run("up", "-d", "--scale", "a=2")
    labels = {
        f"{seen['Config']['Labels']['com.docker.compose.service']} "
        f"{seen['Config']['Labels']['com.docker.compose.config-hash']}\n"
        for seen in site.containers()
    }
    assert "".join(sorted(labels)) == own


def test_digests_come_from_the_registry(
    site: Site, theirs: Callable[..., Ran], registry: Registry, private_registry: Registry
) -> None:
    image = registry.push("busybox:latest", "digested")
    site.write(f"services: {{a: {{image: '{image}'}}, b: {{image: '{image}'}}, c: {{build: .}}}}")
    for option in ("--resolve-image-digests", "--lock-image-digests"):
        own = json.loads(site.run("config", option, "--format", "json").out)["services"]
        peer = json.loads(theirs("config", option, "--format", "json").out)["services"]
        assert {name: one.get("image") for name, one in own.items()} == {
            name: one.get("image") for name, one in peer.items()
        }
        assert re.fullmatch(rf"{image}@sha256:[0-9a-f]{{64}}", own["a"]["image"])
    hidden = private_registry.push("busybox:latest", "hidden")
    site.write(f"services: {{a: {{image: '{hidden}'}}}}")
    error = site.run("config", "--resolve-image-digests", expect=1).err
    assert f'cannot tell the digest of image "{hidden}"' in error
    assert "log in" in error
    site.write(f"services: {{a: {{image: '{registry.address}/nothing'}}}}")
    assert "does not have it" in site.run("config", "--resolve-image-digests", expect=1).err


@pytest.mark.parametrize("case", sorted(path.parent for path in GOLDEN.glob("*/canonical.json")), ids=str)
def test_ours_knows_every_variable_that_theirs_knows(
    case: Path, site: Site, theirs: Callable[..., Ran]
) -> None:
    """Ours has more: what a later file replaces, and all of a file that one service is extended from."""
    files = ("-f", str(case / "compose.yaml"), "config", "--variables", "--format", "json")
    own, peer = json.loads(site.run(*files).out), json.loads(theirs(*files).out)
    assert set(peer) <= set(own)
    for name, one in peer.items():
        assert own[name]["Required"] >= one["Required"], name
