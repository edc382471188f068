"""Where the engine is: the Docker CLI's rules for DOCKER_HOST, contexts and TLS material."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from docker.context import ContextAPI
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

from zun_compose.drivers.docker.errors import translated
from zun_compose.errors import Rejected

DEFAULT = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An engine's URL (unix, tcp, http, https or ssh), its TLS material, and the context it came from."""

    url: str
    tls: TLSConfig | None = None
    context: str = ""

    @property
    def socket(self) -> bool:
        """Whether it is a Unix socket of this machine."""
        return self.url.startswith(("unix://", "/", "http+unix://"))

    @property
    def ssh(self) -> bool:
        """Whether it is reached by way of ssh."""
        return self.url.startswith("ssh://")

    def __str__(self) -> str:
        return self.url


def resolve(url: str | None, environment: Mapping[str, str]) -> Address:
    """Choose the address: `url`, DOCKER_HOST, DOCKER_CONTEXT, the current context, the local socket.

    Raises Rejected if a context is named that does not exist or cannot be read.
    """
    with translated("read the docker client's configuration"):
        # kwargs_from_env takes an empty mapping for "look into os.environ"
        variables = kwargs_from_env({"": "", **environment})
        tls = variables.get("tls") or None
        if url or variables.get("base_url"):
            return Address(url=url or variables["base_url"], tls=tls)
        return _of_context(environment.get("DOCKER_CONTEXT") or None)


def _of_context(name: str | None) -> Address:
    try:
        context = ContextAPI.get_context(name)
    except Exception as error:  # noqa: BLE001  the SDK raises bare Exception for an unreadable context
        raise Rejected(f"cannot read the docker context: {error}") from None
    if context is None:
        raise Rejected(f'docker context "{name or "current"}" does not exist')
    if context.name == "default":
        return Address(url=DEFAULT)
    host = context.Host or DEFAULT
    return Address(url=host, tls=context.TLSConfig, context=context.name)
