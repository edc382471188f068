"""Answers to real POSTs get lost, and no container is doubled or missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.openstack.conftest import Zun, unique, until
from zun_compose import openstack
from zun_compose.openstack import creation, errors
from zun_compose.openstack.container import Container

Send = Callable[[], requests.Response]
Fault = Callable[[int, Send], requests.Response]


class Lossy(HTTPAdapter):
    """A transport that hands each POST of a container to a fault, with its number, and counts."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault
        self.posts = 0

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if request.method != "POST" or not str(request.url).endswith("/containers"):
            return super().send(request, *args, **kwargs)
        self.posts += 1
        copy = request.copy()
        return self.fault(self.posts, lambda: HTTPAdapter.send(self, copy, *args, **kwargs))


@pytest.fixture
def lossy(demo: Zun) -> Iterator[Callable[[Fault], tuple[Zun, Lossy]]]:
    """Connect through a faulty transport."""
    made: list[Zun] = []

    def connect(fault: Fault) -> tuple[Zun, Lossy]:
        conn = openstack.connect("demo")
        transport = Lossy(fault)
        conn.session.session.mount(str(conn.container.get_endpoint()), transport)
        made.append(demo._replace(conn=conn, proxy=conn.container))
        return made[-1], transport

    yield connect
    for zun in made:
        zun.conn.close()


def broken(*_: object, **__: object) -> requests.Response:
    raise requests.ConnectionError("the line was cut")


def named(zun: Zun, name: str) -> list[Container]:
    return list(zun.proxy.containers(name=name))


def test_a_lost_answer_is_no_second_container(lossy: Any, demo: Zun) -> None:
    def fault(number: int, send: Send) -> requests.Response:
        send()
        return broken()

    zun, transport = lossy(fault)
    name = unique()
    made = zun.create(name=name)
    assert transport.posts == 1
    assert [row.id for row in named(demo, name)] == [made.id]
    assert demo.proxy.get_container(made.id).labels[creation.LABEL]


def test_a_lost_request_is_sent_again(lossy: Any, demo: Zun) -> None:
    zun, transport = lossy(lambda number, send: broken() if number == 1 else send())
    name = unique()
    made = zun.create(name=name)
    assert transport.posts == 2
    assert [row.id for row in named(demo, name)] == [made.id]


def test_of_duplicates_the_oldest_stays(lossy: Any, demo: Zun) -> None:
    late: list[Send] = []
    made_there: list[str] = []

    def fault(number: int, send: Send) -> requests.Response:
        if number == 1:
            late.append(send)
            return broken()
        # The first one was only slow: it arrives before the second.
        answers = [late.pop()(), send()]
        assert [answer.status_code for answer in answers] == [202, 202], [answer.text for answer in answers]
        made_there.extend(answer.json()["uuid"] for answer in answers)
        return answers[-1]

    zun, transport = lossy(fault)
    name = unique()
    made = zun.create(name=name)
    assert transport.posts == 2
    oldest, later = made_there
    assert made.id == oldest
    until(lambda: [row.id for row in named(demo, name)] == [oldest])
    assert demo.proxy.find_container(later) is None
    demo.proxy.wait_for_status(made, "Created", interval=0.2)


def test_a_refusal_is_not_asked_again(lossy: Any) -> None:
    zun, transport = lossy(lambda number, send: send())
    with pytest.raises(errors.BadRequest):
        zun.create(name="x")
    assert transport.posts == 1


def test_what_zun_leaves_of_a_refused_container_is_removed_or_named(admin: Zun, demo: Zun) -> None:
    # Zun writes the container down before it looks for the volume.
    mounts = [{"type": "volume", "source": "zct-no-such-volume", "destination": "/data"}]
    name = unique()
    with pytest.raises(errors.NotFound, match="zct-no-such-volume"):
        admin.create(name=name, mounts=mounts)
    until(lambda: not named(admin, name))
    with pytest.raises(errors.NotFound) as caught:
        demo.create(name=name, mounts=mounts)
    (left,) = named(demo, name)
    assert left.status == "Creating"
    assert any(left.id in note for note in caught.value.__notes__)
    admin.proxy.delete_container(left.id, force=True, all_projects=True)
    until(lambda: not named(demo, name))


def test_who_cannot_be_asked_is_told_where_to_look(lossy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    zun, transport = lossy(broken)
    zun.proxy.get_microversions()
    monkeypatch.setattr(zun.proxy, "_sleep", lambda seconds: None)
    monkeypatch.setattr(HTTPAdapter, "send", broken)
    name = unique()
    with pytest.raises(errors.CreationUnknown) as caught:
        zun.create(name=name)
    assert caught.value.name == name
    assert transport.posts == 1
