"""Our own words, in both spellings."""

from __future__ import annotations

import textwrap

import pytest

from tests.unit.parse.reading import faults, read, service
from zun_compose.model import Condition, Dependency, Probe, ProbeKind
from zun_compose.record import replace


def probe(text, key="x-readiness"):
    """Bind one probe, without its place."""
    found = service(f"{key}: {text}").readiness
    assert len(found) == 1
    assert found[0].mark is not None
    return replace(found[0], mark=None)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("listening", Probe(kind=ProbeKind.LISTENING)),
        ("{listening: true}", Probe(kind=ProbeKind.LISTENING)),
        ("{listening: 80}", Probe(kind=ProbeKind.LISTENING, ports=(80,))),
        ("{listening: [80, '81']}", Probe(kind=ProbeKind.LISTENING, ports=(80, 81))),
        ("{tcp: 5432, interval: 500ms}", Probe(kind=ProbeKind.TCP, port=5432, interval=0.5)),
        (
            "{tcp: {port: 1}, timeout: 2, successes: 3}",
            Probe(kind=ProbeKind.TCP, port=1, timeout=2.0, successes=3),
        ),
        ("{http: 8080, deadline: 1m}", Probe(kind=ProbeKind.HTTP, port=8080, deadline=60.0)),
        ("{http: ':8080/healthz?a=b'}", Probe(kind=ProbeKind.HTTP, port=8080, path="/healthz?a=b")),
        (
            "{http: {port: 1, path: /x, scheme: https, method: head, status: ['200-299', 404],"
            " headers: {A: 1}, body: ok}}",
            Probe(
                kind=ProbeKind.HTTP,
                port=1,
                path="/x",
                scheme="https",
                method="HEAD",
                statuses=((200, 299), (404, 404)),
                headers={"A": "1"},
                body="ok",
            ),
        ),
        ("{exec: [pg_isready, -q]}", Probe(kind=ProbeKind.EXEC, command=("CMD", "pg_isready", "-q"))),
        ("{exec: [CMD, a]}", Probe(kind=ProbeKind.EXEC, command=("CMD", "a"))),
        ("{exec: 'test -f /ok'}", Probe(kind=ProbeKind.EXEC, command=("CMD-SHELL", "test -f /ok"))),
        ("{log: 'ready .*'}", Probe(kind=ProbeKind.LOG, pattern="ready .*")),
    ],
)
def test_probes(text, bound):
    assert probe(text) == bound
    assert probe(text, "readiness") == bound


def test_several_probes_and_the_portable_one_wins():
    web = service("x-readiness: [{tcp: 1}, {log: up}]\nreadiness: listening")
    assert [entry.kind for entry in web.readiness] == [ProbeKind.TCP, ProbeKind.LOG]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{tpc: 1}", 'did you mean "tcp"?'),
        ("{tcp: 1, http: 2}", "needs exactly one of"),
        ("{interval: 1s}", "needs exactly one of"),
        ("{tcp: 1, intervall: 1s}", 'did you mean "interval"?'),
        ("{tcp: 0}", "must be a port"),
        ("{tcp: {}}", "needs a port"),
        ("{tcp: 'other:80'}", "cannot name a host"),
        ("{tcp: 1, interval: 0}", "must be more than 0"),
        ("{tcp: 1, timeout: soon}", "must be a duration"),
        ("{tcp: 1, successes: 0}", "must be a whole number of at least 1"),
        ("{http: {path: /x}}", "needs a port"),
        ("{http: {port: 1, path: x}}", "must start with /"),
        ("{http: {port: 1, status: 2xx}}", "must be a status"),
        ("{http: {port: 1, status: 299-200}}", "runs backwards"),
        ("{http: {port: 1, headers: {'A B': c}}}", "is no valid header"),
        ("{http: {port: 1, headers: {A: [b]}}}", "is no valid header"),
        ("{http: {port: 1, scheme: ftp}}", "must be http or https"),
        ("{http: 'user@:1/'}", "is no address"),
        ("{exec: []}", "must be a command"),
        ("{log: '('}", "is no regular expression"),
        ("{listening: false}", "must be true, a port or a list"),
        ("7", "must be a mapping"),
    ],
)
def test_what_is_no_probe(text, what):
    [fault] = faults(f"services:\n  a:\n    image: x\n    x-readiness: {text}\n")
    assert "/stack/compose.yaml:4:" in fault
    assert what in fault


def test_the_probe_that_loses_is_read_too():
    [fault] = faults("services: {a: {image: x, x-readiness: listening, readiness: {tpc: 1}}}")
    assert 'readiness has no attribute "tpc"' in fault


def edges(body, *, top="", **wanted):
    """Bind the dependencies of "app" without their places."""
    text = "services:\n  db: {image: x}\n  app:\n    image: x\n" + textwrap.indent(
        textwrap.dedent(body), "    "
    )
    found = read(text + "\n" + textwrap.dedent(top), **wanted).stack.services["app"].dependencies
    assert all(edge.mark is not None for edge in found)
    return [replace(edge, mark=None) for edge in found]


@pytest.mark.parametrize(
    ("body", "edge"),
    [
        ("depends_on: [db]", Dependency(on="db")),
        ("depends_on: {db: {condition: service_healthy}}", Dependency(on="db", condition=Condition.HEALTHY)),
        ("depends_on: {db: {condition: service_ready}}", Dependency(on="db", condition=Condition.READY)),
        (
            "depends_on: {db: {condition: service_started, x-condition: listening}}",
            Dependency(on="db", condition=Condition.LISTENING),
        ),
        (
            "depends_on: {db: {condition: service_completed_successfully, timeout: 5s, retries: 2,"
            " replicas: any}}",
            Dependency(
                on="db", condition=Condition.COMPLETED_SUCCESSFULLY, timeout=5.0, retries=2, replicas=1
            ),
        ),
        (
            "depends_on: {db: {condition: service_started, x-timeout: 90, x-retries: 0, x-replicas: all}}",
            Dependency(on="db", timeout=90.0, retries=0),
        ),
        (
            "depends_on: {db: {condition: service_started, required: false, restart: true, x-replicas: 2}}",
            Dependency(on="db", required=False, restart=True, replicas=2),
        ),
        ("network_mode: 'service:db'", Dependency(on="db", restart=True, implicit=True)),
        ("links: ['db:alias']", Dependency(on="db", restart=True, implicit=True)),
        ("volumes_from: ['db:ro']", Dependency(on="db", implicit=True)),
        ("pid: 'service:db'\ndepends_on: [db]", Dependency(on="db")),
    ],
)
def test_edges(body, edge):
    assert edges(body) == [edge]


@pytest.mark.parametrize(
    ("top", "wanted", "condition"),
    [
        ("", {}, Condition.STARTED),
        ("x-zun: {gate: ready}", {}, Condition.READY),
        ("", {"default_gate": Condition.HEALTHY}, Condition.HEALTHY),
        ("x-zun: {gate: ready}", {"default_gate": Condition.STARTED}, Condition.STARTED),
    ],
)
def test_what_the_short_form_waits_for(top, wanted, condition):
    [short] = edges("depends_on: [db]", top=top, **wanted)
    [long] = edges("depends_on: {db: {condition: service_healthy}}", top=top, **wanted)
    [implied] = edges("links: [db]", top=top, **wanted)
    assert (short.condition, long.condition, implied.condition) == (
        condition,
        Condition.HEALTHY,
        Condition.STARTED,
    )


def test_a_service_can_have_its_own_gate():
    [edge] = edges("depends_on: [db]\nx-zun: {gate: listening}", top="x-zun: {gate: ready}")
    assert edge.condition is Condition.LISTENING


def test_jobs():
    stack = read(
        """
        services:
          a: {image: x, depends_on: {migrate: {condition: service_completed_successfully}}}
          migrate: {image: x}
          said: {image: x, x-zun: {job: true, once: true, fate: {exit: 0}}}
          deployed: {image: x, deploy: {mode: replicated-job}}
          plain: {image: x}
        """
    ).stack
    assert {name for name, entry in stack.services.items() if entry.job} == {"migrate", "said", "deployed"}
    assert stack.services["said"].once
    assert stack.services["said"].fate == {"exit": 0}


def test_externals():
    loaded = read(
        """
        services:
          a: {image: x, x-depends-on: [db]}
          b: {image: x, x-depends-on: {api: {x-timeout: 5s, required: false}}}
        x-zun:
          externals:
            db: {tcp: "db.example:5432", interval: 2s}
            api: {http: "https://api.example/up"}
            both: {readiness: [{tcp: {host: h, port: 1}}, {http: {host: h, port: 2, path: /x}}]}
        """
    )
    stack = loaded.stack
    [tcp] = stack.externals["db"].probes
    assert (tcp.kind, tcp.host, tcp.port, tcp.interval) == (ProbeKind.TCP, "db.example", 5432, 2.0)
    [http] = stack.externals["api"].probes
    assert (http.scheme, http.host, http.port, http.path) == ("https", "api.example", 443, "/up")
    assert len(stack.externals["both"].probes) == 2
    [edge] = stack.services["a"].dependencies
    assert (edge.on, edge.external, edge.condition) == ("db", True, Condition.READY)
    [edge] = stack.services["b"].dependencies
    assert (edge.timeout, edge.required) == (5.0, False)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("x-zun: {jbo: true}", 'did you mean "job"?'),
        ("x-zun: {job: 'yes'}", "must be true or false"),
        ("x-zun: {gate: read}", 'did you mean "ready"?'),
        ("x-depends-on: [nobody]", 'unknown external "nobody"'),
        ("depends_on: {b: {condition: service_started, x-timeout: soon}}", "must be a duration"),
        ("depends_on: {b: {condition: service_started, x-condition: helthy}}", 'did you mean "healthy"?'),
        (
            "depends_on: {b: {condition: service_started, x-replicas: 0}}",
            "must be a whole number of at least 1",
        ),
    ],
)
def test_own_words_are_checked(body, what):
    [fault] = faults(f"services:\n  b: {{image: x}}\n  a:\n    image: x\n    {body}\n")
    assert "/stack/compose.yaml:5:" in fault
    assert what in fault


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{gat: ready}", 'did you mean "gate"?'),
        ("{externals: {a: {}}}", "needs exactly one of"),
        ("{externals: {a: {tcp: 80}}}", "needs a host"),
        ("{externals: {a: {exec: [x]}}}", 'has no attribute "exec"'),
        ("{externals: {a: {readiness: {exec: [x]}}}}", "cannot ask something outside"),
        ("{externals: {a: {readiness: {tcp: 'h:1'}, interval: 1s}}}", "belongs to a probe"),
        ("[]", "must be a mapping"),
    ],
)
def test_the_stacks_own_words_are_checked(text, what):
    [fault] = faults(f"services: {{a: {{image: x}}}}\nx-zun: {text}\n")
    assert "/stack/compose.yaml:2:" in fault
    assert what in fault


def test_what_an_edge_to_the_outside_takes():
    [fault] = faults(
        """
        services: {a: {image: x, x-depends-on: {mail: {x-required: false}}}}
        x-zun: {externals: {mail: {tcp: "mail.example:25"}}}
        """
    )
    assert 'has no attribute "x-required" (did you mean "required"?)' in fault
    [fault] = faults("services: {a: {image: x, x-depends-on: [{mail: {}}]}}")
    assert "services.a.x-depends-on[0] must be the name of an external" in fault


def test_near_misses_of_portable_words_warn():
    loaded = read(
        """
        services:
          b: {image: x}
          a:
            image: x
            x-readines: listening
            x-mine: 1
            depends_on: {b: {condition: service_started, x-timeot: 1}}
        """
    )
    assert loaded.stack.warnings == (
        'services.a: x-readines means nothing here, did you mean "x-readiness"?',
        'services.a.depends_on.b: x-timeot means nothing here, did you mean "x-timeout"?',
    )


def test_own_words_stay_out_of_json_and_portable_ones_in_yaml():
    loaded = read(
        "services: {a: {image: x, x-readiness: listening, readiness: listening}}\nx-zun: {gate: ready}",
        name="n",
    )
    assert "readiness" not in str(loaded.canonical["services"])
    assert loaded.extended["services"]["a"]["x-readiness"] == "listening"
    assert loaded.canonical["x-zun"] == {"gate": "ready"}
