"""The readiness law on Docker, judged from outside: a dependent never starts before its dependency's fact."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from docker import DockerClient

from tests.e2e import law
from tests.e2e.law import CASES, Gathered
from tests.e2e.site import Site

pytestmark = [pytest.mark.docker, pytest.mark.soak]


@pytest.fixture(scope="module")
def host_image(engine: DockerClient) -> str:
    """An image of this machine's own Python: busybox has no interpreter."""
    return law.interpreter()


@pytest.fixture(scope="module")
def evidence(
    make_site: Callable[[str], Site], host_image: str, size: Callable[[int, int], int]
) -> Iterator[Gathered]:
    """All cases, several stacks side by side; each as often as the size says."""
    with law.gathered(make_site, CASES, size(1, 10)) as found:
        yield found


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.opens])
def test_the_dependent_starts_after_the_fact(name: str, evidence: Gathered) -> None:
    for found in evidence[name]:
        law.assert_in_order(CASES[name], found.result())


@pytest.mark.parametrize("name", ["loopback-only", "resolver-only"])
def test_a_socket_that_nobody_can_reach_opens_no_gate(name: str, evidence: Gathered) -> None:
    for found in evidence[name]:
        law.assert_shut(CASES[name], found.result(), Site.patience)


def test_a_dependency_that_dies_first_opens_no_gate(evidence: Gathered) -> None:
    for found in evidence["dies-first"]:
        law.assert_died(found.result())


def test_an_open_gate_stays_open_and_ps_shows_that_the_port_has_closed(host_image: str, site: Site) -> None:
    law.closes_again(site)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_waiting_nothing_is_started_behind_the_user(
    number: signal.Signals, host_image: str, site: Site
) -> None:
    law.interrupted(site, number)
