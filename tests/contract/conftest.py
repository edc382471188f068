"""One lab a test, emptied afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.drivers import MAKERS
from tests.contract.lab import Lab


@pytest.fixture(params=MAKERS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A driver under test."""
    made: Lab = request.param()
    yield made
    made.close()
