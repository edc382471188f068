"""The service and the proxy before it that the tests of the proxy share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.faults.proxy import FaultProxy
from tests.faults.upstream import Service, serving


@pytest.fixture
def service() -> Iterator[Service]:
    """A real HTTP service."""
    with serving() as service:
        yield service


@pytest.fixture
def proxy(service: Service) -> Iterator[FaultProxy]:
    """A proxy before it, without a rule; nothing of it is left afterwards."""
    with FaultProxy(service.url) as proxy:
        yield proxy
    mine = f"fault-proxy-{proxy.port}"
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(mine)] == []
