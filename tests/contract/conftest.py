"""One lab a test, emptied afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud.fixture import Cloud
from tests.contract.drivers import CLEARING, MAKERS
from tests.contract.lab import Lab


@pytest.fixture(scope="session")
def cloud_for_labs(cloud: Cloud) -> Iterator[Cloud]:
    """The cloud, which stays until all labs in it are empty."""
    yield cloud
    CLEARING.end()


@pytest.fixture(params=MAKERS)
def lab(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A driver under test."""
    if request.node.get_closest_marker("openstack") is None:
        made: Lab = request.param()
    else:
        cloud: Cloud = request.getfixturevalue("cloud_for_labs")
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.clouds_yaml))
        made = request.param(cloud)
    yield made
    made.close()
