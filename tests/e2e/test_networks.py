"""Who reaches whom: names, networks, published ports and shared namespaces."""

from __future__ import annotations

import os
import socket
import subprocess
from urllib.request import urlopen

import pytest

from tests.e2e.site import Site
from tests.engines.dockerd import namespace

pytestmark = pytest.mark.docker

SLEEP = 'image: busybox, init: true, command: [sleep, "3600"]'


def resolve(site: Site, service: str, name: str) -> bool:
    """Ask the engine's resolver from inside a service's container."""
    identity = site.engine.api.exec_create(site.container(service)["Id"], ["nslookup", name, "127.0.0.11"])[
        "Id"
    ]
    output: bytes = site.engine.api.exec_start(identity)
    return (
        site.engine.api.exec_inspect(identity)["ExitCode"] == 0
        and b"Address" in output.partition(b"Name:")[2]
    )


def test_aliases_on_several_networks_are_resolved_where_they_belong(site: Site) -> None:
    site.write(f"""
        services:
          app: {{{SLEEP}, networks: [front, back]}}
          db: {{{SLEEP}, networks: {{back: {{aliases: [base]}}, deep: {{aliases: [below]}}}}}}
          web: {{{SLEEP}, networks: [front]}}
        networks: {{front: {{}}, back: {{}}, deep: {{internal: true}}}}
        """)
    site.run("up", "-d")
    joined = site.container("db")["NetworkSettings"]["Networks"]
    assert set(joined) == {f"{site.name}_back", f"{site.name}_deep"}
    for name in ("db", "base"):
        assert joined[f"{site.name}_back"]["IPAddress"] in site.inside("app", "nslookup", name, "127.0.0.11")
        assert not resolve(site, "web", name)
    assert resolve(site, "web", "app")
    assert resolve(site, "db", "below")
    assert not resolve(site, "app", "below")
    assert site.engine.api.inspect_network(f"{site.name}_deep")["Internal"] is True


def fetch(url: str) -> str:
    """Fetch a page from the engine's host, or from the network namespace that stands for it."""
    other = namespace()
    if other is None:
        with urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())
    command = ["nsenter", f"--net=/proc/{other}/ns/net", "busybox", "wget", "-qO-", url]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout


def test_published_ports_are_reachable_as_declared(site: Site) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        fixed = probe.getsockname()[1]
    site.write(f"""
        services:
          web:
            image: busybox
            init: true
            command: [sh, -c, "mkdir /www; echo it is me > /www/index.html; httpd -f -p 8080 -h /www"]
            ports: ["127.0.0.1:{fixed}:8080", "8080"]
        """)
    site.run("up", "-d", "--wait")
    bindings = site.container("web")["NetworkSettings"]["Ports"]["8080/tcp"]
    assert {"HostIp": "127.0.0.1", "HostPort": str(fixed)} in bindings
    for port in {binding["HostPort"] for binding in bindings}:
        # --wait has returned, so the first try has to succeed.
        assert fetch(f"http://127.0.0.1:{port}/index.html") == "it is me\n"


def test_a_shared_network_namespace_follows_its_owner(site: Site) -> None:
    def write(value: str) -> None:
        site.write(f"""
            services:
              owner: {{{SLEEP}, environment: {{VALUE: "{value}"}}}}
              guest: {{{SLEEP}, network_mode: "service:owner"}}
            """)

    def spaces() -> set[str]:
        return {os.readlink(f"/proc/{seen['State']['Pid']}/ns/net") for seen in site.containers()}

    write("one")
    site.run("up", "-d")
    owner, guest = site.container("owner"), site.container("guest")
    assert guest["HostConfig"]["NetworkMode"] == f"container:{owner['Id']}"
    assert len(spaces()) == 1
    write("two")
    site.run("up", "-d")
    assert site.container("owner")["Id"] != owner["Id"]
    assert site.states() == {"guest-1": "running", "owner-1": "running"}
    assert len(spaces()) == 1, "the guest was replaced with its owner"
