"""The global options of one call, with the COMPOSE_* variables that stand in for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from zun_compose.errors import UsageError

# The pool of our docker driver's connections; more workers would only wait for one.
MOST_PARALLEL = 16
DEFAULT_PARALLEL = 8


class ProgressMode(StrEnum):
    """How the progress of an operation is shown, on stderr."""

    AUTO = "auto"
    TTY = "tty"
    PLAIN = "plain"
    JSON = "json"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Global options. `color` None means: where stdout is a terminal.

    `name_given` is True if the stack's name came from the command line, not from a variable.
    """

    files: tuple[str, ...] = ()
    name: str | None = None
    driver: str = "auto"
    host: str | None = None
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    project_directory: str | None = None
    progress: ProgressMode = ProgressMode.AUTO
    parallel: int = DEFAULT_PARALLEL
    color: bool | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


def settings(params: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Return the settings that parsed global options and the environment make; raises UsageError."""
    return Settings(
        files=tuple(params.get("files") or ()),
        name=params.get("name") or None,
        driver=params.get("driver") or "auto",
        host=params.get("host") or None,
        profiles=tuple(params.get("profiles") or ()),
        env_files=tuple(params.get("env_files") or ()),
        project_directory=params.get("project_directory") or None,
        progress=_progress(params.get("progress"), environment),
        parallel=_parallel(params.get("parallel"), environment),
        color=_color(bool(params.get("no_color")), environment),
        environment=environment,
    )


def truth(environment: Mapping[str, str], name: str) -> bool:
    """Whether a variable says yes, by docker compose's words for it."""
    return environment.get(name, "").strip().lower() in {"1", "true", "t", "yes", "y", "on"}


def _progress(given: str | None, environment: Mapping[str, str]) -> ProgressMode:
    word = given or environment.get("COMPOSE_PROGRESS") or "auto"
    try:
        return ProgressMode(word)
    except ValueError as error:
        raise UsageError(f'COMPOSE_PROGRESS is "{word}", not one of {", ".join(ProgressMode)}') from error


def _parallel(given: int | None, environment: Mapping[str, str]) -> int:
    if given is None:
        text = environment.get("COMPOSE_PARALLEL_LIMIT") or str(DEFAULT_PARALLEL)
        try:
            given = int(text)
        except ValueError as error:
            raise UsageError(f'COMPOSE_PARALLEL_LIMIT is "{text}", not a whole number') from error
    if given == 0:
        raise UsageError("the number of parallel engine calls cannot be 0 (-1 means as many as make sense)")
    return MOST_PARALLEL if given < 0 else min(given, MOST_PARALLEL)


def _color(refused: bool, environment: Mapping[str, str]) -> bool | None:
    word = environment.get("COMPOSE_ANSI", "")
    # no-color.org: any value that is not empty counts.
    if refused or environment.get("NO_COLOR") or word == "never":
        return False
    return True if word == "always" else None
