"""The local driver: containers without daemon, root or registry."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zun_compose.errors import Unsupported

if TYPE_CHECKING:
    from zun_compose.drivers.local.driver import LocalDriver

NO_ISOLATION = "ZUN_COMPOSE_NO_ISOLATION"


def connect(
    url: str | None = None,
    *,
    isolated: bool | None = None,
    environment: Mapping[str, str] | None = None,
) -> LocalDriver:
    """Return the driver that keeps its containers in the folder `url`, or in the user's state folder.

    `isolated` False runs commands as plain processes, where user namespaces are not allowed; None asks the
    environment (ZUN_COMPOSE_NO_ISOLATION). Raises Unsupported on other systems than Linux, StateError if
    the folder cannot be used.
    """
    if sys.platform != "linux":
        raise Unsupported("the local driver needs Linux: its containers are the kernel's own namespaces")
    from zun_compose.drivers.local.driver import LocalDriver
    from zun_compose.drivers.local.home import Home, default_root
    from zun_compose.drivers.local.pictures import store_of
    from zun_compose.drivers.local.resolve import Resolver

    environment = os.environ if environment is None else environment
    if isolated is None:
        isolated = environment.get(NO_ISOLATION, "").lower() in ("", "0", "false", "no")
    home = Home(Path(url) if url else default_root(environment))
    return LocalDriver(home, Resolver(home, store_of(home), isolated=isolated), isolated=isolated)
