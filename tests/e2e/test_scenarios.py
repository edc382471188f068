"""Stacks on which docker compose is slow, hangs or fails: what happens to them here.

What is asserted is behaviour; how fast each is beside docker compose is for bench/ to say.
"""

from __future__ import annotations

import pytest

from tests.e2e import scenarios
from tests.e2e.site import NEVER, Site, moment
from tests.e2e.witness import Witness

pytestmark = pytest.mark.docker


def test_a_death_ends_up_at_once_whatever_else_is_waited_for(site: Site) -> None:
    scenarios.death_ends_up_at_once(site)


def test_a_chain_of_jobs_runs_in_order(site: Site, size) -> None:
    scenarios.chain_of_jobs(site, size(5, 9))


def test_a_healthcheck_of_every_thirty_seconds_is_asked_at_once(site: Site) -> None:
    """Nothing but the test and its default interval is declared: the engine's first look is after 30 s."""
    site.write("""
        services:
          db:
            image: busybox
            init: true
            command: [sh, -c, "touch /ready; sleep 3600"]
            healthcheck: {test: [CMD-SHELL, "test -e /ready"]}
          app:
            image: busybox
            init: true
            command: [sleep, "3600"]
            depends_on: {db: {condition: service_healthy}}
        """)
    site.run("up", "-d")
    db, app = site.container("db"), site.container("app")
    assert db["Config"]["Healthcheck"].get("Interval", 0) in (0, 30_000_000_000), "the check is as declared"
    assert db["State"]["Health"]["Status"] == "starting", "the engine itself has not looked yet"
    assert moment(app["State"]["StartedAt"]) - moment(db["State"]["StartedAt"]) < 15


def test_a_job_that_never_ends_is_given_up_after_the_timeout_of_its_edge(site: Site) -> None:
    scenarios.job_that_never_ends(site)


def test_a_diamond_opens_level_by_level(site: Site) -> None:
    """Three levels, each healthy after a moment."""
    listen = """image: busybox
            init: true
            command: [sh, -c, "sleep 0.2; touch /ready; sleep 3600"]
            healthcheck: {test: [CMD-SHELL, "test -e /ready"], interval: 1s, retries: 60}"""
    site.write(f"""
        services:
          top:
            {listen}
            depends_on: {{left: {{condition: service_healthy}}, right: {{condition: service_healthy}}}}
          left:
            {listen}
            depends_on: {{base: {{condition: service_healthy}}}}
          right:
            {listen}
            depends_on: {{base: {{condition: service_healthy}}}}
          base:
            {listen}
        """)
    with Witness(site.engine, site.name) as witness:
        site.run("up", "-d", "--wait")
        started = {name: witness.wait("start", name).at for name in ("base", "left", "right", "top")}
    for dependent, dependency in (("left", "base"), ("right", "base"), ("top", "left"), ("top", "right")):
        fact = moment(site.inside(dependency, "date", "-u", "-r", "/ready", "+%Y-%m-%dT%H:%M:%SZ").strip())
        assert started[dependent] >= fact
        assert started[dependent] - started[dependency] > 0.2
    assert set(site.states().values()) == {"running"}


def test_a_crash_that_the_restart_policy_heals_is_waited_out(site: Site) -> None:
    scenarios.crash_that_heals(site)


def test_wait_counts_the_end_of_a_job_as_success_and_any_other_end_as_failure(site: Site) -> None:
    site.write("""
        services:
          job:
            image: busybox
            command: [sh, -c, "sleep ${SECONDS_OF_JOB}; exit ${CODE_OF_JOB}"]
            x-zun: {job: true}
          app: {image: busybox, init: true, command: [sleep, "3600"]}
        """)
    for seconds, code, expected in (("0", "0", 0), ("1", "0", 0), ("0", "3", 1)):
        site.environment |= {"SECONDS_OF_JOB": seconds, "CODE_OF_JOB": code}
        ran = site.run("up", "--wait", expect=expected)
        job = site.container("job")["State"]
        assert (job["Status"], job["ExitCode"]) == ("exited", int(code))
        assert site.container("app")["State"]["StartedAt"] != NEVER
        assert code == "0" or ("job" in ran.err and code in ran.err)
