"""Images from a real registry, and images built by the real builder."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import api
from tests.engines.registry import PASSWORD, USER, Registry
from tests.integration.docker.conftest import IMAGE, Bench
from zun_compose.container import PortKey
from zun_compose.driver import PullProgress
from zun_compose.drivers.docker import connect
from zun_compose.errors import Conflict, DriverError, NotFound, Rejected, Unavailable, Unsupported
from zun_compose.model import Build, Healthcheck

pytestmark = pytest.mark.docker


@pytest.fixture
def tag(bench: Bench) -> Iterator[str]:
    """A name for an image, which is removed afterwards."""
    name = f"{bench.stack}/image"
    yield name
    for reference in bench.driver.images():
        if reference.startswith(bench.stack):
            bench.empty()
            bench.driver.remove_image(reference)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Docker CLI's folder of configuration, empty."""
    folder = tmp_path / "docker-config"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def _silent(_: object) -> None:
    return


def test_a_pull_reports_progress_and_brings_the_image(
    bench: Bench, registry: Registry, tmp_path: Path
) -> None:
    # a layer that the engine does not hold yet, or there would be nothing to fetch
    driver = bench.driver
    text = f"FROM {IMAGE}\nRUN head -c 3000000 /dev/urandom > /big\n"
    reference = _published(bench, registry, text, tmp_path)
    said: list[PullProgress] = []
    driver.pull(reference, None, said.append)
    seen = driver.image(reference)
    assert seen is not None
    assert driver.images()[reference] == seen.id
    assert any(digest.startswith(reference.rpartition(":")[0] + "@sha256:") for digest in seen.digests)
    assert said[-1].current == said[-1].total > 3_000_000
    assert all(0 <= one.current <= one.total for one in said)
    assert {one.image for one in said} == {reference}
    driver.remove_image(reference)
    assert driver.image(reference) is None
    driver.remove_image(reference)


def _published(bench: Bench, registry: Registry, text: str, context: Path) -> str:
    """Build an image, push it, and make the engine forget it."""
    local = f"{bench.stack}-published"
    bench.driver.build(local, Build(context=str(context), dockerfile_inline=text), {}, _silent)
    reference = registry.push(local, bench.stack)
    bench.driver.remove_image(local)
    return reference


def test_what_the_registry_lacks_is_not_found(bench: Bench, registry: Registry) -> None:
    with pytest.raises(NotFound, match="cannot pull image"):
        bench.driver.pull(f"{registry.address}/nothing:here", None, _silent)


def test_a_registry_that_does_not_answer_is_unavailable(bench: Bench) -> None:
    with pytest.raises(Unavailable):
        bench.driver.pull("127.0.0.1:9/x:y", None, _silent)


def test_credentials_come_from_the_cli_configuration(
    bench: Bench, private_registry: Registry, settings: Path
) -> None:
    reference = private_registry.push(IMAGE, bench.stack)
    stranger = connect(bench.url)
    with pytest.raises(DriverError) as refused:
        stranger.pull(reference, None, _silent)
    assert isinstance(refused.value, Rejected | NotFound)
    word = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (settings / "config.json").write_text(json.dumps({"auths": {private_registry.address: {"auth": word}}}))
    friend = connect(bench.url)
    friend.pull(reference, None, _silent)
    assert friend.image(reference) is not None
    friend.remove_image(reference)


def test_credentials_come_from_a_helper(
    bench: Bench, private_registry: Registry, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = private_registry.push(IMAGE, bench.stack)
    helper = tmp_path / "bin" / "docker-credential-orchard"
    helper.parent.mkdir()
    answer = json.dumps({"ServerURL": private_registry.address, "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{answer}'\n")
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{helper.parent}:/usr/bin:/bin")
    (settings / "config.json").write_text(json.dumps({"credHelpers": {private_registry.address: "orchard"}}))
    driver = connect(bench.url)
    driver.pull(reference, None, _silent)
    assert driver.image(reference) is not None
    driver.remove_image(reference)


def test_a_broken_helper_is_told_without_secrets(
    bench: Bench, private_registry: Registry, settings: Path
) -> None:
    (settings / "config.json").write_text(
        json.dumps({"credHelpers": {private_registry.address: "nowhere-to-be-found"}})
    )
    with pytest.raises(DriverError, match="nowhere-to-be-found"):
        connect(bench.url).pull(f"{private_registry.address}/x:y", None, _silent)


def test_an_image_says_what_it_exposes(bench: Bench, tag: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        f"FROM {IMAGE}\nEXPOSE 80 53/udp\nVOLUME /data\nHEALTHCHECK --interval=2s --retries=5 CMD true\n"
    )
    image = bench.driver.build(tag, Build(context=str(tmp_path)), {"own": "label"}, _silent)
    seen = bench.driver.image(tag)
    assert seen is not None
    assert seen.id == image
    assert seen.exposed == (PortKey(53, "udp"), PortKey(80, "tcp"))
    assert seen.volumes == ("/data",)
    assert seen.healthcheck == Healthcheck(test=("CMD-SHELL", "true"), interval=2.0, retries=5)
    assert api.ask(bench.url, "GET", f"/images/{image}/json")["Config"]["Labels"] == {"own": "label"}


def test_a_build_uses_its_context_and_options(bench: Bench, tag: str, tmp_path: Path) -> None:
    context = tmp_path / "context"
    (context / "sub").mkdir(parents=True)
    (context / "kept").write_text("kept\n")
    (context / "left.out").write_text("out\n")
    (context / "sub" / "left.out").write_text("out\n")
    (context / "sub" / "exception.out").write_text("back\n")
    (context / ".dockerignore").write_text("# words\n**/*.out\n!sub/exception.out\n")
    (tmp_path / "Other").write_text(
        f"FROM {IMAGE} AS first\nARG WORD=none\nCOPY . /all/\nRUN echo $WORD > /word\n"
        "FROM first AS second\nRUN touch /second\n"
    )
    said: list[str] = []
    build = Build(
        context=str(context),
        dockerfile="../Other",
        args={"WORD": "given"},
        target="first",
        labels={"a": "b"},
        tags=(f"{tag}:more",),
        no_cache=True,
    )
    image = bench.driver.build(tag, build, {}, said.append)
    assert bench.driver.images()[f"{tag}:more"] == image
    assert any(line.startswith("Step 1/") for line in said)
    script = "cat /word; ls -A /all /all/sub; test -e /second || echo first"
    container = bench.running("sh", "-c", script, asked={"image": image})
    lines = bench.output(container)
    assert lines[0] == "given"
    assert "kept" in lines
    assert "exception.out" in lines
    assert "left.out" not in lines
    assert lines[-1] == "first"
    with pytest.raises(Conflict):
        bench.driver.remove_image(image)


def test_a_build_from_scratch_with_an_inline_file(bench: Bench, tag: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    build = Build(context=str(tmp_path), dockerfile_inline="FROM scratch\nCOPY file /file\n")
    image = bench.driver.build(tag, build, {}, _silent)
    assert image.startswith("sha256:")
    assert not (tmp_path / ".zun-compose.Dockerfile").exists()


def test_a_failing_build_says_why(bench: Bench, tag: str, tmp_path: Path) -> None:
    secret = "hush-hush"
    text = f"FROM {IMAGE}\nARG TOKEN\nRUN echo last words $TOKEN; exit 7\n"
    build = Build(context=str(tmp_path), dockerfile_inline=text, args={"TOKEN": secret})
    with pytest.raises(Rejected, match="returned a non-zero code: 7") as failed:
        bench.driver.build(tag, build, {}, _silent)
    assert secret not in str(failed.value)
    assert bench.driver.image(tag) is None
    for broken, error in (
        (Build(context=str(tmp_path / "nowhere")), Rejected),
        (Build(context=str(tmp_path)), Rejected),
        (Build(context=str(tmp_path), dockerfile_inline=text, platforms=("a", "b")), Unsupported),
    ):
        with pytest.raises(error):
            bench.driver.build(tag, broken, {}, _silent)
