"""Variables: all forms, casts after them, and what is said when they are missing."""

from __future__ import annotations

import pytest

from tests.unit.parse.reading import faults, read, service
from zun_compose.parse.interpolate import Invalid, Missing, expand

VALUES = {"A": "alpha", "EMPTY": "", "B": "beta"}


def ignore(name):
    """Take note of nothing."""


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("$A", "alpha"),
        ("${A}", "alpha"),
        ("$A-${B}", "alpha-beta"),
        ("$NONE.", "."),
        ("${NONE}", ""),
        ("$$A", "$A"),
        ("$$$A", "$alpha"),
        ("$1 $ a$", "$1 $ a$"),
        ("${A:-x}", "alpha"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${NONE-x}", "x"),
        ("${NONE:-}", ""),
        ("${A:+x}", "x"),
        ("${EMPTY:+x}", ""),
        ("${EMPTY+x}", "x"),
        ("${NONE+x}", ""),
        ("${A:?must}", "alpha"),
        ("${EMPTY?must}", ""),
        ("${NONE:-${B}}", "beta"),
        ("${NONE:-a${NONE:-${B}}c}", "abetac"),
        ("${NONE:-$$x}", "$x"),
        ('${NONE:-{"x":1}}', '{"x":1}'),
        ("${NONE:-{x}y", "{xy"),
        ("${NONE:-a}}b", "a}b"),
        ("${NONE-:-x}", ":-x"),
        ("${A:+${B}}${NONE:-z}", "betaz"),
    ],
)
def test_forms(text, result):
    assert expand(text, VALUES, ignore) == result


@pytest.mark.parametrize(
    "text", ["${", "${}", "${ A}", "${A", "${A!}", "${A:x}", "${1}", "${A[0]}", "${NONE:-a\nb}", "${É}"]
)
def test_broken_templates_are_refused(text):
    with pytest.raises(Invalid):
        expand(text, VALUES, ignore)


def test_endless_nesting_is_refused():
    with pytest.raises(Invalid):
        expand("${NONE:-" * 5000 + "}" * 5000, VALUES, ignore)


def test_demands_name_the_variable_and_never_show_a_value():
    with pytest.raises(Missing) as caught:
        expand("${NONE:?set $A first}", VALUES, ignore)
    assert str(caught.value) == 'variable "NONE" must be set: set $A first'
    text = "services: {web: {image: x, hostname: '${NONE?}', user: '${'}}"
    assert faults(text) == [
        'spec.variable /stack/compose.yaml:1:38: services.web.hostname: variable "NONE" must be set',
        "spec.interpolation /stack/compose.yaml:1:56: services.web.user: a variable name must follow ${"
        " (write $$ for a dollar sign)",
    ]


def test_unset_variables_warn_once():
    loaded = read("services: {web: {image: 'x$ONE', hostname: '$ONE$TWO'}}")
    assert loaded.stack.services["web"].image == "x"
    assert loaded.stack.warnings == (
        'the variable "ONE" is not set and counts as empty',
        'the variable "TWO" is not set and counts as empty',
    )


def test_strings_are_cast_to_what_the_attribute_wants():
    web = service(
        """
        tty: "${T}"
        init: "no"
        scale: "${N}"
        cpus: "0.5"
        ulimits: {nofile: "${N}"}
        ports: [{target: "${P}", published: "${P}"}]
        environment: {N: "${N}"}
        """,
        environment={"T": "yes", "N": "3", "P": "80"},
    )
    assert (web.tty, web.init, web.replicas, web.resources.cpus) == (True, False, 3, 0.5)
    assert (web.ulimits[0].hard, web.ports[0].target, web.ports[0].published) == (3, 80, "80")
    assert web.environment["N"] == "3"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("tty: ${V}", "services.a.tty must be true or false"),
        ("scale: ${V}", "services.a.scale must be a whole number"),
        ("cpus: ${V}", "services.a.cpus must be a number"),
    ],
)
def test_what_cannot_be_cast_is_a_fault_without_the_value(body, what):
    [fault] = faults(f"services:\n  a:\n    image: x\n    {body}\n", environment={"V": "hunter2"})
    assert what in fault
    assert "hunter2" not in fault


def test_keys_are_not_interpolated_and_can_be_left_alone():
    loaded = read(
        "services: {web: {image: 'x:$A', labels: {'$A': '$A'}}}", environment={"A": "v"}, interpolate=False
    )
    web = loaded.stack.services["web"]
    assert (web.image, dict(web.labels)) == ("x:$A", {"$A": "$A"})
    assert loaded.canonical["services"]["web"]["image"] == "x:$A"
    assert read("services: {web: {image: 'a$$b'}}").canonical["services"]["web"]["image"] == "a$$b"
