"""The Proxy and python-zunclient's command tell the same of the same objects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.openstack.conftest import Zun
from zun_compose.openstack.container import Container


def test_the_command_tells_the_same(admin: Zun, shared: Container) -> None:
    questions = {
        "list": ["appcontainer", "list"],
        "show": ["appcontainer", "show", shared.id],
        "actions": ["appcontainer", "action", "list", shared.id],
        "hosts": ["appcontainer", "host", "list"],
    }
    with ThreadPoolExecutor(2) as pool:
        told = dict(
            zip(questions, pool.map(lambda words: admin.cli(*words), questions.values()), strict=True)
        )
    row = next(row for row in told["list"] if row["uuid"] == shared.id)
    now = admin.proxy.get_container(shared.id)
    assert (row["name"], row["status"], row["image"]) == (now.name, now.status, now.image)
    shown = told["show"]
    for name in ("image", "command", "status", "labels", "hostname", "interactive", "host"):
        assert shown[name] == getattr(now, name), name
    assert (float(shown["cpu"]), str(shown["memory"])) == (now.cpu, now.memory)
    addresses = [
        row["ip_address"] for port in admin.proxy.container_networks(shared) for row in port.fixed_ips
    ]
    assert row["addresses"] == shown["addresses"] == ", ".join(addresses)
    actions = list(admin.proxy.container_actions(shared))
    assert [(found["request_id"], found["action"]) for found in told["actions"]] == [
        (action.id, action.action) for action in actions
    ]
    detailed = admin.proxy.get_container_action(actions[-1], shared)
    assert {event["result"] for event in detailed.events} == {"Success"}
    assert [found["hostname"] for found in told["hosts"]] == [host.hostname for host in admin.proxy.hosts()]
