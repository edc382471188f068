"""Names of the labels that tell whose an object is, and how ours and docker compose's are read.

The com.docker.compose.* labels let Docker's own tools see our stacks; divergence is judged by
zun-compose.* alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
ONEOFF = "com.docker.compose.oneoff"
VERSION = "com.docker.compose.version"
WORKING_DIR = "com.docker.compose.project.working_dir"
CONFIG_FILES = "com.docker.compose.project.config_files"
CONFIG_HASH = "com.docker.compose.config-hash"
DEPENDS_ON = "com.docker.compose.depends_on"
IMAGE = "com.docker.compose.image"
NETWORK = "com.docker.compose.network"
VOLUME = "com.docker.compose.volume"

SCHEME = "zun-compose.scheme"
SALT = "zun-compose.salt"
DIGESTS = "zun-compose.digests"

OUR_PREFIX = "zun-compose."


def ours(labels: Mapping[str, str]) -> bool:
    """Return whether zun-compose made the object."""
    return SCHEME in labels


def belongs(labels: Mapping[str, str], stack: str) -> bool:
    """Return whether the object is of that stack, made by us or by docker compose."""
    return labels.get(PROJECT) == stack


def digests(labels: Mapping[str, str]) -> dict[str, str]:
    """Read the digests label; an unreadable one counts as empty."""
    try:
        data = json.loads(labels.get(DIGESTS, "{}"))
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in data.items()} if isinstance(data, dict) else {}
