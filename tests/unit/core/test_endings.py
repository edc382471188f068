"""Whose ends are taken from the kernel, and which of them count."""

from __future__ import annotations

from typing import Any

import pytest

from zun_compose.container import Observed, State
from zun_compose.driver import EngineInfo
from zun_compose.endings import Endings
from zun_compose.model import Condition
from zun_compose.plan.steps import Gate, Plan, Step, Verb

JOB = Observed(
    id="c0ffee", name="s-job-1", service="job", number=1, state=State.RUNNING, pid=42, runtime="runc"
)


class Kernel:
    """Stands for the watch on the kernel; says whom it was asked to follow."""

    def __init__(self) -> None:
        self.followed: list[tuple[str, int | None]] = []
        self.expected: list[str] = []

    def follow(self, container: str, pid: int | None) -> None:
        self.followed.append((container, pid))

    def expect(self, container: str) -> None:
        self.expected.append(container)


def endings(condition: Condition = Condition.COMPLETED_SUCCESSFULLY, **engine: Any) -> tuple[Endings, Kernel]:
    gate = Gate(dependent="app", dependency="job", condition=condition)
    step = Step(id="start app-1", verb=Verb.START, subject="s-app-1", cause="new", gates=(gate,))
    made = Endings(Plan(stack="s", steps=(step,)), EngineInfo(id="e", driver="docker", name="e", **engine))
    kernel = Kernel()
    made.__dict__["_exits"] = kernel
    return made, kernel


def heard(made: Endings) -> list[str]:
    told: list[str] = []
    made.hear(told.append)
    return told


class TestWhoIsFollowed:
    def test_a_job_that_a_gate_waits_for(self) -> None:
        made, kernel = endings()
        heard(made)
        made.expect("job", None, "c0ffee")
        assert made.seen(JOB) is JOB
        assert (kernel.expected, kernel.followed) == (["c0ffee"], [("c0ffee", 42)])

    @pytest.mark.parametrize(
        ("made", "runtime"),
        [
            (endings(Condition.STARTED), None),
            (endings(local=False), None),
            (endings(default_runtime="runsc"), None),
            (endings(), "kata-runtime"),
        ],
        ids=["nobody waits for its end", "another machine", "a sandbox by default", "a sandbox"],
    )
    def test_nobody_else(self, made: tuple[Endings, Kernel], runtime: str | None) -> None:
        watch, kernel = made
        heard(watch)
        watch.expect("job", runtime, "c0ffee")
        watch.expect("other", None, "beef")
        assert kernel.expected == []

    def test_nobody_before_somebody_listens(self) -> None:
        made, kernel = endings()
        made.expect("job", None, "c0ffee")
        assert kernel.expected == []


class TestWhatCounts:
    def test_a_zero_is_told_and_taken_once(self) -> None:
        made, _ = endings()
        told = heard(made)
        made._ended("c0ffee", 42, 0)
        assert told == ["c0ffee"]
        assert made.take("c0ffee")
        assert not made.take("c0ffee")

    def test_any_other_code_is_left_to_the_engine(self) -> None:
        made, _ = endings()
        told = heard(made)
        made._ended("c0ffee", 42, 137)
        assert told == []
        assert not made.take("c0ffee")
        assert made.seen(JOB) is JOB

    def test_an_engine_that_is_behind_is_corrected(self) -> None:
        made, _ = endings()
        heard(made)
        made._ended("c0ffee", 42, 0)
        seen = made.seen(JOB)
        assert (seen.state, seen.exit_code) == (State.EXITED, 0)

    def test_a_later_life_is_not_corrected(self) -> None:
        made, kernel = endings()
        heard(made)
        made._ended("c0ffee", 41, 0)
        assert made.seen(JOB) is JOB
        assert kernel.followed == [("c0ffee", 42)]
