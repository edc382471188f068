"""Whether the other tests here left out a method of the Proxy; the last to run."""

from __future__ import annotations

import pytest

from tests.openstack.conftest import EXERCISED, HERE, Zun, public_methods

# A method that the cloud cannot exercise, and why.
EXCUSED: dict[str, str] = {}


def test_every_method_was_exercised(request: pytest.FixtureRequest, demo: Zun) -> None:
    files = {item.path for item in request.session.items}
    if not files >= set(HERE.glob("test_*.py")):
        pytest.skip("only a part of the tests runs")
    assert {name for name in public_methods() if name not in EXCUSED} <= EXERCISED
    assert EXCUSED.keys() <= set(public_methods())
