"""Every way to a Proxy, against the real Keystone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import openstack as sdk
import pytest
import yaml
from keystoneauth1 import session as ksa_session

from tests.cloud.fixture import Cloud
from tests.openstack.conftest import Zun, unique
from zun_compose import openstack
from zun_compose.openstack.proxy import Proxy


def works(proxy: Proxy) -> bool:
    list(proxy.containers(limit=1, max_items=1))
    return str(proxy.get_microversions()) == "1.1 to 1.40"


@pytest.fixture
def password(cloud: Cloud) -> dict[str, str]:
    """How the tenant logs in."""
    found: dict[str, str] = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]["demo"]["auth"]
    return found


def test_from_variables(password: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "/nonexistent")
    for name, value in password.items():
        monkeypatch.setenv(f"OS_{name.upper()}", str(value))
    with openstack.connect() as conn:
        assert works(conn.container)


def test_from_a_session(demo: Zun) -> None:
    session = ksa_session.Session(auth=demo.conn.session.auth)
    with openstack.connect(session=session, region_name="RegionOne") as conn:
        assert works(conn.application_container)


def test_from_an_application_credential(demo: Zun, password: dict[str, str]) -> None:
    identity: Any = demo.conn.identity
    user = demo.conn.current_user_id
    made = identity.create_application_credential(user, name=unique())
    try:
        auth = {
            "auth_url": password["auth_url"],
            "application_credential_id": made.id,
            "application_credential_secret": made.secret,
        }
        with openstack.connect(
            auth_type="v3applicationcredential", auth=auth, load_yaml_config=False
        ) as conn:
            assert works(conn.container)
    finally:
        identity.delete_application_credential(user, made)


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch, demo: Zun) -> Iterator[sdk.connection.Connection]:
    """A Connection of the SDK, of a class of its own, since registering is for the class."""

    class Apart(sdk.connection.Connection):
        pass

    conn = Apart(config=demo.conn.config)
    yield conn
    conn.close()


def test_a_given_connection_learns_it(apart: sdk.connection.Connection) -> None:
    assert not isinstance(apart.container, Proxy)
    proxy = openstack.register(apart)
    assert apart.container is apart.application_container is proxy
    assert works(proxy)
    assert openstack.register(apart).get_endpoint() == proxy.get_endpoint()


def test_an_endpoint_can_be_told(demo: Zun) -> None:
    endpoint = demo.proxy.get_endpoint()
    with openstack.connect("demo", application_container_endpoint_override=endpoint) as conn:
        assert works(conn.container)


def test_a_token_that_is_refused_is_replaced_once(demo: Zun) -> None:
    with openstack.connect("demo") as conn:
        assert works(conn.container)
        auth: Any = conn.session.auth
        auth.auth_ref._auth_token = "expired"
        list(conn.container.containers(max_items=1))
        assert conn.session.get_token() != "expired"


def test_a_log_at_its_loudest_holds_no_secret(demo: Zun, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = demo.create(environment={"TOKEN": "hunter2hunter2"})
    demo.proxy.get_container(made.id)
    assert f"GET /containers/{made.id} -> 200" in caplog.text
    assert "hunter2hunter2" not in caplog.text
    assert str(demo.conn.session.get_token()) not in caplog.text
