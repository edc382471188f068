"""Readings of one list, shared by who waits at the same time."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

import pytest

from zun_compose.drivers.zun.looks import Looks
from zun_compose.errors import Unavailable

THREADS = 6


@dataclass
class Row:
    id: str


@dataclass
class Service:
    """A list whose reading goes on for as long as its test wants; each one tells its number."""

    begun: list[int] = field(default_factory=list)
    begins: Event = field(default_factory=Event)
    may_end: Event = field(default_factory=Event)
    fails: bool = False

    def read(self) -> list[Row]:
        number = len(self.begun) + 1
        self.begun.append(number)
        self.begins.set()
        assert self.may_end.wait(10)
        if self.fails:
            self.fails = False
            raise Unavailable("gone")
        return [Row(str(number))]


def ids(looks: Looks) -> list[str]:
    return [row.id for row in looks.rows()]


def waiting(looks: Looks, count: int) -> bool:
    """Whether so many threads wait for a reading."""
    return len(looks._changed._waiters) == count  # type: ignore[attr-defined]


def until(looks: Looks, count: int) -> None:
    pause = Event()
    for _ in range(1000):
        if waiting(looks, count):
            return
        pause.wait(0.01)
    pytest.fail(f"{count} threads never waited")


def test_all_who_come_during_a_reading_share_the_next() -> None:
    service = Service()
    looks = Looks(service.read, 0.0)
    with ThreadPoolExecutor(THREADS + 1) as pool:
        first = pool.submit(ids, looks)
        assert service.begins.wait(10)
        others: list[Future[list[str]]] = [pool.submit(ids, looks) for _ in range(THREADS)]
        until(looks, THREADS)
        service.may_end.set()
        assert first.result(10) == ["1"]
        # what was being read when they came may be older than what they wait for
        assert {tuple(one.result(10)) for one in others} == {("2",)}
    assert service.begun == [1, 2]


def test_one_after_the_other_reads_anew() -> None:
    service = Service()
    service.may_end.set()
    looks = Looks(service.read, 0.0)
    assert [ids(looks) for _ in range(3)] == [["1"], ["2"], ["3"]]


def test_a_failed_reading_is_told_to_its_reader_and_another_takes_over() -> None:
    service = Service(fails=True)
    looks = Looks(service.read, 0.0)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ids, looks)
        assert service.begins.wait(10)
        other = pool.submit(ids, looks)
        until(looks, 1)
        service.may_end.set()
        with pytest.raises(Unavailable):
            first.result(10)
        assert other.result(10) == ["2"]


def test_who_is_not_listed_is_none() -> None:
    service = Service()
    service.may_end.set()
    looks = Looks(service.read, 0.0)
    assert looks.one("1") == Row("1")
    assert looks.one("1") is None
