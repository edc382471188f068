"""The proxy for Zun on a network that fails: the right answer or the right error, in time, and no duplicate.

The cloud is real, a fault proxy stands before its Zun. What has come of a call is asked of Zun directly, and
of the Docker engine that carries the containers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from openstack import exceptions as sdk

from tests.faults.ledger import Passed
from tests.faults.script import Rule
from tests.openstack.conftest import Zun
from tests.openstack.ordeals import METHOD, ONCE, PATIENCE, Call, Ordeal, ordeals
from tests.openstack.stand import SECRET, TRIES, Stand, eventually, standing

NUMBER = 200 if os.environ.get("ZUN_COMPOSE_SOAK") == "1" else 40
# Besides waiting for answers: pauses between tries, what Zun itself takes, a busy machine.
SLACK = 10.0
# A POST without an answer is followed by so many seconds of looking for what it made.
LOOKING = 4.0

pytestmark = [pytest.mark.soak, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def stand(demo: Zun) -> Iterator[Stand]:
    """A container that runs, and the proxy before its Zun."""
    with standing(demo) as stand:
        yield stand


@pytest.mark.parametrize("ordeal", ordeals(NUMBER), ids=str)
def test_a_call_that_meets_a_fault(stand: Stand, ordeal: Ordeal):
    case = _CASES[ordeal.call](stand, ordeal)
    case.prepare()
    stand.proxy.forget()
    stand.proxy.play(
        Rule(method=ordeal.method, path=case.path, fault=ordeal.fault, times=None if ordeal.lasting else 1)
    )
    began = time.monotonic()
    try:
        answer, raised = case.call(), None
    except sdk.SDKException as error:
        answer, raised = None, error
    took = time.monotonic() - began
    passed = stand.proxy.settle(30.0)
    stand.proxy.play()
    try:
        assert type(raised) is (ordeal.expected or type(None)), raised
        assert any(one.fault is not None for one in passed)
        _bounded(ordeal, passed, took)
        if raised is None:
            case.right(answer)
        else:
            _discreet(raised)
        case.aftermath(raised)
    finally:
        case.clean()


def _bounded(ordeal: Ordeal, passed: tuple[Passed, ...], took: float) -> None:
    """Nobody is asked for ever, and what must not be done twice is asked for once."""
    sent = [one for one in passed if one.method == ordeal.method]
    if ordeal.call is Call.CREATE:
        assert took < TRIES * (PATIENCE + LOOKING) + SLACK
        assert len(sent) <= TRIES
    else:
        assert took < TRIES * PATIENCE + SLACK
        # a find asks twice
        assert len(sent) <= TRIES + (ordeal.call is Call.FIND)
    if ordeal.call in ONCE:
        assert [one.status for one in sent[:-1]] == [429] * (len(sent) - 1)


def _discreet(error: BaseException) -> None:
    """No error tells what must not be told, nor does what it came from."""
    words = f"{error} {error!r} {error.__cause__!r}"
    assert SECRET not in words
    assert "gAAAA" not in words


class _Case:
    """One call on the container that runs. By default there is nothing to set up and nothing is left."""

    path = "/containers"

    def __init__(self, stand: Stand, ordeal: Ordeal) -> None:
        self.stand = stand
        self.ordeal = ordeal
        self.name = f"ordeal-{stand.mark}-{ordeal.number}"

    def prepare(self) -> None:
        pass

    def call(self) -> Any:
        raise NotImplementedError

    def right(self, answer: Any) -> None:
        raise NotImplementedError

    def aftermath(self, raised: BaseException | None) -> None:
        pass

    def clean(self) -> None:
        pass


class _List(_Case):
    def call(self) -> Any:
        return list(self.stand.faulty.containers(name=self.stand.running.name))

    def right(self, answer: Any) -> None:
        assert [one.id for one in answer] == [self.stand.running.id]


class _Get(_Case):
    def call(self) -> Any:
        return self.stand.faulty.get_container(self.stand.running.id)

    def right(self, answer: Any) -> None:
        seen = answer.id, answer.name, answer.status
        assert seen == (self.stand.running.id, self.stand.running.name, "Running")


class _Find(_Get):
    def call(self) -> Any:
        return self.stand.faulty.find_container(self.stand.running.name)


class _Logs(_Case):
    def call(self) -> Any:
        return self.stand.faulty.get_container_logs(self.stand.running.id)

    def right(self, answer: Any) -> None:
        assert answer.splitlines() == ["standing"]


class _Update(_Case):
    @property
    def cpu(self) -> float:
        return 0.5 + self.ordeal.number / 1000

    def call(self) -> Any:
        return self.stand.faulty.update_container(self.stand.running.id, cpu=self.cpu)

    def right(self, answer: Any) -> None:
        assert answer.cpu == self.cpu

    def aftermath(self, raised: BaseException | None) -> None:
        changed = self.stand.direct.get_container(self.stand.running.id).cpu == self.cpu
        assert changed is (raised is None or self.ordeal.forwarded)


class _Execute(_Case):
    def call(self) -> Any:
        return self.stand.faulty.execute_container(self.stand.running.id, ["echo", "hello"])

    def right(self, answer: Any) -> None:
        assert (answer.exit_code, answer.output.split()) == (0, ["hello"])


class _Pause(_Case):
    path = "/pause"

    def call(self) -> Any:
        return self.stand.faulty.pause_container(self.stand.running.id)

    def right(self, answer: Any) -> None:
        assert answer is None

    def aftermath(self, raised: BaseException | None) -> None:
        self._rest()
        paused = self.stand.direct.get_container(self.stand.running.id).status == "Paused"
        assert paused is (raised is None or self.ordeal.forwarded)

    def clean(self) -> None:
        self._rest()
        if self.stand.direct.get_container(self.stand.running.id).status == "Paused":
            self.stand.direct.unpause_container(self.stand.running.id)
        self.stand.direct.wait_for_status(self.stand.running, "Running", interval=0.1)

    def _rest(self) -> None:
        eventually(lambda: self.stand.direct.get_container(self.stand.running.id).task_state is None)


class _Delete(_Case):
    def prepare(self) -> None:
        made = self.stand.create(self.stand.direct, self.name)
        self.victim = self.stand.direct.wait_for_status(made, "Created", interval=0.1)

    def call(self) -> Any:
        return self.stand.faulty.delete_container(self.victim.id)

    def right(self, answer: Any) -> None:
        assert answer is None

    def aftermath(self, raised: BaseException | None) -> None:
        if raised is None or self.ordeal.forwarded:
            eventually(lambda: not self.stand.named(self.name) and not self.stand.carried(self.name))
        else:
            assert [one.status for one in self.stand.named(self.name)] == ["Created"]

    def clean(self) -> None:
        self.stand.remove(self.name)


class _Create(_Case):
    path = r"/containers(\?|$)"

    def call(self) -> Any:
        return self.stand.create(self.stand.faulty, self.name)

    def right(self, answer: Any) -> None:
        self.stand.direct.wait_for_status(answer, "Created", interval=0.1)
        eventually(lambda: [one.id for one in self.stand.named(self.name)] == [answer.id])
        eventually(lambda: self.stand.carried(self.name) == [f"zun-{answer.id}"])

    def aftermath(self, raised: BaseException | None) -> None:
        if raised is not None:
            # where Zun never heard of it there is none, and never more than one
            assert len(self.stand.named(self.name)) == self.ordeal.forwarded

    def clean(self) -> None:
        eventually(lambda: all(one.status != "Creating" for one in self.stand.named(self.name)))
        self.stand.remove(self.name)


_CASES: dict[Call, type[_Case]] = {
    Call.LIST: _List,
    Call.GET: _Get,
    Call.FIND: _Find,
    Call.LOGS: _Logs,
    Call.UPDATE: _Update,
    Call.EXECUTE: _Execute,
    Call.PAUSE: _Pause,
    Call.DELETE: _Delete,
    Call.CREATE: _Create,
}


def test_every_call_and_every_kind_of_fault_is_met_at_small_size():
    few = ordeals(40)
    assert {one.call for one in few} == set(Call)
    assert {type(one.fault) for one in few} == {type(one.fault) for one in ordeals(200)}
    assert {one.expected is None for one in few if one.call is Call.CREATE} == {True, False}
    assert METHOD.keys() >= ONCE
