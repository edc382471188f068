"""Faults: place, near match, several at once, and what refers to nothing."""

from __future__ import annotations

import pytest

from tests.unit.parse.reading import faults, read
from zun_compose.errors import SpecError, UsageError


def test_all_faults_of_all_files_come_at_once_in_file_order():
    found = faults(
        """\
        services:
          web:
            image: 3
            port: ["80:80"]
            restart: [always]
        volums: {}
        """,
        files={"compose.override.yaml": "services:\n  db:\n    image: x\n    tty: []\n"},
    )
    assert found == [
        "spec.type /stack/compose.yaml:3:12: services.web.image must be a string, not a whole number"
        " (put it in quotes)",
        'spec.unknown_key /stack/compose.yaml:4:5: services.web has no attribute "port"'
        ' (did you mean "ports"?)',
        "spec.type /stack/compose.yaml:5:14: services.web.restart must be a string, not a list",
        'spec.unknown_key /stack/compose.yaml:6:1: unknown top-level key "volums" (did you mean "volumes"?)',
        "spec.type /stack/compose.override.yaml:4:10: services.db.tty must be true or false or a string,"
        " not a list",
    ]


def test_faults_of_every_phase_come_at_once():
    found = faults(
        """        services:
          web:
            image: x
            restart: sometimes
            depends_on: {gone: {condition: service_started}}
            x-readiness: {http: {prot: 80}}
            networks: [back]
          db:
            imge: x
            image: x
            depends_on: {web: {condition: service_started, x-timeout: soon}}
        """
    )
    assert [fault.split(":")[1] for fault in found] == ["4", "5", "6", "7", "9", "11"]
    assert 'service "web" depends on undefined service "gone"' in found[1]


def test_the_error_ends_with_two_and_says_its_code():
    with pytest.raises(SpecError) as caught:
        read("services: {a: {imag: x}}")
    assert caught.value.exit_code == 2
    assert caught.value.code == "spec.unknown_key"


@pytest.mark.parametrize(
    ("text", "code", "what"),
    [
        (
            "{a: {image: x, networks: [frnt]}}\nnetworks: {front: }",
            "undefined_network",
            'did you mean "front"?',
        ),
        ("{a: {image: x, volumes: ['data:/d']}}", "undefined_volume", "declare it under volumes:"),
        ("{a: {image: x, secrets: [s]}}", "undefined_secret", 'undefined secret "s"'),
        ("{a: {image: x, configs: [s]}}", "undefined_config", 'undefined config "s"'),
        (
            "{a: {image: x, depends_on: [databse]}, database: {image: x}}",
            "undefined_service",
            'did you mean "database"?',
        ),
        (
            "{a: {image: x, network_mode: 'service:b'}}",
            "undefined_service",
            'depends on undefined service "b"',
        ),
        ("{a: {image: x, links: ['b:c']}}", "undefined_service", 'depends on undefined service "b"'),
        ("{a: {image: x, volumes_from: [b]}}", "undefined_service", 'depends on undefined service "b"'),
        (
            "{a: {image: x, depends_on: [b]}, b: {image: x, profiles: [debug]}}",
            "inactive_service",
            "it needs the profile debug",
        ),
        ("{a: {}}", "missing", "has neither image nor build"),
        ("{a: }", "type", "services.a must be a mapping, not empty"),
        (
            "{a: {image: x, network_mode: host, networks: [n]}}\nnetworks: {n: }",
            "conflict",
            "both network_mode and networks",
        ),
        (
            "{a: {image: x, container_name: ab}, b: {image: x, container_name: ab}}",
            "conflict",
            "the same container_name",
        ),
        ("{a: {image: x, container_name: ab, scale: 2}}", "conflict", "cannot have 2 replicas"),
        ("{a: {image: x, scale: 2, deploy: {replicas: 3}}}", "conflict", "scale and deploy.replicas differ"),
        (
            "{a: {image: x, mem_limit: 1m, deploy: {resources: {limits: {memory: 2m}}}}}",
            "conflict",
            "mem_limit",
        ),
        ("{a: {build: {context: ., dockerfile: D, dockerfile_inline: FROM}}}", "conflict", "both dockerfile"),
        ("{a: {image: x}}\nsecrets: {s: {}}", "missing", "does not say where its content is"),
        ("{a: {image: x}}\nsecrets: {s: {file: f, environment: E}}", "conflict", "both file and environment"),
        (
            "{a: {image: x}}\nvolumes: {v: {external: true, driver: d}}",
            "conflict",
            "is external and cannot have driver",
        ),
        ("{a: {image: x, pull_policy: sometimes}}", "value", "always, never, missing"),
        ("{a: {image: x, depends_on: {b: {condition: healthy}}}, b: {image: x}}", "value", "did you mean"),
        ("{a: {image: x, depends_on: {b: {}}}, b: {image: x}}", "missing", "needs condition"),
        ("{'a b': {image: x}}", "name", 'services cannot hold the name "a b"'),
    ],
)
def test_what_does_not_fit_together(text, code, what):
    [fault] = faults(f"services: {text}\n")
    assert (
        fault.startswith(f"spec.{code} /stack/compose.yaml:1:")
        or f"spec.{code} /stack/compose.yaml:2:" in fault
    )
    assert what in fault


def test_an_optional_edge_to_an_inactive_service_is_dropped():
    text = """
        services:
          a: {image: x, depends_on: {b: {condition: service_started, required: false}}}
          b: {image: x, profiles: [debug]}
        """
    stack = read(text).stack
    assert stack.services["a"].dependencies == ()
    assert stack.inactive == {"b": ("debug",)}
    assert [edge.on for edge in read(text, profiles=("debug",)).stack.services["a"].dependencies] == ["b"]


def test_named_services_enable_their_profiles():
    text = (
        "services: {a: {image: x, profiles: [p]}, b: {image: x, profiles: [p]}, c: {image: x, profiles: [q]}}"
    )
    assert list(read(text).stack.services) == []
    assert list(read(text, services=("a",)).stack.services) == ["a", "b"]
    assert list(read(text, profiles=("*",)).stack.services) == ["a", "b", "c"]
    assert list(read(text, environment={"COMPOSE_PROFILES": "q, r"}).stack.services) == ["c"]


@pytest.mark.parametrize("name", ["Upper", "-x", "a b", "ä"])
def test_a_given_name_must_be_valid(name):
    with pytest.raises(UsageError):
        read("services: {a: {image: x}}", name=name)


def test_the_name_comes_from_the_caller_then_the_file_then_the_folder():
    text = "services: {a: {image: '${COMPOSE_PROJECT_NAME}'}}"
    assert read(text).stack.name == "stack"
    assert read("name: My.Shop-1\n" + text).stack.services["a"].image == "myshop-1"
    assert read("name: '${N:-dflt}'\n" + text).stack.name == "dflt"
    assert read("name: file\n" + text, environment={"COMPOSE_PROJECT_NAME": "env"}).stack.name == "env"
    assert (
        read("name: file\n" + text, environment={"COMPOSE_PROJECT_NAME": "env"}, name="arg").stack.name
        == "arg"
    )


def test_no_fault_or_event_shows_an_environment_value():
    secret = "hunter2"
    with pytest.raises(SpecError) as caught:
        read(
            "services: {a: {image: x, tty: '$S', environment: {P: '$S'}, env_file: e.env, cap: '$S'}}",
            environment={"S": secret},
            files={"e.env": f"A='{secret}\nB={secret} ${{{secret}\n"},
        )
    assert secret not in str(caught.value)


def test_a_wrong_key_does_not_hide_what_is_wrong_elsewhere():
    text = """
services:
  db: {imge: x, image: x, healthcheck: {test: [CMD, x], interval: 5x}}
  app:
    image: x
    depends_on: {db: {condition: service_readdy}, cache: {condition: service_started}}
    networks: [front]
"""
    found = "\n".join(faults(text))
    for word in ("imge", "interval", "service_readdy", '"cache"', '"front"'):
        assert word in found
    assert "has neither" not in found


@pytest.mark.parametrize("text", ["{}", "", "# nothing", "version: '3'", "include: []"])
def test_an_empty_file_is_refused(text):
    [fault] = faults(text)
    assert "there is nothing in the stack file" in fault


def test_an_empty_document_is_refused():
    [fault] = faults("services: {a: {image: x}}\n---\n# nothing\n")
    assert "must hold a mapping" in fault
