"""What all tests share: the options, how large N is, and how hypothesis searches."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.cloud.fixture import cloud

__all__ = ["cloud"]

# Seconds that an OpenStack may take to come up.
CLOUD_START = 1500

SOAK = os.environ.get("ZUN_COMPOSE_SOAK") == "1"

MINUTES = [
    pytest.mark.soak,
    pytest.mark.skipif(not SOAK, reason="minutes of a real cloud: make soak"),
]
"""Marks of what takes a cloud so long that only soak has the time."""

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


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So a shell starts what is in its background; ours would inherit it, and no Ctrl-C could be tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        default=False,
        help="write what was produced into the golden files instead of comparing with them",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All property tests take part in soak: there hypothesis searches much further.

    Tests of an OpenStack come last: others need not share the machine with it. The first of them brings it
    up, which from nothing takes minutes.
    """
    properties = Path(__file__).parent / "property"
    for item in items:
        if item.path.is_relative_to(properties):
            item.add_marker(pytest.mark.soak)
        if item.get_closest_marker("openstack") is not None:
            # The SDK warns of its own use of what it deprecated.
            item.add_marker(pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"))
    items.sort(key=lambda item: item.get_closest_marker("openstack") is not None)
    first = next((item for item in items if item.get_closest_marker("openstack")), None)
    if first is not None:
        first.add_marker(pytest.mark.timeout(CLOUD_START), append=False)


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
