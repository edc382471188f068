"""What a reader of events remembers: nothing is dropped on one connection, nothing repeated by the next."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from zun_compose.drivers.docker.events import NANO, OVERLAP, Delivered, timestamp


def event(when: int, container: str = "a", action: str = "die") -> dict[str, Any]:
    return {"timeNano": when, "Action": action, "Actor": {"ID": container}}


@given(st.permutations(range(20)))
def test_events_in_any_order_are_all_taken(order: list[int]) -> None:
    delivered = Delivered(None)
    delivered.connected(5 * NANO)
    assert all(delivered.take(event(10 * NANO + when, f"c{when}")) for when in order)


def test_events_of_one_moment_are_all_taken() -> None:
    delivered = Delivered(None)
    delivered.connected(5 * NANO)
    assert delivered.take(event(9 * NANO, "a"))
    assert delivered.take(event(9 * NANO, "b"))
    assert delivered.take(event(9 * NANO, "a", "kill"))


def test_a_reconnection_asks_behind_the_newest_and_repeats_nothing() -> None:
    delivered = Delivered(None)
    delivered.connected(5 * NANO)
    told = [event(20 * NANO, "a"), event(19 * NANO, "b"), event(20 * NANO + 7, "c")]
    for one in told:
        assert delivered.take(one)
    assert delivered.since == timestamp(20 * NANO + 7 - OVERLAP)
    delivered.connected(30 * NANO)
    late = event(20 * NANO + 3, "d")
    assert [one for one in [*told, late] if delivered.take(one)] == [late]
    # and what the same connection says next is news again
    assert delivered.take(event(19 * NANO, "e"))


def test_a_reconnection_never_asks_for_what_was_before_the_subscription() -> None:
    delivered = Delivered(None)
    assert delivered.since == ""
    delivered.connected(20 * NANO)
    assert delivered.since == "20.000000000"
    assert delivered.take(event(20 * NANO + 5))
    assert delivered.since == "20.000000000"
    assert Delivered(3 * NANO).since == "3.000000000"
