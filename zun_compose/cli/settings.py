"""The global options of one call, with the COMPOSE_* variables that stand in for them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from zun_compose.errors import UsageError

# The pool of our docker driver's connections; more workers would only wait for one.
MOST_PARALLEL = 16
DEFAULT_PARALLEL = 8

# What a .env file may say of how we work; the reader of the stack looks for those that choose its files.
STAND_INS = (
    "COMPOSE_ANSI",
    "COMPOSE_IGNORE_ORPHANS",
    "COMPOSE_PARALLEL_LIMIT",
    "COMPOSE_PROGRESS",
    "COMPOSE_REMOVE_ORPHANS",
)


class ProgressMode(StrEnum):
    """How the progress of an operation is shown, on stderr."""

    AUTO = "auto"
    TTY = "tty"
    PLAIN = "plain"
    JSON = "json"
    QUIET = "quiet"


class Settings(NamedTuple):
    """Global options. `color` None means: where stdout is a terminal.

    `name_given` is True if the stack's name came from the command line, not from a variable.
    """

    files: tuple[str, ...] = ()
    name: str | None = None
    driver: str = "auto"
    host: str | None = None
    isolation: bool = True
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    project_directory: str | None = None
    progress: ProgressMode = ProgressMode.AUTO
    parallel: int = DEFAULT_PARALLEL
    color: bool | None = None
    environment: Mapping[str, str] = MappingProxyType({})

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self._fields if name != "environment")
        return f"Settings({', '.join(shown)})"


def settings(params: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Return the settings that parsed global options and the environment make; raises UsageError.

    Where the environment lacks one of STAND_INS, the stack's .env files are asked for it.
    """
    environment = {**_from_env_files(params, environment), **environment}
    return Settings(
        files=tuple(params.get("files") or ()),
        name=params.get("name") or None,
        driver=params.get("driver") or "auto",
        isolation=not (params.get("no_isolation") or truth(environment, "ZUN_COMPOSE_NO_ISOLATION")),
        host=params.get("host") or None,
        profiles=tuple(params.get("profiles") or ()),
        env_files=tuple(params.get("env_files") or ()),
        project_directory=params.get("project_directory") or None,
        progress=_progress(params.get("progress"), environment),
        parallel=_parallel(params.get("parallel"), environment),
        color=_color(bool(params.get("no_color")), environment),
        environment=environment,
    )


def _from_env_files(params: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    given = tuple(params.get("env_files") or ())
    given = given or tuple(name for name in environment.get("COMPOSE_ENV_FILES", "").split(",") if name)
    try:
        # Most stacks have none, and then nothing needs to be imported. A pipe can be read only once, and the
        # stack needs what it says.
        there = given or [os.path.join(folder, ".env") for folder in _folders(params, environment)]
        ordinary = [os.path.isfile(path) for path in there]
        if not (all(ordinary) if given else any(ordinary)):
            return {}
        found = _variables(params, environment)
    except (UsageError, OSError):
        # What is wrong is told once the stack is read, if it is.
        return {}
    return {name: found[name] for name in STAND_INS if name in found}


def _variables(params: Mapping[str, Any], environment: Mapping[str, str]) -> Mapping[str, str]:
    from zun_compose.parse import Request
    from zun_compose.parse.discovery import discover
    from zun_compose.parse.disk import Disk
    from zun_compose.parse.tree import Faults

    request = Request(
        files=tuple(params.get("files") or ()),
        project_directory=params.get("project_directory") or None,
        env_files=tuple(params.get("env_files") or ()),
        environment=environment,
    )
    return discover(request, Disk(), Faults(), environment.get("HOME", "") or "/").variables


def _folders(params: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[str]:
    """Say where a .env file may lie: the named folder, beside the first file, here and above."""
    if params.get("project_directory"):
        yield str(params["project_directory"])
    files = params.get("files") or (environment.get("COMPOSE_FILE") or "").split(
        environment.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
    )
    yield os.path.dirname(files[0])
    folder = os.getcwd()
    while True:
        yield folder
        if folder == os.path.dirname(folder):
            return
        folder = os.path.dirname(folder)


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
