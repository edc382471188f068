"""Registry credentials of the Docker CLI: its config file and its credential helpers."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from typing import Any

from docker import auth
from docker.credentials import StoreError
from docker.errors import DockerException

from zun_compose.errors import Rejected

log = logging.getLogger(__name__)


def credentials(repository: str) -> dict[str, str]:
    """Return the header that logs in at the repository's registry, empty if no credentials are known.

    Raises Rejected if the credential helper that the configuration names is not installed.
    """
    registry, _ = auth.resolve_repository_name(repository)
    known: Any = auth.load_config()
    helper = known.get_credential_store(registry)
    if helper and not _installed(helper):
        # the SDK would warn on stderr and then fail with less telling words
        raise Rejected(f'the credential helper "docker-credential-{helper}" is not installed')
    found = known.resolve_authconfig(registry)
    return {"X-Registry-Auth": auth.encode_header(found).decode("ascii")} if found else {}


def all_credentials() -> dict[str, str]:
    """Return the header that lets a build pull its base images.

    A helper that fails costs its credentials, not the build, which may need none: so does the Docker CLI.
    """
    known: Any = auth.load_config()
    helpers = {known.creds_store, *known.cred_helpers.values()} - {None, ""}
    found: Mapping[str, Any] = dict(known.auths)
    if helpers and all(map(_installed, helpers)):
        try:
            found = known.get_all_credentials()
        except (DockerException, StoreError) as error:
            log.warning("credentials for the build are incomplete: %s", error)
    elif helpers:
        log.warning("credentials for the build are incomplete: a credential helper is not installed")
    if not found:
        return {}
    header = auth.encode_header(dict(found)).decode("ascii")
    return {"X-Registry-Config": header}


def _installed(helper: str) -> bool:
    return shutil.which(f"docker-credential-{helper}") is not None
