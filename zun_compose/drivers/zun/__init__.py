"""Driver of OpenStack Zun, with Neutron networks and Cinder volumes, over zun_compose.openstack.

It needs the extra `openstack` and loads the SDK with the first call. `connect` talks to nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zun_compose.drivers.zun.driver import ZunDriver


def connect(url: str | None = None) -> ZunDriver:
    """Return a driver for a cloud; `url` is its name in clouds.yaml.

    None takes OS_CLOUD, else the OS_* variables, as all OpenStack clients do.
    Raises Unsupported if the SDK is not installed.
    """
    from importlib.util import find_spec

    from zun_compose.errors import Unsupported

    if find_spec("openstack") is None:
        raise Unsupported('the zun driver needs the extra "openstack": pip install "zun-compose[openstack]"')
    from zun_compose.drivers.zun.cloud import Cloud
    from zun_compose.drivers.zun.driver import ZunDriver

    return ZunDriver(Cloud(url))
