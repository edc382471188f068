"""Nothing that a file asks for is dropped without a word: it is refused before anything is done, or said."""

from __future__ import annotations

import textwrap

import pytest

from tests.unit.parse.reading import read
from zun_compose.driver import EngineInfo
from zun_compose.errors import SpecError
from zun_compose.model import NOT_CARRIED, Service, Stack
from zun_compose.options import UpOptions
from zun_compose.plan.steps import Plan
from zun_compose.plan.up import plan_up
from zun_compose.plan.world import World

REFUSED = {
    "deploy.resources.reservations.generic_resources": (
        "deploy: {resources: {reservations: {generic_resources: [{discrete_resource_spec: {kind: a}}]}}}"
    ),
    "volumes.bind.recursive": "volumes: [{type: bind, source: /a, target: /b, bind: {recursive: disabled}}]",
    "provider": "provider: {type: awesomecloud}",
    "credential_spec": "credential_spec: {file: spec.json}",
    "use_api_socket": "use_api_socket: true",
    "models": "models: [llm]",
    "post_start": "post_start: [{command: ls}]",
    "pre_stop": "pre_stop: [{command: ls}]",
    "build.secrets": "build: {context: ., secrets: [token]}",
    "build.ssh": "build: {context: ., ssh: [default]}",
    "build.additional_contexts": "build: {context: ., additional_contexts: {other: ./other}}",
}
WARNED = {
    "deploy.restart_policy": "deploy: {restart_policy: {condition: any}}\nrestart: always",
    "deploy.restart_policy.max_attempts": "deploy: {restart_policy: {max_attempts: 5}}",
    "deploy.endpoint_mode": "deploy: {endpoint_mode: vip}",
    "deploy.labels": "deploy: {labels: {a: b}}",
    "deploy.placement": "deploy: {placement: {constraints: [node.role == manager]}}",
    "deploy.restart_policy.delay": "deploy: {restart_policy: {delay: 5s}}",
    "deploy.restart_policy.window": "deploy: {restart_policy: {window: 5s}}",
    "deploy.rollback_config": "deploy: {rollback_config: {delay: 5s}}",
    "deploy.update_config": "deploy: {update_config: {parallelism: 2}}",
    "develop": "develop: {watch: [{path: ., action: rebuild}]}",
    "pull_policy": "pull_policy: daily",
    "pull_refresh_after": "pull_refresh_after: 5d",
    "isolation": "isolation: hyperv",
    "cpu_count": "cpu_count: 2",
    "cpu_percent": "cpu_percent: 50",
    "build.privileged": "build: {context: ., privileged: true}",
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


def plan(declared: Stack, *services: str, oneoff: Service | None = None, copies_files: bool = False) -> Plan:
    world = World(engine=EngineInfo(id="e", driver="memory", name="e", copies_files=copies_files))
    return plan_up(declared, world, UpOptions(services=services), oneoff=oneoff)


@pytest.mark.parametrize("attribute", REFUSED)
def test_what_would_make_another_service_is_refused_with_its_place(attribute: str) -> None:
    declared = stack(REFUSED[attribute])
    with pytest.raises(SpecError) as caught:
        plan(declared)
    (fault,) = caught.value.faults
    assert fault.code == NOT_CARRIED
    assert fault.mark is not None
    assert (fault.mark.file, fault.mark.line) == ("/stack/compose.yaml", 5)
    assert f'service "web" asks for {attribute}, ' in fault.what


def test_services_that_are_left_out_are_not_judged() -> None:
    declared = stack(REFUSED["provider"])
    plan(declared, "other")
    with pytest.raises(SpecError, match="provider"):
        plan(declared, oneoff=declared.services["web"])


@pytest.mark.parametrize("attribute", WARNED)
def test_the_rest_is_said(attribute: str) -> None:
    declared = stack(WARNED[attribute])
    (warning,) = declared.warnings
    assert warning.startswith(f'service "web": {attribute} is not carried out: ')
    plan(declared)


@pytest.mark.parametrize(
    "body", ["isolation: default", "use_api_socket: false", "post_start: []", "develop: {}"]
)
def test_asking_for_nothing_is_nothing(body: str) -> None:
    declared = stack(body)
    assert (declared.warnings, declared.uncarried) == ((), {})


def test_what_is_only_printed_is_not_judged() -> None:
    text = "services: {web: {image: x, use_api_socket: true, cpu_count: 2}}"
    declared = read(text, lenient=True).stack
    assert (declared.warnings, declared.uncarried) == ((), {})


@pytest.mark.parametrize("closed", ["read_only: true", "tmpfs: /run", "tmpfs: ['/run/secrets:size=1m']"])
def test_a_secret_without_a_file_that_could_not_be_put_in_is_refused(closed: str) -> None:
    declared = stack(f"{closed}\nsecrets: [word]")
    with pytest.raises(SpecError, match='secret "word" has no file to mount') as caught:
        plan(declared)
    assert caught.value.code == NOT_CARRIED
    assert caught.value.faults[0].mark is not None
    assert "swordfish" not in str(caught.value)
    plan(declared, "other")
    assert plan(declared, copies_files=True).warnings == ()


def test_a_secret_with_a_file_is_mounted_and_its_owner_is_warned_of() -> None:
    declared = stack("read_only: true\nsecrets: [{source: token, uid: '5', mode: 0400}]")
    (warning,) = plan(declared).warnings
    assert 'secret "token" is mounted with the owner and mode of its file' in warning
    assert (declared.warnings, plan(declared, copies_files=True).warnings) == ((), ())
    assert plan(stack("read_only: true\nsecrets: [token]")).warnings == ()
    assert plan(stack("secrets: [{source: token, uid: '5'}]")).warnings == ()


@pytest.mark.parametrize(
    ("declared", "attribute"),
    [
        ("{external: true}", "external"),
        ("{file: ./a, template_driver: golang}", "template_driver"),
        ("{file: ./a, driver: vault}", "driver"),
    ],
)
def test_secrets_from_elsewhere_are_refused_where_they_are_used(declared: str, attribute: str) -> None:
    text = f"services: {{a: {{image: x}}, b: {{image: x, secrets: [s]}}}}\nsecrets: {{s: {declared}}}"
    found = read(text).stack
    plan(found, "a")
    with pytest.raises(SpecError, match=f'service "b" uses secret "s" with {attribute}, ') as caught:
        plan(found)
    assert caught.value.faults[0].mark is not None
    assert caught.value.faults[0].mark.line == 2
