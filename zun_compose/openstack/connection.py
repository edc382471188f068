"""How a Connection comes to serve Zun: the service's description, and the two ways to have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openstack import config as sdk_config
from openstack import connection as sdk_connection
from openstack import service_description

from zun_compose.openstack.proxy import Proxy

if TYPE_CHECKING:
    from keystoneauth1.session import Session

SERVICE_TYPE = "application-container"

# For what is asked of Keystone. Without it keystoneauth waits for ever.
AUTH_TIMEOUT = 60.0


class ZunService(service_description.ServiceDescription[Proxy]):
    """What the SDK has to know to make our Proxy. The catalog may say `container` or the official name."""

    supported_versions = {"1": Proxy}  # noqa: RUF012 - the SDK declares it so


class Connection(sdk_connection.Connection):
    """The SDK's Connection with Zun, not touching the class that other connections share.

    `container` and `application_container` are the same Proxy; its use raises where the catalog lacks Zun.
    """

    application_container = ZunService(SERVICE_TYPE, aliases=["container"])
    container = application_container


def connect(cloud: str | None, session: Session | None, **options: Any) -> Connection:
    """Do what zun_compose.openstack.connect says."""
    if session is not None:
        return Connection(session=session, **options)
    conn = Connection(config=sdk_config.get_cloud_region(cloud=cloud, **options))
    if conn.session.timeout is None:
        conn.session.timeout = AUTH_TIMEOUT
    return conn


def register(conn: sdk_connection.Connection) -> Proxy:
    """Do what zun_compose.openstack.register says."""
    service = ZunService(SERVICE_TYPE, aliases=["container"])
    if not isinstance(conn, Connection):
        # The bare adapter, if somebody already asked for it.
        conn._proxies.pop(SERVICE_TYPE, None)
        conn.add_service(service)
    return service.__get__(conn, type(conn))
