"""Zun for openstacksdk: a Proxy with Resource classes, of which the SDK has none.

Stands alone: it imports nothing else of zun_compose. The SDK takes 0.4 s to load: only the functions do so.
docs/openstack-proxy.md shows it at work and says what was exercised on a real Zun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keystoneauth1.session import Session
    from openstack.connection import Connection as SdkConnection

    from zun_compose.openstack.connection import Connection
    from zun_compose.openstack.proxy import Proxy

__all__ = ["connect", "register"]


def connect(cloud: str | None = None, session: Session | None = None, **options: Any) -> Connection:
    """Connect to a cloud; `.container`, also named `.application_container`, is the Proxy.

    Args:
        cloud: A name in clouds.yaml; None takes OS_CLOUD, else the OS_* variables.
        session: A keystoneauth session that is used instead of both.
        **options: What openstack.connect takes, such as region_name, auth, auth_type, verify, or
            application_container_endpoint_override; what is said here wins over files and environment.

    Raises:
        openstack.exceptions.ConfigException: No such cloud, or its entry is not complete.
    """
    from zun_compose.openstack import connection

    return connection.connect(cloud, session, **options)


def register(conn: SdkConnection) -> Proxy:
    """Let a Connection that the caller has serve Zun as `.container`, and return its Proxy.

    The SDK keeps services on the class, so other connections of that class get the service too.
    """
    from zun_compose.openstack import connection

    return connection.register(conn)
