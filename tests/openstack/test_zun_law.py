"""The readiness law and what docker compose fails at, on Zun: the host's engine and kernel are the judges.

Not for published ports: a container of Zun has its ports at its own address only.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from docker import DockerClient

from tests.cloud import registry
from tests.cloud.fixture import Cloud
from tests.conftest import MINUTES
from tests.e2e import law, scenarios
from tests.e2e.law import Gathered
from tests.openstack.conftest import Zun
from tests.openstack.site import CloudSite, Open, sites
from tests.openstack.tenant import tenancy

pytestmark = [*MINUTES, pytest.mark.timeout(600)]

CASES = {name: case for name, case in law.CASES.items() if name != "published"}
SHUT = ("loopback-only", "resolver-only")


@pytest.fixture(scope="module")
def make(
    cloud: Cloud, admin: Zun, engine: DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Open]:
    """Sites of a tenant of ours."""
    folder = tmp_path_factory.mktemp("law")
    with tenancy(cloud, admin, folder) as tenant, sites(folder, engine, tenant.environment()) as make:
        yield make


@pytest.fixture(scope="module")
def late(make: Open, cloud: Cloud, engine: DockerClient) -> Open:
    """Sites with an image that has a Python, which tenants can pull."""
    own = law.interpreter({**os.environ, "DOCKER_HOST": "unix:///var/run/docker.sock"})
    repository, _, tag = registry.image(cloud.settings, own).rpartition(":")
    engine.images.get(own).tag(repository, tag)
    told = engine.images.push(repository, tag, stream=True, decode=True)
    assert not [line["error"] for line in told if "error" in line]
    return lambda hint: make(hint, interpreter=f"{repository}:{tag}")


@pytest.fixture(scope="module")
def evidence(late: Open, size: Callable[[int, int], int]) -> Iterator[Gathered]:
    """All cases, several stacks side by side; each as often as the size says."""
    with law.gathered(late, CASES, size(1, 5)) as found:
        yield found


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.opens])
def test_the_dependent_starts_after_the_fact(name: str, evidence: Gathered) -> None:
    for found in evidence[name]:
        law.assert_in_order(CASES[name], found.result())


@pytest.mark.parametrize("name", SHUT)
def test_a_socket_that_nobody_can_reach_opens_no_gate(name: str, evidence: Gathered) -> None:
    for found in evidence[name]:
        law.assert_shut(CASES[name], found.result(), CloudSite.patience)


def test_a_dependency_that_dies_first_opens_no_gate(evidence: Gathered) -> None:
    for found in evidence["dies-first"]:
        law.assert_died(found.result())


def test_an_open_gate_stays_open_and_ps_shows_that_the_port_has_closed(late: Open) -> None:
    law.closes_again(late("closes"))


def test_interrupted_while_waiting_nothing_is_started_behind_the_user(late: Open) -> None:
    law.interrupted(late("interrupted"), signal.SIGINT)


def test_a_death_ends_up_at_once_whatever_else_is_waited_for(make: Open) -> None:
    scenarios.death_ends_up_at_once(make("p1"))


def test_a_chain_of_jobs_runs_in_order(make: Open, size: Callable[[int, int], int]) -> None:
    scenarios.chain_of_jobs(make("p2"), size(5, 9))


def test_a_job_that_never_ends_is_given_up_after_the_timeout_of_its_edge(make: Open) -> None:
    scenarios.job_that_never_ends(make("p8"))


def test_a_crash_that_the_restart_policy_heals_is_waited_out(make: Open) -> None:
    scenarios.crash_that_heals(make("p12"))
