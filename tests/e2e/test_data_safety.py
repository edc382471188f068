"""Volumes and things outside the stack: what no command may take away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.site import Site, forgiven

pytestmark = pytest.mark.docker

SLEEP = 'image: busybox, init: true, command: [sleep, "3600"]'


def test_a_named_volume_is_kept_by_down_and_removed_by_down_v(site: Site) -> None:
    site.write(f"""
        services: {{app: {{{SLEEP}, volumes: ["data:/data", /scratch]}}}}
        volumes: {{data: {{}}}}
        """)
    site.run("up", "-d")
    site.inside("app", "sh", "-c", "echo kept > /data/file")
    site.run("down")
    assert site.left() == {"volumes": [f"{site.name}_data"]}
    site.run("up", "-d")
    assert site.inside("app", "cat", "/data/file") == "kept\n"
    anonymous = site.anonymous()
    assert len(anonymous) == 1
    site.run("down", "-v")
    assert site.left() == {}
    assert [name for name in anonymous if site.has_volume(name)] == []


def test_a_volume_whose_options_changed_is_refused_and_left_alone(site: Site) -> None:
    def write(label: str) -> None:
        site.write(f"""
            services: {{app: {{{SLEEP}, volumes: ["data:/data"]}}}}
            volumes: {{data: {{driver_opts: {{type: tmpfs, device: tmpfs, o: "size={label}"}}}}}}
            """)

    write("1m")
    site.run("up", "-d")
    before = site.identities()
    write("2m")
    ran = site.run("up", "-d", expect=2)
    assert "data" in ran.err
    assert site.identities() == before
    options = site.engine.api.inspect_volume(f"{site.name}_data")["Options"]
    assert options["o"] == "size=1m"


@pytest.fixture
def outside(site: Site) -> Iterator[str]:
    """A network and a volume of one name that belong to nobody's stack."""
    name = f"{site.name}-outside"
    yield name
    site.clear()
    with forgiven():
        site.engine.api.remove_network(name)
    with forgiven():
        site.engine.api.remove_volume(name)


def test_external_things_are_required_used_and_never_removed(site: Site, outside: str) -> None:
    site.write(f"""
        services: {{app: {{{SLEEP}, networks: [net], volumes: ["vol:/data"]}}}}
        networks: {{net: {{external: true, name: {outside}}}}}
        volumes: {{vol: {{external: true, name: {outside}}}}}
        """)
    ran = site.run("up", "-d", expect=2)
    assert outside in ran.err
    assert site.left() == {}
    site.engine.api.create_network(outside)
    ran = site.run("up", "-d", expect=2)
    assert "volume" in ran.err
    assert site.left() == {}
    site.engine.api.create_volume(outside)
    site.run("up", "-d")
    seen = site.container("app")
    assert list(seen["NetworkSettings"]["Networks"]) == [outside]
    assert [mount["Name"] for mount in seen["Mounts"]] == [outside]
    site.run("down", "-v", "--remove-orphans")
    assert site.left() == {}
    assert site.has_volume(outside)
    assert site.engine.api.inspect_network(outside)["Name"] == outside


def test_a_container_without_our_labels_is_never_touched(site: Site) -> None:
    """One that merely has the name that ours would get: `up` says so, `down` leaves it."""
    name = f"{site.name}-app-1"
    stranger = site.engine.api.create_container("busybox", ["sleep", "3600"], name=name)["Id"]
    try:
        site.write(f"services: {{app: {{{SLEEP}}}}}")
        ran = site.run("up", "-d", expect=1)
        assert name in ran.err
        site.run("down", "-v", "--remove-orphans")
        assert site.engine.api.inspect_container(stranger)["State"]["Status"] == "created"
    finally:
        site.engine.api.remove_container(stranger, force=True)


def test_secrets_and_environment_stand_in_no_output_and_no_inspect(site: Site) -> None:
    """Neither in what `docker inspect` shows, nor in anything that zun-compose says, failures included."""
    secret, value = "s3cr3t-of-file", "v4lue-of-environment"
    site.put("password.txt", secret)
    site.environment["TOKEN"] = f"{secret}-token"
    site.write(f"""
        services:
          app:
            {{{SLEEP}, secrets: [password, token], environment: {{KEY: {value}}}, depends_on: [db]}}
          db: {{{SLEEP}, environment: {{KEY: {value}}}}}
        secrets: {{password: {{file: ./password.txt}}, token: {{environment: TOKEN}}}}
        """)
    said = [site.run("plan"), site.run("up", "-d", "--dry-run")]
    said += [site.run("--progress", mode, "up", "-d", "--force-recreate") for mode in ("json", "plain")]
    assert site.inside("app", "cat", "/run/secrets/password") == secret
    assert site.inside("app", "cat", "/run/secrets/token") == f"{secret}-token"
    for seen in site.containers():
        assert secret not in repr(seen), "not in its environment, labels or mounts"
        assert value not in repr(seen["Config"]["Labels"])
    site.put("password.txt", f"{secret}-changed")
    said += [
        site.run("plan"),
        site.run("plan", "--format", "json"),
        site.run("up", "-d"),
        site.run("ps", "--format", "json"),
        site.run("status", "--format", "json"),
        site.run("explain"),
    ]
    site.write(f"""
        services: {{app: {{image: "no.such/image", environment: {{KEY: {value}}}, secrets: [password]}}}}
        secrets: {{password: {{file: ./password.txt}}}}
        """)
    said.append(site.run("up", "-d", "--pull", "never", "--remove-orphans", expect=2))
    said.append(site.run("down"))
    for ran in said:
        assert secret not in ran.said
        assert value not in ran.said
    for path in site.state.rglob("*"):
        assert not path.is_file() or secret not in path.read_text(errors="replace")
        assert not path.is_file() or value not in path.read_text(errors="replace")
