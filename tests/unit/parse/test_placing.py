"""The words of x-zun that a cloud carries out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.parse.reading import faults, read, service
from zun_compose.capability import Verdict, told
from zun_compose.drivers.docker.capabilities import NEWEST
from zun_compose.drivers.docker.capabilities import asked_in_vain as asked_of_docker
from zun_compose.drivers.local.refusals import asked_in_vain as asked_of_local
from zun_compose.drivers.zun.capabilities import asked_in_vain as asked_of_zun

WORDS = (
    "x-zun: {hints: {'label:disk': ssd, many: 2}, availability_zone: east, host: h1, cpu_policy: dedicated,"
    " auto_heal: true, auto_remove: true}"
)


def test_words_are_read() -> None:
    found = service(WORDS)
    assert found.hints == {"label:disk": "ssd", "many": "2"}
    assert (found.availability_zone, found.host, found.cpu_policy) == ("east", "h1", "dedicated")
    assert found.auto_heal
    assert found.auto_remove
    assert service("x-zun: {job: true}").image_driver is None


@pytest.mark.parametrize(
    ("said", "image"),
    [
        ("image: shop/app:1", "shop/app:1"),
        ("image: glance://app", "glance://app"),
        ("{image: app, x-zun: {image_driver: glance}}", "glance://app"),
        ("{image: 'glance://app', x-zun: {image_driver: glance}}", "glance://app"),
        ("{image: app, x-zun: {image_driver: docker}}", "app"),
    ],
)
def test_an_image_of_glance_has_one_name(said: str, image: str) -> None:
    stack = read(f"services: {{web: {said if said.startswith('{') else '{' + said + '}'}}}").stack
    assert stack.services["web"].image == image
    assert stack.services["web"].image_driver == ("docker" if "driver: docker" in said else None)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("x-zun: {hints: [a]}", "services.web.x-zun.hints must be a mapping"),
        ("x-zun: {hints: {a: [b]}}", "services.web.x-zun.hints.a must be a word or a number"),
        ("x-zun: {availability_zone: 5}", "services.web.x-zun.availability_zone must be a name"),
        ("x-zun: {host: ''}", "services.web.x-zun.host must be a name"),
        ("x-zun: {cpu_policy: mine}", "services.web.x-zun.cpu_policy must be shared or dedicated"),
        ("x-zun: {image_driver: [a]}", "services.web.x-zun.image_driver must be docker or glance"),
        ("x-zun: {auto_heal: 'yes'}", "services.web.x-zun.auto_heal must be true or false"),
        ("x-zun: {zone: a}", 'services.web.x-zun has no attribute "zone"'),
        ("restart: always\n    x-zun: {auto_remove: true}", "its restart policy keeps it"),
        ("x-zun: {auto_remove: true, job: true}", "its end is waited for"),
    ],
)
def test_words_are_checked(body: str, what: str) -> None:
    (found,) = faults(f"services:\n  web:\n    image: x\n    {body}\n")
    assert what in found


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("image: 'glance://'", "names no image of Glance"),
        ("image: 'glance://a', x-zun: {image_driver: docker}", "is docker, but the image is one of Glance"),
    ],
)
def test_images_are_checked(said: str, what: str) -> None:
    (found,) = faults(f"services: {{web: {{{said}}}}}")
    assert what in found


def test_an_end_that_somebody_waits_for_may_not_be_lost() -> None:
    (found,) = faults(
        "services:\n"
        "  job: {image: x, x-zun: {auto_remove: true}}\n"
        "  web: {image: x, depends_on: {job: {condition: service_completed_successfully}}}\n"
    )
    assert 'service "job" cannot have auto_remove: its end is waited for, and goes with it' in found


def test_one_machine_leaves_them_out_and_a_cloud_does_not() -> None:
    stack = read(f"services:\n  web:\n    image: x\n    {WORDS}\n").stack
    words = {f"x-zun.{name}" for name in ("hints", "availability_zone", "host", "cpu_policy", "auto_heal")}
    for asked in (lambda: asked_of_docker(stack, NEWEST), lambda: asked_of_local(stack)):
        found = {one.name: one.verdict for one in asked()}
        assert found == dict.fromkeys({*words, "x-zun.auto_remove"}, Verdict.IGNORES)
    assert asked_of_zun(stack) == ()


def test_glance_is_the_clouds_alone() -> None:
    stack = read("services: {web: {image: app, x-zun: {image_driver: glance}}}").stack
    found: Any
    for found in (asked_of_docker(stack, NEWEST), asked_of_local(stack)):
        (said,) = told(found, Verdict.REFUSES)["web"]
        assert (
            said == 'image "glance://app": Glance is OpenStack\'s: only the zun driver takes images from it'
        )
    assert asked_of_zun(stack) == ()
