"""Driver of the Docker Engine and of what speaks its API (Podman).

Importing this package loads no SDK: `connect` does, and talks to nobody before the first call.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from zun_compose.errors import Unsupported

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
    Raises Unsupported if the SDK is not installed, Rejected if the named context cannot be used.
    """
    try:
        from zun_compose.drivers.docker.address import resolve
        from zun_compose.drivers.docker.driver import DockerDriver
        from zun_compose.drivers.docker.wire import Wire
    except ModuleNotFoundError as error:
        if error.name not in {"docker", "requests", "urllib3"}:
            raise
        raise Unsupported(
            'the docker driver needs the extra "docker": pip install "zun-compose[docker]"'
        ) from error
    address = resolve(url, os.environ if environment is None else environment)
    return DockerDriver(Wire(address, timeout))
