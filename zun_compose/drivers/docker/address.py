"""Where the engine is: the Docker CLI's rules for DOCKER_HOST, contexts and TLS material.

A Unix socket is found without the SDK, whose import takes longer than most commands.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zun_compose.drivers.docker.errors import translated
from zun_compose.errors import Rejected
from zun_compose.record import Record

if TYPE_CHECKING:
    from docker.tls import TLSConfig

DEFAULT = "unix:///var/run/docker.sock"
_SOCKET = ("unix://", "http+unix://", "/")


class Address(Record, kw_only=True):
    """An engine's URL (unix, tcp, http, https or ssh), its TLS material, and the context it came from."""

    url: str
    tls: TLSConfig | None = None
    context: str = ""

    @property
    def socket(self) -> bool:
        """Whether it is a Unix socket of this machine."""
        return self.url.startswith(_SOCKET)

    @property
    def path(self) -> str:
        """Where that socket lies; unix://run/x means /run/x, as it does for the SDK."""
        bare = self.url.removeprefix("http+").removeprefix("unix://").strip("/")
        return f"/{bare}" if bare else DEFAULT.removeprefix("unix://")

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
    named = url or environment.get("DOCKER_HOST")
    known = Address(url=named) if named else _of_files(environment.get("DOCKER_CONTEXT"))
    if known is not None and known.socket:
        return known
    with translated("read the docker client's configuration"):
        return _of_sdk(url, environment)


def _of_files(name: str | None) -> Address | None:
    """Return what a context says, None if reading it, or saying what is wrong with it, is for the SDK."""
    home = os.path.expanduser("~")
    folder = os.environ.get("DOCKER_CONFIG")
    places = [f"{folder}/config.json"] if folder else []
    places += [f"{home}/.docker/config.json", f"{home}/.dockercfg"]
    settings = next((Path(place) for place in places if os.path.exists(place)), None)
    if not name and settings is not None:
        # one that cannot be read names no context
        name = _read(settings).get("currentContext")
    if not name or name == "default":
        return Address(url=DEFAULT)
    if settings is None:
        return None
    from hashlib import sha256

    digest = sha256(str(name).encode()).hexdigest()
    meta = _read(settings.parent / "contexts" / "meta" / digest / "meta.json")
    try:
        return Address(url=str(meta["Endpoints"]["docker"]["Host"]), context=name)
    except (LookupError, TypeError):
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _of_sdk(url: str | None, environment: Mapping[str, str]) -> Address:
    from docker.utils import kwargs_from_env

    # kwargs_from_env takes an empty mapping for "look into os.environ"
    variables = kwargs_from_env({"": "", **environment})
    tls = variables.get("tls") or None
    if url or variables.get("base_url"):
        return Address(url=url or variables["base_url"], tls=tls)
    return _of_context(environment.get("DOCKER_CONTEXT") or None)


def _of_context(name: str | None) -> Address:
    from docker.context import ContextAPI

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
