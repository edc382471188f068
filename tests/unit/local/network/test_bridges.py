from __future__ import annotations

import os

import pytest

from tests.unit.local.network.lab import NOBODY, run

CASES = "tests.unit.local.network.wired"

pytestmark = pytest.mark.parametrize(
    "uid",
    [pytest.param(0, id="root"), pytest.param(NOBODY, id="ordinary")]
    if os.geteuid() == 0
    else [os.geteuid()],
)


@pytest.mark.parametrize(
    "case",
    [
        "two_containers_talk",
        "interfaces_are_as_asked",
        "failures_leave_nothing",
        "detach_forgives_and_remove_is_idempotent",
        "the_last_holder_of_an_address_answers_no_more",
        "a_full_bridge_gets_a_second",
    ],
)
def test_inside_a_keeper(case, uid):
    run(f"{CASES}:{case}", uid)


def test_two_hundred_containers_are_joined_in_two_seconds(uid):
    # The two seconds are an idle machine's; a shared one may be many times as slow.
    assert float(run(f"{CASES}:two_hundred_in_two_seconds", uid)) < 30
