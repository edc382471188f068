"""Driver of the Docker Engine and of what speaks its API (Podman).

It needs the SDK for engines that are not at a Unix socket, to pull and to build, and loads it only then.
`connect` talks to nobody before the first call.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zun_compose.drivers.docker.driver import DockerDriver

TIMEOUT = 60.0


def connect(
    url: str | None = None,
    *,
    timeout: float = TIMEOUT,
    environment: Mapping[str, str] | None = None,
) -> DockerDriver:
    """Return a driver for the engine at `url`, or where the Docker CLI would look.

    That is DOCKER_HOST (with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH), else DOCKER_CONTEXT, else the
    current context of the CLI's config file, else the local socket. `timeout` seconds bound each ordinary
    call. Nothing is sent yet: `engine()` tells whether the engine answers.
    Raises Rejected if the named context cannot be used, Unsupported if the engine is not at a Unix socket
    and the SDK, which is then needed, is not installed.
    """
    from zun_compose.drivers.docker.address import resolve
    from zun_compose.drivers.docker.driver import DockerDriver
    from zun_compose.drivers.docker.wire import Wire

    address = resolve(url, os.environ if environment is None else environment)
    return DockerDriver(Wire(address, timeout))
