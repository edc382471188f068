"""YAML to tree: what a plain scalar is, places, and what is refused."""

from __future__ import annotations

import time

import pytest

from tests.unit.parse.reading import faults, read
from zun_compose.parse.scalars import plain
from zun_compose.parse.text import ALIASED, DEPTH
from zun_compose.parse.text import read as read_text
from zun_compose.parse.tree import Faults, locate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("Null", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("12", 12),
        ("+5", 5),
        ("-7", -7),
        ("0o17", 15),
        ("0x1F", 31),
        ("-0x10", -16),
        ("0b11", 3),
        ("1_000", 1000),
        ("0777", 511),
        ("08", 8.0),
        ("089.5", 89.5),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1e400", "1e400"),
        ("1:20", "1:20"),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        ("12345678901234567890123", 12345678901234567890123.0),
        ("-", "-"),
        ("tree", "tree"),
    ],
)
def test_plain_scalars_mean_what_compose_says(text, value):
    found = plain(text)
    assert found == value
    assert type(found) is type(value)


def test_values_reach_the_environment_as_docker_compose_writes_them():
    stack = read(
        """
        services:
          web:
            image: x
            environment: {A: 1_000, B: 0777, C: 1.50, D: yes, E: true, F: 1e21, G: ~, H: "0777"}
        """
    ).stack
    assert dict(stack.services["web"].environment) == {
        "A": "1000",
        "B": "511",
        "C": "1.5",
        "D": "yes",
        "E": "true",
        "F": "1e+21",
        "G": None,
        "H": "0777",
    }


def test_places_are_those_of_key_and_value():
    found = Faults()
    [tree] = read_text(b"services:\n  web:\n    image: nginx\n    ports: [80, 81]\n", "f.yaml", found)
    assert str(locate(tree, ("services", "web", "image"))) == "f.yaml:3:12"
    assert str(locate(tree, ("services", "web", "image"), key=True)) == "f.yaml:3:5"
    assert str(locate(tree, ("services", "web", "ports", 1))) == "f.yaml:4:17"
    assert str(locate(tree, ("services", "web", "absent", "deep"))) == "f.yaml:3:5"


def test_merge_keys_fill_in_and_never_override():
    stack = read(
        """
        x-base: &base {image: one, restart: always, labels: {a: base}}
        x-other: &other {image: two, hostname: h}
        services:
          web:
            <<: [*base, *other]
            labels: {b: own}
        """
    ).stack
    web = stack.services["web"]
    assert (web.image, web.restart.name, web.hostname, dict(web.labels)) == (
        "one",
        "always",
        "h",
        {"b": "own"},
    )


def test_aliases_are_copies():
    stack = read(
        """
        x-env: &env {A: "${HOME}"}
        services:
          one: {image: x, environment: *env}
          two: {image: x, environment: *env}
        """,
        files={"compose.override.yaml": "services: {one: {environment: {A: changed}}}"},
    ).stack
    assert stack.services["one"].environment["A"] == "changed"
    assert stack.services["two"].environment["A"] == "/home/me"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x-a: 1\nservices: {}\nx-a: 2\n", "spec.duplicate_key /stack/compose.yaml:3:1"),
        ("services:\n\tweb: {}\n", "spec.yaml /stack/compose.yaml:2:1: not YAML"),
        (b"services: \xff\n", "spec.encoding /stack/compose.yaml:1:11: the file is not UTF-8"),
        ("services: {web: &a {image: x, labels: *a}}", "spec.anchor_cycle /stack/compose.yaml:1:39"),
        ("services: {web: *nobody}", "spec.anchor /stack/compose.yaml:1:17"),
        ("services: {1: {image: x}}", "spec.key /stack/compose.yaml:1:12"),
        ("services: {[a]: {image: x}}", "spec.key /stack/compose.yaml:1:12"),
        ("services: {a: !!python/object:os.system x}", "spec.tag /stack/compose.yaml:1:15: unknown tag"),
        ("- services", "spec.type /stack/compose.yaml:1:1: the file must hold a mapping"),
        ("services: {a: {<<: 3, image: x}}", "spec.merge_key /stack/compose.yaml:1:20"),
        (
            "services: {a: {image: 2020-01-01}}",
            "spec.type /stack/compose.yaml:1:23: services.a.image must be a string, not a date",
        ),
        ("services: {a: {image: x}\n", "spec.yaml /stack/compose.yaml:2:1: not YAML"),
        ("services: \x07", "spec.yaml /stack/compose.yaml:1:"),
    ],
)
def test_what_is_refused_has_its_place(text, fault):
    assert faults(text)[0].startswith(fault)


def test_tabs_get_a_hint():
    assert "indent with spaces" in faults("services:\n\tweb: {}\n")[0]


def test_bombs_and_wells_are_refused_at_once():
    layers = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    layers += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    hostile = {
        "alias_bomb": "\n".join(layers),
        "too_deep": "a: " + "[" * 100_000,
    }
    for code, text in hostile.items():
        started = time.process_time()
        assert any(f"spec.{code} " in fault for fault in faults(text))
        assert time.process_time() - started < 1
    assert any("spec.too_deep" in fault for fault in faults("- " * 100_000 + "a"))
    assert any("spec.too_deep" in fault for fault in faults("? " * 100_000 + "a"))


def test_nesting_and_aliases_below_the_limits_are_fine():
    deep = "x-deep: " + "[" * (DEPTH - 2) + "]" * (DEPTH - 2) + "\nservices: {a: {image: x}}\n"
    assert list(read(deep).stack.services) == ["a"]
    wide = (
        "x-a: &a [" + "1," * 90 + "1]\nx-b: [" + "*a," * (ALIASED // 100) + "*a]\nservices: {a: {image: x}}\n"
    )
    assert list(read(wide).stack.services) == ["a"]


def test_documents_of_one_file_are_merged_in_order():
    stack = read("services: {a: {image: one}}\n---\nservices: {a: {image: two}, b: {image: three}}\n").stack
    assert [(name, entry.image) for name, entry in stack.services.items()] == [("a", "two"), ("b", "three")]
