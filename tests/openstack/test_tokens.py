"""Tokens that expire, and a Keystone that fails: a fresh token once, or an error that names Keystone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.faults.proxy import FaultProxy
from tests.faults.script import At, Drop, Fault, Garble, Nonsense, Rule, Silence, refusal
from tests.openstack.conftest import Zun
from tests.openstack.ordeals import PATIENCE
from tests.openstack.stand import TRIES
from zun_compose import openstack as zun
from zun_compose.openstack import errors
from zun_compose.openstack.connection import Connection
from zun_compose.openstack.retrying import RetryPolicy

TOKENS = "/auth/tokens"

Connect = Callable[..., Connection]

BROKEN: dict[str, Fault] = {
    "closed": Drop(at=At.ANSWER),
    "reset": Drop(at=At.FORWARDING, reset=True),
    "half": Drop(at=At.BODY),
    "silence": Silence(),
    "400": refusal(400),
    "401": refusal(401),
    "403": refusal(403),
    "429": refusal(429, retry_after=1),
    "500": refusal(500),
    "503": refusal(503),
    **{what.name.lower(): Garble(what=what) for what in Nonsense},
}


@pytest.fixture(scope="module")
def direct(demo: Zun) -> Connection:
    return demo.conn


@pytest.fixture
def keystone(direct: Connection) -> Iterator[FaultProxy]:
    with FaultProxy(f"http://{urlsplit(direct.config.config['auth']['auth_url']).netloc}") as proxy:
        yield proxy


@pytest.fixture
def service(direct: Connection) -> Iterator[FaultProxy]:
    with FaultProxy(f"http://{urlsplit(str(direct.container.get_endpoint())).netloc}") as proxy:
        yield proxy


@pytest.fixture
def connect(direct: Connection, keystone: FaultProxy, service: FaultProxy) -> Iterator[Connect]:
    """Connect through both proxies."""
    auth = direct.config.config["auth"]
    keystone_path = urlsplit(auth["auth_url"]).path
    zun_path = urlsplit(str(direct.container.get_endpoint())).path

    with ExitStack() as stack:

        def make(**changed: Any) -> Connection:
            conn = zun.connect(
                "demo",
                auth={**auth, "auth_url": f"{keystone.url}{keystone_path}", **changed},
                application_container_endpoint_override=f"{service.url}{zun_path}",
                api_timeout=PATIENCE,
            )
            stack.enter_context(closing(conn))
            conn.container.retries = RetryPolicy(tries=TRIES, pause=0.1)
            return conn

        yield make


@pytest.fixture
def conn(connect: Connect, keystone: FaultProxy, service: FaultProxy) -> Connection:
    """A connection that has a token; what it took is not in the accounts."""
    conn = connect()
    conn.container.get_microversions()
    keystone.forget()
    service.forget()
    return conn


def asked(proxy: FaultProxy) -> list[tuple[str, int | None]]:
    """What was asked of a service and answered by it or in its place."""
    return [(one.method, one.status) for one in proxy.settle(30.0)]


def test_an_expired_token_is_renewed_once(conn: Connection, keystone: FaultProxy, service: FaultProxy):
    service.play(Rule(fault=refusal(401)))
    list(conn.container.containers())
    assert asked(keystone) == [("POST", 201)]
    assert asked(service)[:2] == [("GET", 401), ("GET", 200)]
    first, second = service.passed()[:2]
    assert first.header("x-auth-token") != second.header("x-auth-token")


def test_a_token_that_was_really_revoked_is_renewed(
    direct: Connection, conn: Connection, keystone: FaultProxy, service: FaultProxy
):
    # one that Zun has not seen, since it trusts what it has seen for a while
    conn.container.invalidate()
    token = conn.container.get_token()
    direct.session.delete(
        f"{direct.config.config['auth']['auth_url']}/auth/tokens", headers={"X-Subject-Token": str(token)}
    )
    keystone.forget()
    list(conn.container.containers())
    assert asked(keystone) == [("POST", 201)]
    assert asked(service)[:2] == [("GET", 401), ("GET", 200)]


def test_a_post_that_met_an_expired_token_is_sent_again(conn: Connection, service: FaultProxy):
    service.play(Rule(method="POST", fault=refusal(401)))
    with pytest.raises(errors.NotFound):
        conn.container.start_container("00000000-0000-4000-8000-000000000000")
    assert asked(service) == [("POST", 401), ("POST", 404)]


def test_a_zun_that_never_takes_the_token(conn: Connection, keystone: FaultProxy, service: FaultProxy):
    service.play(Rule(fault=refusal(401), times=None))
    with pytest.raises(errors.Unauthorized) as caught:
        list(conn.container.containers())
    assert caught.value.status_code == 401
    assert asked(keystone) == [("POST", 201)]
    assert asked(service) == [("GET", 401)] * 2


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN.keys())
def test_a_keystone_that_cannot_renew(conn: Connection, keystone: FaultProxy, service: FaultProxy, fault):
    service.play(Rule(fault=refusal(401)))
    keystone.play(Rule(path=TOKENS, fault=fault, times=None))
    began = time.monotonic()
    with pytest.raises(errors.AuthenticationFailed) as caught:
        list(conn.container.containers())
    assert time.monotonic() - began < TRIES * PATIENCE
    assert "Keystone" in str(caught.value)
    assert asked(service) == [("GET", 401)]
    assert len(asked(keystone)) <= TRIES


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN.keys())
def test_a_keystone_that_gives_no_first_token(
    connect: Connect, keystone: FaultProxy, service: FaultProxy, fault
):
    keystone.play(Rule(path=TOKENS, fault=fault, times=None))
    with pytest.raises(errors.AuthenticationFailed):
        list(connect().container.containers())
    assert asked(service) == []


@pytest.mark.parametrize("name", ["closed", "reset", "half", "503", "not_http", "cut_chunk"])
def test_a_keystone_that_stumbles_once(connect: Connect, keystone: FaultProxy, service: FaultProxy, name):
    keystone.play(Rule(path=TOKENS, fault=BROKEN[name]))
    list(connect().container.containers())
    assert [status for _, status in asked(keystone)][-1] == 201


def test_a_wrong_password(connect: Connect, service: FaultProxy):
    with pytest.raises(errors.AuthenticationFailed) as caught:
        list(connect(password="mispel-and-sloe").container.containers())
    assert caught.value.status_code == 401
    assert "mispel" not in f"{caught.value} {caught.value!r}"
    assert asked(service) == []
