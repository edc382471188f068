"""Which requests a rule hits."""

from __future__ import annotations

import pytest

from tests.faults.script import Answer, At, Drop, Rule, Script, Silence, refusal

LATE = refusal(503, retry_after=2)
GONE = Drop(at=At.ANSWER)


def test_a_rule_hits_its_method_and_path_and_nothing_else():
    script = Script(Rule(fault=GONE, method="POST", path=r"^/v1/containers(\?|$)", times=None))
    taken = [
        script.take(method, path)
        for method, path in (
            ("GET", "/v1/containers"),
            ("POST", "/v1/containers/4e6f/start"),
            ("POST", "/v1/containers"),
            ("POST", "/v1/containers?run=true"),
        )
    ]
    assert taken == [None, None, GONE, GONE]


@pytest.mark.parametrize(
    ("first", "times", "hit"),
    [(1, 1, "x...."), (2, 1, ".x..."), (2, 3, ".xxx."), (3, None, "..xxx"), (6, 1, ".....")],
)
def test_the_first_match_that_is_hit_and_how_many(first, times, hit):
    script = Script(Rule(fault=GONE, first=first, times=times))
    assert "".join("x" if script.take("GET", "/") else "." for _ in range(5)) == hit


def test_rules_on_one_path_are_a_sequence():
    script = Script(Rule(fault=LATE), Rule(fault=GONE, times=2), Rule(fault=Silence(), first=2))
    assert [script.take("GET", "/") for _ in range(6)] == [LATE, GONE, GONE, None, Silence(), None]


def test_a_refusal_speaks_like_zun_and_like_keystone():
    answer = refusal(429, "slow down", retry_after=3)
    assert isinstance(answer, Answer)
    assert answer.headers["Retry-After"] == "3"
    assert b'"errors": [{' in answer.body
    assert b'"error": {' in answer.body
    assert "WWW-Authenticate" in refusal(401).headers
