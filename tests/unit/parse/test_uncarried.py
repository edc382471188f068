"""Nothing that a file asks for is dropped without a word: it is refused before anything is done, or said."""

from __future__ import annotations

import textwrap

import pytest

from tests.unit.parse.reading import read
from zun_compose.driver import EngineInfo
from zun_compose.errors import SpecError
from zun_compose.model import Service, Stack
from zun_compose.options import UpOptions
from zun_compose.parse.attributes import attributes
from zun_compose.parse.uncarried import CODE, TABLE
from zun_compose.plan.up import plan_up
from zun_compose.plan.world import World

REFUSED = {
    "provider": "provider: {type: awesomecloud}",
    "gpus": "gpus: all",
    "device_cgroup_rules": "device_cgroup_rules: ['c 1:3 mr']",
    "credential_spec": "credential_spec: {file: spec.json}",
    "use_api_socket": "use_api_socket: true",
    "models": "models: [llm]",
    "post_start": "post_start: [{command: ls}]",
    "pre_stop": "pre_stop: [{command: ls}]",
    "deploy.resources.reservations.devices": (
        "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}"
    ),
    "build.secrets": "build: {context: ., secrets: [token]}",
    "build.ssh": "build: {context: ., ssh: [default]}",
    "build.additional_contexts": "build: {context: ., additional_contexts: {other: ./other}}",
}
WARNED = {
    "blkio_config": "blkio_config: {weight: 300}",
    "storage_opt": "storage_opt: {size: 1G}",
    "external_links": "external_links: [redis]",
    "isolation": "isolation: hyperv",
    "cpu_count": "cpu_count: 2",
    "cpu_percent": "cpu_percent: 50",
    "cpu_rt_period": "cpu_rt_period: 1000",
    "cpu_rt_runtime": "cpu_rt_runtime: 1000",
    "build.privileged": "build: {context: ., privileged: true}",
    "build.ulimits": "build: {context: ., ulimits: {nofile: 5}}",
    "build.cache_to": "build: {context: ., cache_to: ['type=inline']}",
    "build.no_cache_filter": "build: {context: ., no_cache_filter: [base]}",
    "build.entitlements": "build: {context: ., entitlements: [network.host]}",
    "build.provenance": "build: {context: ., provenance: true}",
    "build.sbom": "build: {context: ., sbom: true}",
}
REST = "\nmodels: {llm: {model: ai/x}}\nsecrets: {token: {file: ./token}, word: {environment: WORD}}\n"


def stack(body: str) -> Stack:
    text = "services:\n  other: {image: x}\n  web:\n    image: x\n"
    text += textwrap.indent(textwrap.dedent(body), "    ")
    return read(text + REST, environment={"WORD": "swordfish"}).stack


def plan(declared: Stack, *services: str, oneoff: Service | None = None) -> None:
    world = World(engine=EngineInfo(id="e", driver="memory", name="e"))
    plan_up(declared, world, UpOptions(services=services), oneoff=oneoff)


@pytest.mark.parametrize("attribute", REFUSED)
def test_what_would_make_another_service_is_refused_with_its_place(attribute: str) -> None:
    declared = stack(REFUSED[attribute])
    with pytest.raises(SpecError) as caught:
        plan(declared)
    (fault,) = caught.value.faults
    assert fault.code == CODE
    assert fault.mark is not None
    assert (fault.mark.file, fault.mark.line) == ("/stack/compose.yaml", 5)
    assert f'service "web" asks for {attribute}, ' in fault.what


def test_services_that_are_left_out_are_not_judged() -> None:
    declared = stack(REFUSED["gpus"])
    plan(declared, "other")
    with pytest.raises(SpecError, match="gpus"):
        plan(declared, oneoff=declared.services["web"])


@pytest.mark.parametrize("attribute", WARNED)
def test_the_rest_is_said(attribute: str) -> None:
    declared = stack(WARNED[attribute])
    assert declared.warnings == (f'service "web": {attribute} is not carried out',)
    plan(declared)


@pytest.mark.parametrize(
    "body", ["isolation: default", "use_api_socket: false", "device_cgroup_rules: []", "storage_opt: {}"]
)
def test_asking_for_nothing_is_nothing(body: str) -> None:
    declared = stack(body)
    assert (declared.warnings, declared.uncarried) == ((), {})


def test_what_is_only_printed_is_not_judged() -> None:
    text = "services: {web: {image: x, gpus: all, storage_opt: {size: 1G}}}"
    declared = read(text, lenient=True).stack
    assert (declared.warnings, declared.uncarried) == ((), {})


def test_the_table_names_attributes_that_the_language_knows() -> None:
    assert [row.name for row in TABLE if f"services.*.{row.name}" not in attributes()] == []


@pytest.mark.parametrize("closed", ["read_only: true", "tmpfs: /run", "tmpfs: ['/run/secrets:size=1m']"])
def test_a_secret_without_a_file_that_could_not_be_put_in_is_refused(closed: str) -> None:
    declared = stack(f"{closed}\nsecrets: [word]")
    with pytest.raises(SpecError, match='secret "word" has no file to mount') as caught:
        plan(declared)
    assert caught.value.code == CODE
    assert caught.value.faults[0].mark is not None
    assert "swordfish" not in str(caught.value)


def test_a_secret_with_a_file_is_mounted_and_its_owner_is_warned_of() -> None:
    declared = stack("read_only: true\nsecrets: [{source: token, uid: '5', mode: 0400}]")
    (warning,) = declared.warnings
    assert 'secret "token" is mounted with the owner and mode of its file' in warning
    plan(declared)
    assert stack("read_only: true\nsecrets: [token]").warnings == ()
    assert stack("secrets: [{source: token, uid: '5'}]").warnings == ()
