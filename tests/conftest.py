"""What all tests share: the options, how large N is, and how hypothesis searches."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SOAK = os.environ.get("ZUN_COMPOSE_SOAK") == "1"

# In CI the same examples run each time, so that a red run can be repeated; soak goes looking for new ones.
settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "soak",
    deadline=None,
    max_examples=2000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("soak" if SOAK else "ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        default=False,
        help="write what was produced into the golden files instead of comparing with them",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All property tests take part in soak: there hypothesis searches much further."""
    properties = Path(__file__).parent / "property"
    for item in items:
        if item.path.is_relative_to(properties):
            item.add_marker(pytest.mark.soak)


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written rather than compared."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def size() -> Callable[[int, int], int]:
    """Pick the small or, under ZUN_COMPOSE_SOAK=1, the full N of a test."""

    def pick(small: int, full: int) -> int:
        return full if SOAK else small

    return pick
