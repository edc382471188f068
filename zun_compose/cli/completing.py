"""Service names for shell completion. Whatever goes wrong completes nothing: the user is typing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from zun_compose.cli.loading import load
from zun_compose.cli.settings import settings
from zun_compose.errors import ZunComposeError


def service_names(params: Mapping[str, Any]) -> Sequence[str]:
    """Return the services of the stack file that these global options mean."""
    try:
        # Standard input is the shell's here.
        if "-" in (params.get("files") or ()):
            return ()
        stack = load(settings(params, os.environ), ()).stack
    except (ZunComposeError, OSError, ValueError):
        return ()
    return (*stack.services, *stack.inactive)
