"""Stacks on which docker compose is slow, hangs or fails, for all engines that tell what came of them."""

from __future__ import annotations

from itertools import pairwise

from tests.e2e.site import Site, moment
from tests.e2e.witness import Witness


def death_ends_up_at_once(site: Site) -> None:
    """`up` ends as soon as a dependency has died, whatever else is waited for.

    `bad` dies at 1 s, `slow` would be healthy at 15 s.
    """
    site.write(
        """
        services:
          bad:
            image: IMAGE
            init: true
            command: [sh, -c, "sleep 1; echo first words; echo the disk is full; exit 7"]
            healthcheck: {test: [CMD, "true"], interval: 60s, start_period: 60s}
            expose: ["8080"]
          slow:
            image: IMAGE
            init: true
            command: [sh, -c, "sleep 15; touch /ready; sleep 3600"]
            healthcheck: {test: [CMD-SHELL, "test -e /ready"], interval: 1s, retries: 60}
          app:
            image: IMAGE
            init: true
            command: [sleep, "3600"]
            depends_on:
              bad: {condition: service_started, x-condition: service_listening}
              slow: {condition: service_healthy}
        """.replace("IMAGE", site.image)
    )
    with Witness(site.engine, site.name) as witness:
        ran = site.run("up", "-d", expect=1)
        witness.wait("destroy", "app")
        assert witness.all("start", "app") == []
    died = moment(site.container("bad")["State"]["FinishedAt"])
    assert ran.ended - died < 2.0 + site.slack, "far from the 15 s of slow"
    for word in ("app -> bad", "7", "first words", "the disk is full"):
        assert word in ran.err
    assert site.states() == {"bad-1": "exited", "slow-1": "running"}, "what never started is not left"


def chain_of_jobs(site: Site, count: int) -> None:
    """So many jobs, each after the good end of the one before."""
    completed = "{condition: service_completed_successfully}"
    services = "".join(
        f"""
          job{number}:
            image: {site.image}
            command: ["true"]
            depends_on: {{{f"job{number - 1}: {completed}" if number else ""}}}
        """
        for number in range(count)
    )
    site.write(f"""
        services:{services}
          app:
            image: {site.image}
            init: true
            command: [sleep, "3600"]
            depends_on: {{job{count - 1}: {completed}}}
        """)
    site.run("up", "-d")
    states = [site.container(f"job{number}")["State"] for number in range(count)]
    assert [state["ExitCode"] for state in states] == [0] * count
    states.append(site.container("app")["State"])
    for before, after in pairwise(states):
        assert moment(after["StartedAt"]) > moment(before["FinishedAt"])


def job_that_never_ends(site: Site) -> None:
    """It is given up after the timeout of its edge."""
    site.write(
        """
        services:
          job: {image: IMAGE, init: true, command: [sleep, "3600"]}
          app:
            image: IMAGE
            init: true
            command: [sleep, "3600"]
            depends_on:
              job: {condition: service_completed_successfully, x-timeout: 5s}
        """.replace("IMAGE", site.image)
    )
    ran = site.run("up", "-d", expect=1)
    waited = ran.ended - moment(site.container("job")["State"]["StartedAt"])
    assert 5.0 <= waited < 6.0 + site.slack
    for word in ("app -> job", "5 s"):
        assert word in ran.err
    assert site.states() == {"job-1": "running"}


def crash_that_heals(site: Site) -> None:
    """A crash that the restart policy heals is waited out."""
    site.write(
        """
        services:
          db:
            image: IMAGE
            init: true
            command:
              - sh
              - -c
              - if [ -e /crashed ]; then touch /ready; sleep 3600; fi; touch /crashed; sleep 1; exit 1
            restart: on-failure
            healthcheck: {test: [CMD-SHELL, "test -e /ready"], interval: 1s, retries: 30}
          app:
            image: IMAGE
            init: true
            command: [sleep, "3600"]
            depends_on: {db: {condition: service_healthy}}
        """.replace("IMAGE", site.image)
    )
    site.run("up", "-d")
    db, app = site.container("db"), site.container("app")
    assert db["RestartCount"] == 1
    assert moment(app["State"]["StartedAt"]) > moment(db["State"]["StartedAt"]), "after the second start"
