"""What `up` changes on a real engine, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.site import Site, moment, until

pytestmark = pytest.mark.docker

SLEEP = 'image: busybox, init: true, command: [sleep, "3600"]'


def test_a_second_up_changes_nothing(site: Site) -> None:
    site.put("settings.txt", "one")
    site.write(f"""
        services:
          app:
            {{{SLEEP}, depends_on: [db], volumes: ["data:/data", /scratch], configs: [settings],
             ports: ["8080"], environment: {{A: "1"}}, networks: [back, default], ulimits: {{nofile: 1000}},
             labels: {{some.label: x}}, healthcheck: {{test: [CMD, "true"], interval: 5s}}, mem_limit: 64m}}
          db: {{{SLEEP}, networks: [back], tmpfs: [/run], cap_add: [NET_ADMIN], hostname: base}}
        volumes: {{data: {{}}}}
        networks: {{back: {{}}}}
        configs: {{settings: {{file: ./settings.txt}}}}
        """)
    site.run("up", "-d")
    before = site.identities()
    assert set(before) == {"app-1", "db-1"}
    for arguments in (
        ("up", "-d"),
        ("up", "-d", "--wait"),
        ("up", "-d", "app"),
        ("up", "-d", "--no-recreate"),
    ):
        site.run(*arguments)
        assert site.identities() == before, arguments
    assert site.run("plan").out.strip() in ("", "nothing to do")
    site.run("up", "--dry-run", "--detailed-exitcode", expect=0)


def test_a_changed_environment_replaces_that_service_and_keeps_its_anonymous_volume(site: Site) -> None:
    def write(value: str) -> None:
        site.write(f"""
            services:
              app: {{{SLEEP}, environment: {{VALUE: "{value}"}}, volumes: [/scratch], depends_on: [db]}}
              db: {{{SLEEP}}}
            """)

    write("one")
    site.run("up", "-d")
    before = site.identities()
    volume = site.anonymous()
    site.inside("app", "sh", "-c", "echo kept > /scratch/file")
    write("two")
    plan = site.run("plan").out
    assert "environment" in plan
    assert "two" not in plan
    site.run("up", "--dry-run", "--detailed-exitcode", expect=2)
    assert site.identities() == before, "a plan changes nothing"
    site.run("up", "-d")
    after = site.identities()
    assert after["db-1"] == before["db-1"]
    assert after["app-1"] != before["app-1"]
    assert "VALUE=two" in site.container("app")["Config"]["Env"]
    assert site.inside("app", "cat", "/scratch/file") == "kept\n"
    assert site.anonymous() == volume
    site.run("up", "-d", "--force-recreate", "-V", "app")
    assert site.inside("app", "ls", "/scratch") == ""
    assert site.anonymous().isdisjoint(volume)


def test_scale_up_and_down(site: Site) -> None:
    site.write(f"services: {{app: {{{SLEEP}}}, other: {{{SLEEP}}}}}")
    site.run("up", "-d", "--scale", "app=3")
    three = site.identities()
    assert set(three) == {"app-1", "app-2", "app-3", "other-1"}
    site.run("up", "-d", "--scale", "app=2")
    assert site.identities() == {name: who for name, who in three.items() if name != "app-3"}
    site.run("up", "-d", "--scale", "app=0")
    assert set(site.identities()) == {"other-1"}
    site.run("up", "-d")
    assert set(site.identities()) == {"app-1", "other-1"}


def test_force_recreate_and_no_deps(site: Site) -> None:
    site.write(f"services: {{app: {{{SLEEP}, depends_on: [db]}}, db: {{{SLEEP}}}, other: {{{SLEEP}}}}}")
    site.run("up", "-d", "--no-deps", "app")
    assert set(site.identities()) == {"app-1"}
    site.run("up", "-d", "app")
    assert set(site.identities()) == {"app-1", "db-1"}
    site.run("up", "-d")
    before = site.identities()
    site.run("up", "-d", "--force-recreate", "app")
    after = site.identities()
    assert {name for name in before if before[name][0] != after[name][0]} == {"app-1"}
    site.run("up", "-d", "--force-recreate")
    last = site.identities()
    assert {name for name in after if after[name][0] != last[name][0]} == {"app-1", "db-1", "other-1"}


def test_orphans_are_named_and_removed_only_when_asked(site: Site) -> None:
    site.write(f"services: {{app: {{{SLEEP}}}, old: {{{SLEEP}}}}}")
    site.run("up", "-d")
    site.write(f"services: {{app: {{{SLEEP}}}}}")
    ran = site.run("up", "-d")
    assert "old-1" in ran.err
    assert set(site.identities()) == {"app-1", "old-1"}
    site.run("up", "-d", "--remove-orphans")
    assert set(site.identities()) == {"app-1"}


def test_changed_content_of_a_config_replaces_its_service(site: Site) -> None:
    site.put("settings.txt", "one")
    site.write(f"""
        services:
          app: {{{SLEEP}, configs: [settings, {{source: inline, target: /etc/inline}}]}}
          other: {{{SLEEP}}}
        configs: {{settings: {{file: ./settings.txt}}, inline: {{content: "written here"}}}}
        """)
    site.run("up", "-d")
    assert site.inside("app", "cat", "/settings") == "one"
    assert site.inside("app", "cat", "/etc/inline") == "written here"
    before = site.identities()
    site.put("settings.txt", "two")
    site.run("up", "-d")
    after = site.identities()
    assert after["other-1"] == before["other-1"]
    assert after["app-1"] != before["app-1"]
    assert site.inside("app", "cat", "/settings") == "two"


def test_profiles(site: Site) -> None:
    site.write(f"""
        services:
          app: {{{SLEEP}}}
          debug: {{{SLEEP}, profiles: [debug]}}
          tool: {{{SLEEP}, profiles: [tools]}}
        """)
    site.run("up", "-d")
    assert set(site.identities()) == {"app-1"}
    site.run("--profile", "debug", "up", "-d")
    assert set(site.identities()) == {"app-1", "debug-1"}
    site.run("up", "-d", "tool")
    assert set(site.identities()) == {"app-1", "debug-1", "tool-1"}
    site.run("--profile", "*", "down")
    assert site.left() == {}


def test_a_job_runs_again_unless_it_says_once(site: Site) -> None:
    site.write(f"""
        services:
          again: {{image: busybox, command: ["true"], x-zun: {{job: true}}}}
          once: {{image: busybox, command: ["true"], x-zun: {{job: true, once: true}}}}
          app:
            {{{SLEEP}, depends_on: {{again: {{condition: service_completed_successfully}},
             once: {{condition: service_completed_successfully}}}}}}
        """)
    site.run("up", "-d", "--wait")
    before = site.identities()
    site.run("up", "-d", "--wait")
    after = site.identities()
    assert (after["once-1"], after["app-1"]) == (before["once-1"], before["app-1"])
    assert after["again-1"] != before["again-1"]
    assert site.container("again")["State"]["ExitCode"] == 0


def test_restart_true_restarts_the_dependent_of_a_replaced_service_and_no_other(site: Site) -> None:
    def write(value: str) -> None:
        site.write(f"""
            services:
              near: {{{SLEEP}, depends_on: {{db: {{condition: service_started, restart: true}}}}}}
              far: {{{SLEEP}, depends_on: {{db: {{condition: service_started}}}}}}
              db: {{{SLEEP}, environment: {{VALUE: "{value}"}}}}
            """)

    write("one")
    site.run("up", "-d")
    before = site.identities()
    write("two")
    site.run("up", "-d")
    after = site.identities()
    assert after["far-1"] == before["far-1"]
    assert after["near-1"][0] == before["near-1"][0], "restarted, not replaced"
    assert moment(after["near-1"][1]) > moment(after["db-1"][1]), "after its dependency is back"
    assert after["db-1"][0] != before["db-1"][0]


def test_two_ups_of_one_stack_at_the_same_time(site: Site) -> None:
    site.write(f"""
        services:
          app: {{{SLEEP}, depends_on: {{slow: {{condition: service_healthy}}}}}}
          slow:
            image: busybox
            init: true
            command: [sh, -c, "sleep 2; touch /ready; sleep 3600"]
            healthcheck: {{test: [CMD-SHELL, "test -e /ready"], interval: 1s, retries: 60}}
        """)
    first = site.begin("up", "-d")
    until(lambda: site.containers("slow"), "the first one is under way")
    second = site.begin("up", "-d")
    one, two = first.end(), second.end()
    assert (one.code, two.code) == (0, 0), one.said + two.said
    assert "wait" in two.err, "the second says that it waits for the first"
    assert two.ended >= one.ended - 1
    assert site.states() == {"app-1": "running", "slow-1": "running"}


def test_two_stacks_at_the_same_time(sites: Callable[[str], Site]) -> None:
    both = [sites("left"), sites("right")]
    for each in both:
        each.write(f"services: {{app: {{{SLEEP}, depends_on: [db]}}, db: {{{SLEEP}}}}}")
    for ran in [running.end() for running in [each.begin("up", "-d") for each in both]]:
        assert ran.code == 0, ran.said
    assert [each.states() for each in both] == [{"app-1": "running", "db-1": "running"}] * 2
    both[0].run("down")
    assert both[0].left() == {}
    assert both[1].states() == {"app-1": "running", "db-1": "running"}


def test_no_start_creates_and_a_later_up_starts(site: Site) -> None:
    site.write(f"services: {{app: {{{SLEEP}, depends_on: [db]}}, db: {{{SLEEP}}}}}")
    site.run("up", "--no-start")
    assert site.states() == {"app-1": "created", "db-1": "created"}
    made = {name: who[0] for name, who in site.identities().items()}
    site.run("up", "-d")
    assert site.states() == {"app-1": "running", "db-1": "running"}
    assert {name: who[0] for name, who in site.identities().items()} == made


def test_a_stack_from_another_folder_is_refused_unless_it_is_meant(
    site: Site, sites: Callable[[str], Site]
) -> None:
    site.write(f"services: {{app: {{{SLEEP}}}}}")
    site.run("up", "-d")
    before = site.identities()
    stranger = sites("stranger")
    stranger.put("compose.yaml", f"name: {site.name}\nservices: {{app: {{{SLEEP}, environment: {{A: b}}}}}}")
    ran = stranger.run("up", "-d", expect=2)
    assert str(site.folder) in ran.err
    assert site.identities() == before
    stranger.run("up", "-d", "--adopt")
    assert site.identities() != before
