"""Making, finding, changing and removing containers on a real Zun; the engine tells what happened."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from openstack import exceptions as sdk

from tests.openstack.conftest import IMAGE, Zun, speaking, unique, until
from zun_compose.openstack import errors
from zun_compose.openstack.container import Container
from zun_compose.openstack.microversions import Microversion

Inspect = Callable[[Container], dict[str, Any]]


def test_microversions_are_those_of_the_server(admin: Zun) -> None:
    assert admin.proxy.get_microversions() == (Microversion(1, 1), Microversion(1, 40))
    assert admin.proxy.choose_microversion("a call", "1.30") == "1.40"
    response = admin.proxy.request("/containers", "GET", microversion="1.32")
    assert response.status_code == 200
    assert response.request.headers["OpenStack-API-Version"] == "container 1.32"


def test_what_is_asked_for_reaches_the_engine(demo: Zun, inspect: Inspect) -> None:
    name = unique()
    made = demo.run(
        name=name,
        environment={"COLOUR": "blue"},
        labels={"mine": "yes"},
        workdir="/tmp",
        hostname="somewhere",
        cpu=0.5,
        memory=64,
        restart_policy={"Name": "on-failure", "MaximumRetryCount": "2"},
        healthcheck={"cmd": "true", "interval": 5, "retries": 3, "timeout": 2},
        mounts=[{"type": "bind", "source": base64.b64encode(b"injected").decode(), "destination": "/given"}],
        exposed_ports={"8080/tcp": {}},
    )
    seen = inspect(made)
    assert "COLOUR=blue" in seen["Config"]["Env"]
    assert seen["Config"]["Labels"]["mine"] == "yes"
    assert (seen["Config"]["WorkingDir"], seen["Config"]["Hostname"]) == ("/tmp", "somewhere")
    assert seen["HostConfig"]["Memory"] == 64 << 20
    assert seen["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    assert seen["Config"]["Healthcheck"]["Interval"] == 5 * 10**9
    assert "8080/tcp" in seen["Config"]["ExposedPorts"]
    assert demo.proxy.execute_container(made, ["cat", "/given"]).output == "injected"
    again = demo.proxy.get_container(name)
    assert (again.id, again.environment["COLOUR"], again.ports) == (made.id, "blue", [8080])
    assert [row["addr"] for row in itertools.chain(*again.addresses.values())]
    assert "blue" not in repr(again)
    # Neutron, not Zun, is asked whether the port was opened.
    (group,) = again.security_groups
    rules = demo.conn.network.security_group_rules(security_group_id=group, direction="ingress")
    assert 8080 in {rule.port_range_min for rule in rules}


def test_names_are_found_and_ambiguous_ones_are_told(demo: Zun) -> None:
    name = unique()
    first = demo.create(name=name)
    found = demo.proxy.find_container(name)
    assert found is not None
    assert found.id == first.id
    assert demo.proxy.find_container(first.id, ignore_missing=False).name == name
    second = demo.create(name=name)
    assert second.id != first.id
    with pytest.raises(sdk.DuplicateResource):
        demo.proxy.find_container(name)
    with pytest.raises(errors.AmbiguousName):
        demo.proxy.get_container(name)
    assert demo.proxy.find_container("zct-nowhere") is None
    with pytest.raises(sdk.NotFoundException):
        demo.proxy.find_container("zct-nowhere", ignore_missing=False)
    for made in (first, second):
        demo.proxy.wait_for_status(made, "Created", interval=0.2)
        demo.proxy.delete_container(made)
    for made in (first, second):
        demo.proxy.wait_for_delete(made, interval=0.2)


def test_lists_come_in_pages_as_they_are_consumed(demo: Zun, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [demo.create().id for _ in range(4)]
    asked: list[Any] = []
    send = demo.proxy.request

    def counted(url: str, method: str, **kwargs: Any) -> Any:
        asked.append(kwargs["params"].get("marker"))
        return send(url, method, **kwargs)

    monkeypatch.setattr(demo.proxy, "request", counted)
    rows = demo.proxy.containers(limit=1)
    first = next(rows)
    assert asked == [None]
    everything = [first.id, *(row.id for row in rows)]
    assert [ident for ident in everything if ident in wanted] == wanted
    assert asked[1:] == everything
    after = [row.id for row in demo.proxy.containers(marker=wanted[0])]
    assert [ident for ident in after if ident in everything] == everything[everything.index(wanted[0]) + 1 :]
    assert [row.id for row in demo.proxy.containers(max_items=1)] == everything[:1]
    monkeypatch.undo()
    with pytest.raises(sdk.InvalidResourceQuery):
        list(demo.proxy.containers(colour="blue"))
    # One filter is the server's, the other is ours.
    until(lambda: [row.id for row in demo.proxy.containers(status="Created", id=wanted[1])] == wanted[1:2])
    # A page begins after a container that was deleted meanwhile.
    rows = demo.proxy.containers(limit=1)
    before = list(itertools.takewhile(lambda row: row.id != wanted[1], rows))
    demo.proxy.delete_container(wanted[1])
    until(lambda: demo.proxy.find_container(wanted[1]) is None)
    rest = [row.id for row in rows]
    assert [ident for ident in rest if ident in wanted] == wanted[2:]
    assert not {row.id for row in before} & set(rest)


def test_a_container_changes_in_place(admin: Zun, inspect: Inspect) -> None:
    made = admin.run(memory=64, cpu=1.0)
    assert admin.proxy.update_container(made, cpu=0.5, memory=128, auto_heal=True).memory == "128"
    assert inspect(made)["HostConfig"]["Memory"] == 128 << 20
    name = unique()
    assert admin.proxy.rename_container(made, name).name == name
    assert admin.proxy.find_container(name, ignore_missing=False).id == made.id
    admin.proxy.resize_container(made, memory=96)
    until(lambda: inspect(made)["HostConfig"]["Memory"] == 96 << 20)


def test_old_microversions_get_what_they_understand(admin: Zun, inspect: Inspect) -> None:
    old = speaking(admin, "1.12")
    words = ["sh", "-c", "trap 'exit  0' TERM; sleep 1000 & wait"]
    made = admin._replace(proxy=old).create(words, run=True)
    admin.proxy.wait_for_status(made, "Running", interval=0.2)
    assert inspect(made)["Config"]["Cmd"] == words
    name = unique()
    assert old.rename_container(made.id, name).name == name
    assert admin.proxy.get_container(made.id).name == name
    with pytest.raises(sdk.NotSupported, match=r"1\.14"):
        old.update_container(made.id, name="other")
    with pytest.raises(errors.MicroversionNotSupported):
        list(old.registries())


def test_deleting_says_what_stands_in_its_way(demo: Zun, admin: Zun) -> None:
    made = demo.run()
    with pytest.raises(errors.WrongState) as caught:
        demo.proxy.delete_container(made)
    assert (caught.value.state, caught.value.action, caught.value.status_code) == ("Running", "delete", 409)
    assert isinstance(caught.value, sdk.ConflictException)
    assert str(caught.value.request_id) in str(caught.value)
    with pytest.raises(errors.Forbidden, match="delete_force"):
        demo.proxy.delete_container(made, force=True)
    demo.proxy.stop_container(made, timeout=1)
    demo.proxy.wait_for_status(made, "Stopped", interval=0.2)
    demo.proxy.delete_container(made, stop=True)
    # A second one finds it on its way out, or gone.
    demo.proxy.delete_container(made, stop=True)
    demo.proxy.wait_for_delete(made, interval=0.2)
    assert demo.proxy.find_container(made.id) is None
    demo.proxy.delete_container(made)
    with pytest.raises(errors.NotFound):
        demo.proxy.delete_container(made, ignore_missing=False)


def test_what_zun_finds_wrong_is_told_without_secrets(demo: Zun) -> None:
    secret = "hunter2hunter2"
    with pytest.raises(errors.BadRequest) as caught:
        demo.proxy.create_container(IMAGE, name=unique(), environment={"TOKEN": {secret: secret}})
    assert secret not in f"{caught.value} {caught.value!r} {caught.value.details} {caught.value.args}"
    assert "TOKEN" in str(caught.value)
    with pytest.raises(errors.BadRequest, match="too short"):
        demo.proxy.create_container(IMAGE, name="x")
    with pytest.raises(errors.BadRequest, match="colour"):
        demo.proxy.create_container(IMAGE, name=unique(), colour="blue")
    with pytest.raises(errors.Forbidden, match="image_pull_policy"):
        demo.proxy.create_container(IMAGE, name=unique(), image_pull_policy="never")


def test_a_failure_is_told_with_zuns_reason(demo: Zun) -> None:
    made = demo.create(image="localhost:5001/no-such-image", run=True)
    with pytest.raises(sdk.ResourceFailure, match="came to Error: Cannot download image"):
        demo.proxy.wait_for_status(made, "Running", interval=0.2)
    with pytest.raises(sdk.ResourceTimeout, match="is Error after"):
        demo.proxy.wait_for_status(made, "Running", failures=[], interval=0.1, wait=0.3)
    demo.proxy.delete_container(made)
    demo.proxy.wait_for_delete(made, interval=0.2)
