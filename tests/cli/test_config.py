"""config: what it lists instead of the model."""

from __future__ import annotations

import re

import pytest

from tests.cli.conftest import Program
from zun_compose.drivers.memory import RealTimeMemoryDriver
from zun_compose.labels import CONFIG_HASH

VARIABLES = """
services:
  web:
    image: "web:${TAG:-1}"
    ports: ["${PORT:?}:80"]
    environment: {A: "${A+${B}}"}
models:
  llm: {model: m}
"""


def test_variables_are_listed_though_one_that_must_be_set_is_not(program: Program) -> None:
    program.file(VARIABLES)
    assert program("config", "-q").code == 2
    result = program("config", "--variables")
    assert (result.code, result.err) == (0, "")
    assert [re.split(r" {2,}", line) for line in result.out.splitlines()] == [
        ["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"],
        ["A", "false", "${B}"],
        ["B", "false"],
        ["PORT", "true"],
        ["TAG", "false", "1"],
    ]
    rows = program("config", "--variables", "--format", "json").json()
    assert rows["TAG"] == {"Name": "TAG", "DefaultValue": "1", "PresenceValue": "", "Required": False}
    assert rows["A"]["PresenceValue"] == "${B}"
    assert rows["PORT"]["Required"] is True


def test_environment_is_what_interpolation_sees(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program.file("services: {web: {image: web}}")
    program.file("PORT=80\nFROM=${PORT}1\nTAG=file\n", ".env")
    monkeypatch.setenv("TAG", "shell")
    lines = program("config", "--environment").out.splitlines()
    assert lines == sorted(lines)
    assert {"PORT=80", "FROM=801", "TAG=shell", "COMPOSE_PROJECT_NAME=shop"} <= set(lines)


def test_hash_is_the_label_that_containers_get(up: Program, engine: RealTimeMemoryDriver) -> None:
    labels = {seen.service: seen.labels[CONFIG_HASH] for seen in engine.list("shop")}
    lines = up("config", "--hash", "*").out.splitlines()
    assert lines == [f"{name} {labels[name]}" for name in ("db", "migrate", "web")]
    assert len(set(labels.values())) == 3
    assert up("config", "--hash", "web").out.splitlines() == lines[2:]
    assert up("config", "--hash", "web,db").out.splitlines() == [lines[0], lines[2]]
    result = up("config", "--hash", "wbe")
    assert result.code == 2
    assert 'no such service: "wbe" (did you mean "web"?)' in result.err


def test_hash_changes_with_the_container_and_not_with_scale_or_order(program: Program) -> None:
    def of(service: str) -> str:
        program.file(f"services: {{db: {{image: db}}, web: {{{service}}}}}")
        return program("config", "--hash", "web").out

    first = of("image: web")
    assert of("image: web, scale: 3, depends_on: [db], profiles: []") == first
    assert of("image: web2") != first
    assert of("image: web, environment: {A: b}") != first


def test_hash_lets_nobody_try_values(program: Program) -> None:
    def of(word: str) -> str:
        program.file(
            f"""
            services:
              web:
                image: web
                environment: {{PASSWORD: {word}}}
                labels: {{token: {word}}}
                annotations: {{token: {word}}}
                command: [serve, {word}]
                entrypoint: [run, {word}]
                healthcheck: {{test: [CMD, check, {word}]}}
                logging: {{driver: json-file, options: {{tag: {word}}}}}
            """
        )
        return program("config", "--hash", "web").out

    assert of("one") == of("two")


def test_models_are_listed(program: Program) -> None:
    program.file("services: {web: {image: web, models: [llm]}}\nmodels: {llm: {model: m}}")
    assert program("config", "--models").out == "llm\n"


def test_lists_go_to_a_file_and_contradict_each_other(shop: Program) -> None:
    assert shop("config", "--hash", "*", "-o", "out").out == ""
    assert (shop.folder / "out").read_text() == shop("config", "--hash", "*").out
    result = shop("config", "--variables", "--lock-image-digests")
    assert result.code == 2
    assert "--variables and --lock-image-digests contradict each other" in result.err


def test_a_digest_that_is_given_asks_nobody_and_a_wrong_name_is_told(program: Program) -> None:
    digest = f"sha256:{'0' * 64}"
    program.file(f"services: {{web: {{image: 'busybox:1@{digest}'}}, own: {{build: .}}}}")
    found = program("config", "--resolve-image-digests", "--format", "json").json()["services"]
    assert found["web"]["image"] == f"docker.io/library/busybox@{digest}"
    assert "image" not in found["own"]
    locked = program("config", "--lock-image-digests", "--format", "json").json()
    assert locked == {"services": {"own": {}, "web": {"image": f"docker.io/library/busybox@{digest}"}}}
    program.file("services: {web: {image: 'Not a name'}}")
    result = program("config", "--resolve-image-digests")
    assert result.code == 1
    assert 'cannot tell the digest of image "Not a name"' in result.err


def test_a_report_goes_to_a_file_and_its_verdict_is_kept_when_quiet(program: Program) -> None:
    program.file("services: {web: {image: web, use_api_socket: true}}")
    said = program("--driver", "memory", "config", "--report", plain=False)
    assert (said.code, "use_api_socket" in said.out) == (1, True)
    written = program("--driver", "memory", "config", "--report", "-o", "out", plain=False)
    assert (written.code, written.out) == (1, "")
    assert (program.folder / "out").read_text() == said.out
    quiet = program("--driver", "memory", "config", "--report", "-q", plain=False)
    assert (quiet.code, quiet.out) == (1, "")


@pytest.mark.parametrize("flag", ["--services", "--images", "--report"])
def test_digests_are_resolved_or_it_is_said_that_they_are_not(shop: Program, flag: str) -> None:
    result = shop("config", flag, "--resolve-image-digests")
    assert result.code == 2
    assert f"{flag} and --resolve-image-digests contradict each other" in result.err
