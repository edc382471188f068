"""The order in which a cloud's steps are done."""

from __future__ import annotations

import threading
import time

import pytest

from tests.cloud import order
from tests.cloud.errors import CloudError
from tests.cloud.order import Step


class Diary:
    """Notes what begins and ends, in that order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.told: list[str] = []
        self.cancelled = threading.Event()

    def step(self, name: str, *needs: str, acts: bool = True, takes: float = 0.0) -> Step:
        def act() -> bool:
            self.lines.append(f"+{name}")
            time.sleep(takes)
            self.lines.append(f"-{name}")
            return acts

        return Step(name, act, needs)

    def carry_out(self, *steps: Step) -> int:
        return order.carry_out(steps, lambda name, took: self.told.append(name), self.cancelled.set)


def test_a_step_begins_when_all_that_it_needs_has_ended() -> None:
    diary = Diary()
    acted = diary.carry_out(
        diary.step("roof", "wall", "beam"), diary.step("wall", takes=0.05), diary.step("beam", "wall")
    )
    assert diary.lines == ["+wall", "-wall", "+beam", "-beam", "+roof", "-roof"]
    assert acted == 3


def test_steps_that_do_not_need_each_other_are_done_at_once() -> None:
    met = threading.Barrier(2, timeout=10)

    def meet() -> bool:
        met.wait()
        return True

    diary = Diary()
    assert diary.carry_out(Step("one", meet), Step("two", meet)) == 2


def test_of_many_the_one_that_the_longest_chain_waits_for_begins_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(order, "AT_ONCE", 1)
    diary = Diary()
    diary.carry_out(
        diary.step("leaf"), diary.step("root"), diary.step("stem", "root"), diary.step("bud", "stem")
    )
    assert diary.lines[0] == "+root"
    assert diary.lines.index("+stem") < diary.lines.index("+leaf")


def test_only_what_had_something_to_do_is_told_and_counted() -> None:
    diary = Diary()
    assert diary.carry_out(diary.step("done", acts=False), diary.step("new", "done")) == 1
    assert diary.told == ["new"]


def test_after_a_failure_nothing_begins_and_the_failure_is_told() -> None:
    diary = Diary()

    def fail() -> bool:
        raise CloudError("rotten")

    with pytest.raises(CloudError, match="rotten"):
        diary.carry_out(Step("fruit", fail), diary.step("cake", "fruit"))
    assert diary.lines == []
    assert diary.cancelled.is_set()


def test_what_waits_gives_up_when_another_fails() -> None:
    diary = Diary()

    def fail() -> bool:
        raise CloudError("rotten")

    def wait() -> bool:
        assert diary.cancelled.wait(10)
        raise CloudError("gave up")

    with pytest.raises(CloudError, match="rotten"):
        diary.carry_out(Step("fruit", fail), Step("guest", wait))


@pytest.mark.parametrize("needs", ["nobody", "self"])
def test_steps_that_can_never_begin_are_refused_before_any_does(needs: str) -> None:
    diary = Diary()
    with pytest.raises(ValueError, match="self needs"):
        diary.carry_out(diary.step("other"), diary.step("self", needs))
    assert diary.lines == []


def test_needs_are_followed_through_others() -> None:
    assert order.through([("a", ("b",)), ("b", ("c", "d")), ("c", ()), ("d", ("c",))]) == {
        "a": {"b", "c", "d"},
        "b": {"c", "d"},
        "c": set(),
        "d": {"c"},
    }
