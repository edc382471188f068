"""The drawings of one stack that has something of everything."""

from __future__ import annotations

import json

import pytest

from zun_compose import graph
from zun_compose.errors import Mark, SpecError
from zun_compose.model import Condition, Dependency, External, Probe, ProbeKind, Service, Stack

SHOP = Stack(
    name="shop",
    services={
        "web": Service(
            name="web",
            dependencies=(
                Dependency(on="migrate", condition=Condition.COMPLETED_SUCCESSFULLY, timeout=90.0),
                Dependency(on="db", condition=Condition.HEALTHY, mark=Mark("stack.yaml", 7, 9)),
                Dependency(on="cache", required=False, restart=True, replicas=1, retries=3),
                Dependency(on="mail", condition=Condition.READY, external=True),
            ),
        ),
        "db": Service(name="db"),
        "cache": Service(name="cache"),
        "migrate": Service(
            name="migrate", dependencies=(Dependency(on="db", condition=Condition.LISTENING, replicas=2),)
        ),
    },
    externals={
        "mail": External(name="mail", probes=(Probe(kind=ProbeKind.TCP, host="mail.example", port=25),))
    },
)


def test_text() -> None:
    assert graph.text(SHOP) == (
        "shop: 4 services in 3 levels\n"
        "   1  db\n"
        "      cache\n"
        "   2  migrate  <- db (listening, 2 replicas)\n"
        "   3  web      <- migrate (completed successfully, within 90s), db (healthy), "
        "cache (started, any, retries 3, optional, restart), mail (ready)\n"
        "outside the stack: mail\n"
    )


def test_mermaid() -> None:
    assert graph.mermaid(SHOP) == (
        "flowchart LR\n"
        '  n0["web"]\n'
        '  n1["db"]\n'
        '  n2["cache"]\n'
        '  n3["migrate"]\n'
        '  n4(["mail"])\n'
        '  n3 -->|"completed successfully, within 90s"| n0\n'
        '  n1 -->|"healthy"| n0\n'
        '  n2 -.->|"started, any, retries 3, optional, restart"| n0\n'
        '  n4 -->|"ready"| n0\n'
        '  n1 -->|"listening, 2 replicas"| n3\n'
    )


def test_dot() -> None:
    assert graph.dot(SHOP) == (
        'digraph "shop" {\n'
        "  rankdir=LR;\n"
        "  node [shape=box];\n"
        '  n0 [label="web"];\n'
        '  n1 [label="db"];\n'
        '  n2 [label="cache"];\n'
        '  n3 [label="migrate"];\n'
        '  n4 [label="mail", style=dashed];\n'
        '  n3 -> n0 [label="completed successfully, within 90s"];\n'
        '  n1 -> n0 [label="healthy"];\n'
        '  n2 -> n0 [label="started, any, retries 3, optional, restart", style=dashed];\n'
        '  n4 -> n0 [label="ready"];\n'
        '  n1 -> n3 [label="listening, 2 replicas"];\n'
        "}\n"
    )


def test_json_says_everything() -> None:
    read = json.loads(graph.as_json(SHOP))
    assert read == graph.as_dict(SHOP)
    assert read["services"] == [
        {"name": "web", "level": 3},
        {"name": "db", "level": 1},
        {"name": "cache", "level": 1},
        {"name": "migrate", "level": 2},
    ]
    assert read["externals"] == [{"name": "mail"}]
    assert read["edges"][1] == {
        "from": "web",
        "to": "db",
        "condition": "service_healthy",
        "required": True,
        "restart": False,
        "timeout": None,
        "retries": None,
        "replicas": None,
        "external": False,
        "implicit": False,
        "implied": True,
        "mark": "stack.yaml:7:9",
    }
    assert [edge["to"] for edge in read["edges"] if edge["implied"]] == ["db"]


def test_a_stack_of_nothing_can_be_drawn() -> None:
    empty = Stack(name="empty", services={})
    assert graph.text(empty) == "empty: 0 services in 0 levels\n"
    assert graph.mermaid(empty) == "flowchart LR\n"
    assert json.loads(graph.as_json(empty))["edges"] == []


@pytest.mark.parametrize("name", sorted(graph.FORMATS))
def test_every_format_refuses_a_cycle(name: str) -> None:
    knot = {"a": Service(name="a", dependencies=(Dependency(on="a"),))}
    with pytest.raises(SpecError):
        graph.FORMATS[name](Stack(name="s", services=knot))


def test_what_is_implied_in_a_huge_stack_is_left_open() -> None:
    names = [f"s{number}" for number in range(1001)]
    services = {
        name: Service(name=name, dependencies=tuple(Dependency(on=on) for on in names[max(0, at - 2) : at]))
        for at, name in enumerate(names)
    }
    drawn = graph.as_dict(Stack(name="s", services=services))
    assert {edge["implied"] for edge in drawn["edges"]} == {None}
    assert drawn["services"][-1] == {"name": "s1000", "level": 1001}
