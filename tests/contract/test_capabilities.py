"""A capability is there or declared lacking: none is lost in silence."""

from __future__ import annotations

import pytest

from tests.contract.lab import Lab
from zun_compose import driver as contract
from zun_compose.errors import NotFound

CAPABILITIES = [
    contract.Capable,
    contract.Admits,
    contract.Copies,
    contract.EventSource,
    contract.ExecProbe,
    contract.Images,
    contract.Listeners,
    contract.LogSource,
    contract.Networks,
    contract.Processes,
    contract.Renames,
    contract.Reserves,
    contract.Signals,
    contract.Stacks,
    contract.Terminal,
    contract.VirtualTime,
    contract.Volumes,
    contract.Waits,
]


@pytest.mark.parametrize("capability", CAPABILITIES, ids=lambda one: one.__name__)
def test_has_exactly_what_is_declared(lab: Lab, capability: type) -> None:
    assert isinstance(lab.driver, capability) is (capability not in lab.lacks)


def test_the_engine_has_an_identity_that_stays(lab: Lab) -> None:
    info = lab.driver.engine()
    assert info.id
    assert info.driver == lab.driver.name
    assert lab.driver.engine().id == info.id


def test_missing_containers_are_not_found_by_every_capability(lab: Lab) -> None:
    gone = lab.name("gone")
    calls = {
        contract.Admits: lambda driver: driver.admit(gone),
        contract.Copies: lambda driver: driver.look(gone, "/"),
        contract.ExecProbe: lambda driver: driver.execute(gone, ["true"], timeout=5),
        contract.Listeners: lambda driver: driver.listening(gone),
        contract.LogSource: lambda driver: list(driver.logs(gone)),
        contract.Processes: lambda driver: driver.processes(gone),
        contract.Renames: lambda driver: driver.rename(gone, lab.name("other")),
        contract.Signals: lambda driver: driver.kill(gone, "SIGTERM"),
        contract.Waits: lambda driver: driver.wait(gone, 5),
    }
    for capability, call in calls.items():
        if capability not in lab.lacks:
            with pytest.raises(NotFound):
                call(lab.need(capability))
