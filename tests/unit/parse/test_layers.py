"""Several files: merging attribute by attribute, !reset and !override, extends, include."""

from __future__ import annotations

import json

import pytest

from tests.unit.parse.reading import Files, faults, read
from zun_compose.parse import Request, load

BASE = """
    services:
      a:
        image: one
        command: [x]
        entrypoint: e
        environment: [A=1, B=2]
        ports: ["80:80", "81:81"]
        volumes: ["./a:/a", "./b:/b"]
        dns: 1.1.1.1
        expose: [1]
        depends_on: [b]
        labels: {l: base}
        logging: {driver: json-file, options: {a: 1}}
        networks: [n]
        healthcheck: {test: [CMD, a], interval: 1s}
        ulimits: {nofile: 1}
      b: {image: two}
    networks: {n: }
    """


def laid(over, attribute):
    """Lay one attribute of "a" over BASE and return it as docker compose prints it."""
    text = "services:\n  a:\n" + "\n".join(f"    {line}" for line in over.splitlines())
    loaded = read(BASE, files={"compose.override.yaml": text})
    return loaded.canonical["services"]["a"].get(attribute)


@pytest.mark.parametrize(
    ("over", "attribute", "result"),
    [
        ("image: two", "image", "two"),
        ("image: ", "image", "one"),
        ("command: [y, z]", "command", ["y", "z"]),
        ("command: []", "command", []),
        ("command: ", "command", None),
        ("dns: []", "dns", ["1.1.1.1"]),
        ("healthcheck: ", "healthcheck", {"test": ["CMD", "a"], "interval": "1s"}),
        ("environment: {B: 3, C: }", "environment", {"A": "1", "B": "3", "C": None}),
        ("dns: [2.2.2.2]", "dns", ["1.1.1.1", "2.2.2.2"]),
        ("expose: ['1', 2]", "expose", ["1", "2"]),
        ("labels: [m=over]", "labels", {"l": "base", "m": "over"}),
        ("logging: {options: {b: 2}}", "logging", {"driver": "json-file", "options": {"a": "1", "b": "2"}}),
        ("logging: {driver: syslog}", "logging", {"driver": "syslog"}),
        ("healthcheck: {test: [CMD, b]}", "healthcheck", {"test": ["CMD", "b"], "interval": "1s"}),
        ("networks: {n: {aliases: [x]}}", "networks", {"n": {"aliases": ["x"]}}),
        ("ulimits: {nofile: {soft: 1, hard: 2}}", "ulimits", {"nofile": {"soft": 1, "hard": 2}}),
        ("environment: {A: !reset null}", "environment", {"A": "1", "B": "2"}),
        ("labels: {l: !reset null}", "labels", None),
        ("environment: !override {C: 1}", "environment", {"C": "1"}),
        ("ports: !reset []", "ports", None),
        ("command: !reset null", "command", None),
    ],
)
def test_a_later_file_lays_over_an_earlier_one(over, attribute, result):
    assert laid(over, attribute) == result


@pytest.mark.parametrize("key", ["readiness", "x-readiness"])
def test_what_a_service_is_ready_by_is_replaced(key):
    base = {
        "a": {"image": "x", key: {"tcp": 80, "interval": "2s"}},
        "b": {"image": "x", key: [{"log": "up"}]},
    }
    over = {"a": {key: {"http": 81}}, "b": {key: [{"tcp": 82}]}}
    loaded = read(
        json.dumps({"services": base}), files={"compose.override.yaml": json.dumps({"services": over})}
    )
    [[a], [b]] = (loaded.stack.services[name].readiness for name in ("a", "b"))
    assert (a.kind, a.port, a.interval) == ("http", 81, 1.0)
    assert (b.kind, b.port) == ("tcp", 82)


def test_ports_and_volumes_are_told_apart_by_what_they_are():
    ports = laid("ports: ['80:80', '82:82', {target: 81, published: 81}]", "ports")
    assert [port["published"] for port in ports] == ["80", "81", "82"]
    volumes = laid("volumes: ['./c:/b:ro', './d:/d']", "volumes")
    assert [(mount["source"], mount["target"]) for mount in volumes] == [
        ("/stack/a", "/a"),
        ("/stack/c", "/b"),
        ("/stack/d", "/d"),
    ]
    assert [port["published"] for port in laid("ports: !override ['9:9']", "ports")] == ["9"]


def test_dependencies_of_both_forms_join():
    found = laid("depends_on: {b: {condition: service_healthy, restart: true}}", "depends_on")
    assert found == {"b": {"condition": "service_healthy", "required": True, "restart": True}}


def test_what_cannot_be_laid_over_is_named_with_its_file():
    [fault] = faults(
        "services: {a: {image: x, healthcheck: {test: [CMD, a]}}}",
        files={"compose.override.yaml": "services: {a: {healthcheck: [x]}}"},
    )
    assert fault.startswith("spec.merge /stack/compose.override.yaml:1:29: cannot lay a list over a mapping")


def test_extends_in_one_file_and_across_files():
    loaded = read(
        """
        services:
          web: {extends: {file: sub/base.yaml, service: full}, environment: {A: web}}
          copy: {extends: web, labels: {l: copy}}
        """,
        files={
            "sub/base.yaml": """
                services:
                  full: {extends: plain, build: ., env_file: x.env}
                  plain: {image: "x:${TAG}", environment: {A: plain, B: plain}, volumes: ["./v:/v"]}
                """,
            "sub/x.env": "C=file\n",
        },
        environment={"TAG": "7"},
    )
    web, copy = loaded.stack.services["web"], loaded.stack.services["copy"]
    assert (web.image, web.build.context if web.build else None) == ("x:7", "/stack/sub")
    assert dict(web.environment) == {"A": "web", "B": "plain", "C": "file"}
    assert web.mounts[0].source == "/stack/sub/v"
    assert (copy.image, dict(copy.labels), copy.environment["A"]) == ("x:7", {"l": "copy"}, "web")


@pytest.mark.parametrize(
    ("body", "code", "what"),
    [
        (
            "{extends: {file: gone.yaml, service: b}}",
            "file",
            'cannot read "/stack/gone.yaml": there is no such file',
        ),
        ("{extends: bb}", "extends", 'did you mean "b"?'),
        ("{extends: {file: base.yaml, service: q}}", "extends", "which is not in /stack/base.yaml"),
        ("{extends: {file: none.yaml, service: q}}", "extends", "has no services"),
        ("{extends: {file: base.yaml}}", "missing", "services.a.extends needs service"),
        ("{extends: [b]}", "type", "services.a.extends must be a string or a mapping"),
        ("{extends: {service: b, from: x}}", "unknown_key", 'services.a.extends has no attribute "from"'),
        ("{extends: a}", "extends_cycle", "a -> a"),
        ("{extends: {file: loop.yaml, service: x}}", "extends_cycle", "x -> y -> x"),
        ("{extends: {file: 'https://h/x.yaml', service: x}}", "unsupported", "only local files"),
    ],
)
def test_extends_that_leads_nowhere(body, code, what):
    found = faults(
        f"services: {{b: {{image: x}}, a: {body}}}",
        files={
            "base.yaml": "services: {x: {image: x}}",
            "none.yaml": "x-a: 1",
            "loop.yaml": "services: {x: {extends: y}, y: {extends: x}}",
        },
    )
    assert any(fault.startswith(f"spec.{code} ") and what in fault for fault in found)


def test_include_brings_resources_with_their_own_folder_and_variables():
    loaded = read(
        """
        include:
          - sub/compose.yaml
          - path: [other/one.yaml, other/two.yaml]
            env_file: other/my.env
        services:
          web: {image: "w:${TAG:-none}", depends_on: [db, cache]}
        """,
        files={
            "sub/compose.yaml": """
                services: {db: {image: "db:${TAG}", volumes: ["./d:/d", "data:/x"], env_file: db.env}}
                volumes: {data: }
                """,
            "sub/.env": "TAG=sub\n",
            "sub/db.env": "A=1\n",
            "other/one.yaml": "services: {cache: {image: one}}",
            "other/two.yaml": "services: {cache: {image: 'two:${TAG}'}}",
            "other/my.env": "TAG=other\n",
        },
    )
    stack = loaded.stack
    assert {name: entry.image for name, entry in stack.services.items()} == {
        "web": "w:none",
        "db": "db:sub",
        "cache": "two:other",
    }
    assert stack.services["db"].mounts[0].source == "/stack/sub/d"
    assert dict(stack.services["db"].environment) == {"A": "1"}
    assert stack.volumes["data"].name == "stack_data"


@pytest.mark.parametrize(
    ("text", "code", "what"),
    [
        ("include: [gone.yaml]", "file", "there is no such file"),
        ("include: [compose.yaml]", "include_cycle", "/stack/compose.yaml -> /stack/compose.yaml"),
        ("include: [loop.yaml]", "include_cycle", "/stack/loop.yaml -> /stack/loop.yaml"),
        (
            "include: [db.yaml]\nservices: {db: {image: own}}",
            "include_conflict",
            "services.db is also defined",
        ),
        ("include: ['https://h/x.yaml']", "unsupported", "only local files"),
        ("include: ['oci://h/x']", "unsupported", "only local files"),
        ("include: [{}]", "missing", "include[0] needs path"),
        ("include: [{path: ''}]", "include", "needs a path"),
        ("include: db.yaml", "type", "must be a list or empty"),
        ("include: [{path: db.yaml, folder: x}]", "unknown_key", 'include[0] has no attribute "folder"'),
        ("include: [{path: db.yaml, env_file: gone.env}]", "env_file", 'cannot read "/stack/gone.env"'),
    ],
)
def test_include_that_cannot_be(text, code, what):
    found = faults(
        text,
        files={"loop.yaml": "include: [loop.yaml]", "db.yaml": "services: {db: {image: x}}"},
    )
    assert any(fault.startswith(f"spec.{code} ") and what in fault for fault in found)


def test_a_file_may_override_what_another_one_included():
    source = Files(
        {
            "compose.yaml": "include: [db.yaml]",
            "db.yaml": "services: {db: {image: x}}",
            "fix.yaml": "services: {db: {image: y}}",
        }
    )
    request = Request(files=("compose.yaml", "fix.yaml"), environment={})
    assert load(request, source).stack.services["db"].image == "y"


def test_each_file_is_read_once():
    source = Files(
        {
            "compose.yaml": """
                services:
                  a: {extends: {file: b.yaml, service: x}}
                  c: {extends: {file: b.yaml, service: x}}
                """,
            "b.yaml": "services: {x: {image: x, env_file: e.env}}",
            "e.env": "A=1\n",
        }
    )
    load(Request(environment={}), source)
    assert sorted(source.reads) == ["/stack/b.yaml", "/stack/compose.yaml", "/stack/e.env"]


def test_a_later_file_cannot_excuse_an_earlier_one():
    [fault] = faults(
        "services: {a: {image: x, cpuset: 1}}",
        files={"compose.override.yaml": "services: {a: {cpuset: '1'}}"},
    )
    assert "services.a.cpuset must be a string" in fault


@pytest.mark.parametrize(
    ("attribute", "same"),
    [
        ("volumes_from", "[b]"),
        ("external_links", "[b]"),
        ("device_cgroup_rules", "['c 1:3 r']"),
        ("label_file", None),
        ("cap_add", None),
    ],
)
def test_entries_that_two_files_name(attribute, same):
    """Only lists whose entries have an identity forget the first of two."""
    body = f"services: {{a: {{image: x, {attribute}: {same or '[e]'}}}, b: {{image: x}}}}"
    files = {"compose.override.yaml": body, "e": ""}
    if same is None:
        read(body, files=files)
    else:
        [fault] = faults(body, files=files)
        assert "holds an entry twice" in fault


def test_what_counts_as_the_same_entry():
    assert laid("dns_opt: [a=1, a=2]", "dns_opt") == ["a=2"]
    assert laid("tmpfs: [/t, /t=x]", "tmpfs") == ["/t=x"]
    body = """
        services: {a: {image: x, configs: [c, {source: c, target: /c}, {source: c, target: ''}]}}
        configs: {c: {content: x}}
        """
    assert read(body).canonical["services"]["a"]["configs"] == [
        {"source": "c", "target": "/c"},
        {"source": "c"},
    ]


def test_gpus_of_another_file_are_added_to():
    base = "services: {a: {image: x, gpus: all}}"
    loaded = read(
        "services: {b: {extends: {file: base.yaml, service: a}, gpus: [{count: 1}]}}",
        files={"base.yaml": base},
        lenient=True,
    )
    assert loaded.canonical["services"]["b"]["gpus"] == [{"count": -1}, {"count": 1}]
    [fault] = faults(base, files={"compose.override.yaml": base})
    assert "services.a.gpus" in fault


def test_a_reset_in_an_anchor_counts_where_the_anchor_is_merged():
    anchored = "x-a: &a {ports: !reset []}\nservices: {a: {<<: *a, command: c}}"
    assert laid("image: x", "ports") is not None
    loaded = read(BASE, files={"compose.override.yaml": anchored})
    assert "ports" not in loaded.canonical["services"]["a"]
    # In one file it takes away nothing but itself: there is no lower layer.
    loaded = read("x-a: &a {image: x, ports: ['1:1']}\nservices: {a: {<<: *a, ports: !reset []}}")
    assert [port["target"] for port in loaded.canonical["services"]["a"]["ports"]] == [1]


@pytest.mark.parametrize(
    ("over", "what"),
    [("services: ", "services must be a mapping"), ("include: x.yaml", "include must be a list")],
)
def test_sections_of_the_wrong_shape(over, what):
    [fault] = faults(BASE, files={"compose.override.yaml": over, "x.yaml": "services: {c: {image: x}}"})
    assert what in fault
