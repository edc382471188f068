"""What each attribute is for, in a sentence or two: tables from the same paths as in attributes/ to text.

Editors show the text at the attribute, and it stands in docs/attributes.md. Every attribute with a name has
one; `*` and `[]` have one where there is more to say than the name of what holds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from zun_compose.parse.attributes import flatten
from zun_compose.parse.reference.wording import own
from zun_compose.parse.reference.wording.resources import CONFIG, MODEL, NETWORK, SECRET, VOLUME
from zun_compose.parse.reference.wording.service import SERVICE

_STACK: Mapping[str, Any] = {
    "": "A stack: services, and what they share. Ordinary compose files are stacks.",
    "version": "Obsolete. It is read by nobody; a warning says so.",
    "name": (
        "The stack's name: lower-case letters, digits, `-` and `_`. `-n` and `COMPOSE_PROJECT_NAME` win "
        "over it; without any of them the stack is named after its folder."
    ),
    "include": {
        "": (
            "Further stack files whose services and other entries become part of this stack. Each file is "
            "read with its own folder and its own `.env`; only local files can be included."
        ),
        "[]": "The path of one file, or a mapping that says more of how it is read.",
        "[].path": "The file; several are laid over each other in order, as with several `-f`.",
        "[].env_file": (
            "Files of variables for what is included, instead of the `.env` beside it. Variables that are "
            "known already win."
        ),
        "[].project_directory": (
            "The folder that relative paths of the included file start from. Default: its own."
        ),
    },
    "services": (
        "The services by name: each is a container, or several alike. Names are letters, digits, `.`, `_`, "
        "`-`."
    ),
    "services.*": SERVICE,
    "networks": (
        "The networks that services are joined to, by name. A service that names none joins `default`, "
        "which need not be declared."
    ),
    "networks.*": NETWORK,
    "volumes": "The volumes that services mount, by name. Their data outlives the containers.",
    "volumes.*": VOLUME,
    "secrets": "The secrets that services are given as files, by name.",
    "secrets.*": SECRET,
    "configs": "The configuration files that services are given, by name.",
    "configs.*": CONFIG,
    "models": "AI models that services use, by name.",
    "models.*": MODEL,
    "x-zun": own.STACK,
}


@cache
def wording() -> Mapping[str, str]:
    """Return the whole table: dotted path -> what the attribute is for."""
    return flatten(_STACK)
