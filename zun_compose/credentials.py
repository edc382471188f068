"""Who we are at a registry: the Docker CLI's config.json and its credential helpers. Needs no SDK."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zun_compose.errors import Rejected

DEFAULT_DOMAIN = "docker.io"
"""The registry of images that name none."""

LEGACY_DOMAIN = "index.docker.io"
"""What older clients called it."""

# Under this name the Docker CLI keeps what it knows of Docker Hub.
_HUB = "https://index.docker.io/v1/"
_HELPER_SECONDS = 30
_LONGEST = 1024 * 1024
# What a helper answers for a registry that it does not know.
_UNKNOWN = "credentials not found"
# Whoever has this name has no password but an identity token.
_NO_USER = "<token>"


def credentials(domain: str) -> tuple[str, str] | None:
    """Return user and password for a registry, None if none are known.

    A helper that is named for this very registry counts first, then entries of the file, then the helper
    for all. Raises Rejected if a helper fails or is not installed, or if the file is broken.
    """
    known = _configuration()
    own = _HUB if domain == DEFAULT_DOMAIN else domain
    helper = _section(known, "credHelpers").get(own)
    if helper is None:
        entry = _entry(_section(known, "auths"), own)
        if entry is not None:
            return entry
        helper = known.get("credsStore")
    if helper is None or helper == "":
        return None
    if not isinstance(helper, str) or "/" in helper:
        raise Rejected("the Docker CLI's configuration names a credential helper of a wrong form")
    return _asked(helper, own)


def domain_of(image: str) -> str:
    """Return the registry that an image is pulled from (distribution's reference grammar)."""
    first, slash, _ = image.partition("/")
    return first if slash and is_domain(first) and first != LEGACY_DOMAIN else DEFAULT_DOMAIN


def is_domain(part: str) -> bool:
    """Whether what stands before an image's first slash is a registry, not a part of the name."""
    return "." in part or ":" in part or part == "localhost"


def _configuration() -> Mapping[str, Any]:
    folder = os.environ.get("DOCKER_CONFIG")
    path = Path(folder) / "config.json" if folder else Path("~/.docker/config.json").expanduser()
    try:
        with path.open("rb") as stream:
            found = json.loads(stream.read(_LONGEST))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise Rejected(f'the Docker CLI\'s configuration "{path}" cannot be read') from error
    return found if isinstance(found, dict) else {}


def _section(known: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = known.get(key)
    return found if isinstance(found, dict) else {}


def _entry(auths: Mapping[str, Any], own: str) -> tuple[str, str] | None:
    """Return what the file itself holds; older clients wrote whole addresses for names of registries."""
    for key, entry in auths.items():
        if key != own and (own == _HUB or _host(key) != own):
            continue
        if not isinstance(entry, dict):
            continue
        word = entry.get("auth")
        if isinstance(word, str) and word:
            try:
                user, colon, password = base64.b64decode(word, validate=True).decode().partition(":")
            except ValueError as error:
                raise Rejected(f'the Docker CLI\'s credentials for "{own}" cannot be read') from error
            if colon and not password and entry.get("identitytoken"):
                raise Rejected(
                    f'the Docker CLI keeps an identity token for "{own}", which is not supported: log in anew'
                )
            if colon:
                return user, password.rstrip("\0")
        user, password = entry.get("username", ""), entry.get("password", "")
        if isinstance(user, str) and isinstance(password, str) and user:
            return user, password
    return None


def _host(key: str) -> str:
    return urlsplit(key).netloc if "://" in key else key.partition("/")[0]


def _asked(helper: str, own: str) -> tuple[str, str] | None:
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"], input=own.encode(), capture_output=True, timeout=_HELPER_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise Rejected(f'the credential helper "{program}" is not installed') from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Rejected(f'the credential helper "{program}" cannot be used') from error
    if done.returncode:
        if _UNKNOWN in (done.stdout + done.stderr).decode(errors="replace"):
            return None
        # What it wrote may hold a secret.
        raise Rejected(f'the credential helper "{program}" failed with exit code {done.returncode}')
    try:
        answer = json.loads(done.stdout)
        user, password = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError) as error:
        raise Rejected(f'the credential helper "{program}" gave no credentials') from error
    if not isinstance(user, str) or not isinstance(password, str):
        raise Rejected(f'the credential helper "{program}" gave no credentials')
    if user == _NO_USER:
        raise Rejected(
            f'the credential helper "{program}" gave an identity token, which is not supported: log in anew'
        )
    return user, password
