"""Fates as people write them."""

from __future__ import annotations

import math

import pytest

from tests.unit.drivers.memory_stack import spec
from zun_compose.container import PortKey
from zun_compose.drivers.memory import (
    Failing,
    Failure,
    Fate,
    Line,
    MemoryDriver,
    Outcome,
    Run,
    check_fates,
    read,
)
from zun_compose.drivers.memory.fate import ALWAYS
from zun_compose.errors import Mark, Rejected, SpecError
from zun_compose.model import Service, Stack


def test_every_key_is_read() -> None:
    fate = read(
        {
            "create_takes": 0.1,
            "start_takes": "250ms",
            "stop_takes": "1m30s",
            "remove_takes": 1,
            "exec_takes": 0,
            "stop_code": 1,
            "ignores_term": True,
            "fail": {
                "create": ["conflict", 2],
                "start": "timeout",
                "stop": {"kind": "rejected", "times": "always"},
            },
            "listens": {8080: 0.5, "53/udp": 1},
            "closes": {"8080": 5},
            "loopback": [9000],
            "healthy_after": 2,
            "unhealthy_after": "never",
            "exits_after": 30,
            "exit_code": 4,
            "oom": False,
            "log": ["at once", [0.5, "later"], [0.2, "bad", "stderr"]],
            "exec": {"pg_isready": [[0, 1, "no"], [3, 0]], "*": 7},
        }
    )
    run = Run(
        listens={PortKey(8080): 0.5, PortKey(53, "udp"): 1.0},
        closes={PortKey(8080): 5.0},
        loopback=frozenset({PortKey(9000)}),
        healthy_after=2.0,
        unhealthy_after=math.inf,
        exits_after=30.0,
        exit_code=4,
        log=(Line(0.0, "at once"), Line(0.2, "bad", "stderr"), Line(0.5, "later")),
        execs={"pg_isready": (Outcome(0.0, 1, "no"), Outcome(3.0, 0)), "*": (Outcome(0.0, 7),)},
    )
    assert fate == Fate(
        create_takes=0.1,
        start_takes=0.25,
        stop_takes=90.0,
        remove_takes=1.0,
        stop_code=1,
        ignores_term=True,
        fail={
            "create": Failing(kind=Failure.CONFLICT, times=2),
            "start": Failing(kind=Failure.TIMEOUT),
            "stop": Failing(kind=Failure.REJECTED, times=ALWAYS),
        },
        runs=(run,),
    )
    assert run.changes == (0.2, 0.5, 1.0, 2.0, 3.0, 5.0)


def test_runs_stand_on_what_is_said_for_all() -> None:
    fate = read({"exit_code": 3, "runs": [{"exits_after": 1}, {"exit_code": 0, "exits_after": 2}, {}]})
    assert [(run.exits_after, run.exit_code) for run in fate.runs] == [(1.0, 3), (2.0, 0), (math.inf, 3)]
    assert fate.run(0) is fate.runs[0]
    assert fate.run(99) is fate.runs[2]


def test_exec_by_time_alone_is_for_all_commands() -> None:
    assert read({"exec": {0: 1, 2.5: 0}}).runs[0].execs == {"*": (Outcome(0.0, 1), Outcome(2.5, 0))}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ({"listen": {80: 1}}, 'unknown key "listen" (did you mean "listens"?)'),
        ({"runs": [{"start_takes": 1}]}, 'unknown key "start_takes"'),
        ({"runs": []}, '"runs" must be a list of mappings'),
        ({"listens": [80]}, '"listens" must map ports to seconds'),
        ({"listens": {"http": 1}}, '"listens" names ports such as'),
        ({"listens": {70000: 1}}, '"listens" names ports such as'),
        ({"exits_after": "soon"}, '"exits_after" must be seconds'),
        ({"exits_after": -1}, '"exits_after" must be seconds'),
        ({"exits_after": True}, '"exits_after" must be seconds'),
        ({"exit_code": "1"}, '"exit_code" must be a whole number'),
        ({"ignores_term": "yes"}, '"ignores_term" must be true or false'),
        ({"loopback": 80}, '"loopback" must be a list of ports'),
        ({"log": "text"}, '"log" must be a list'),
        ({"log": [[1]]}, '"log" holds lines'),
        ({"exec": [[0]]}, '"exec" is an exit code'),
        ({"exec": "true"}, '"exec" is an exit code'),
        ({"fail": ["create"]}, '"fail" must map calls'),
        ({"fail": {"creat": "conflict"}}, '"fail" knows no call "creat" (did you mean "create"?)'),
        ({"fail": {"create": "conflicts"}}, '"fail" knows no kind "conflicts" (did you mean "conflict"?)'),
        ({"fail": {"create": {"kind": "conflict", "time": 2}}}, '"fail" is [kind, times]'),
    ],
)
def test_what_is_wrong_is_named(script, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(script, subject="db", mark=Mark("stack.yaml", 4, 7))
    assert caught.value.code == "spec.fate"
    assert str(caught.value).startswith('stack.yaml:4:7: fate of service "db": ')
    assert said in str(caught.value)


def test_all_faults_of_a_stack_are_found_at_once() -> None:
    stack = Stack(
        name="s",
        services={
            "a": Service(name="a", fate={"x": 1, "exit_code": "1"}),
            "b": Service(name="b"),
            "c": Service(name="c", fate={"oom": 1}),
        },
    )
    with pytest.raises(SpecError) as caught:
        check_fates(stack)
    assert len(caught.value.faults) == 3
    check_fates(Stack(name="s", services={"b": Service(name="b")}))


def test_a_wrong_fate_of_a_file_is_refused_at_creation() -> None:
    driver = MemoryDriver()
    with pytest.raises(Rejected, match='did you mean "exit_code"'):
        driver.create(spec("db", fate={"exitcode": 1}))
    assert driver.list("s") == []


def test_a_wrong_fate_of_ours_is_refused_at_once() -> None:
    with pytest.raises(SpecError):
        MemoryDriver({"db": {"exitcode": 1}})
