"""From global options to the parser's request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zun_compose.cli.settings import Settings
    from zun_compose.model import Condition
    from zun_compose.parse import Loaded, Request


def load(
    settings: Settings, services: Sequence[str], *, gate: Condition | None = None, **flags: Any
) -> Loaded:
    """Read the stack file that the settings mean; raises SpecError."""
    from zun_compose.parse import load as parse
    from zun_compose.parse.disk import Disk

    return parse(request(settings, services, gate=gate, **flags), Disk())


def request(
    settings: Settings, services: Sequence[str], *, gate: Condition | None = None, **flags: Any
) -> Request:
    """Return what is asked of the parser."""
    from zun_compose.parse import Request

    return Request(
        files=settings.files,
        project_directory=settings.project_directory,
        name=settings.name,
        profiles=settings.profiles,
        env_files=settings.env_files,
        environment=settings.environment,
        services=tuple(services),
        default_gate=gate,
        **flags,
    )
