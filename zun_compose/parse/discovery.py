"""Which files make the stack: the command line, COMPOSE_FILE, or what lies in the folder and above it.

Also the variables: the caller's environment over .env files. All reading goes through the Source.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from zun_compose.errors import UsageError
from zun_compose.parse import dotenv, paths
from zun_compose.parse.layers import reason
from zun_compose.parse.request import Request
from zun_compose.parse.source import Source
from zun_compose.parse.tree import Faults
from zun_compose.record import Record

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
_TRUE = ("1", "t", "true", "y", "yes", "on")


class Found(Record, kw_only=True):
    """What there is to read: absolute files, the stack's folder, and the variables with their files."""

    unshown = ("variables",)

    files: tuple[str, ...]
    folder: str
    variables: Mapping[str, str]
    environment_files: tuple[str, ...]
    profiles: tuple[str, ...]


def discover(request: Request, source: Source, faults: Faults, home: str) -> Found:
    """Find everything. Raises UsageError if there is no stack file."""
    cwd = source.cwd()
    base = paths.absolute(request.project_directory, cwd, home) if request.project_directory else None
    environment = dict(request.environment)
    environment.setdefault("PWD", cwd)
    env = _Variables(request, source, faults, environment, cwd, home)
    given = tuple(_file(name, cwd, home) for name in request.files)
    env.load(base or (_folder(given, cwd) if given else cwd))
    files = given or _from_environment(env.values, cwd, home)
    if not files:
        files = _search(source, base or cwd)
    if not files:
        raise UsageError(
            f'there is no stack file in "{base or cwd}" or above it (looked for {", ".join(NAMES)})'
        )
    folder = base or _folder(files, cwd)
    env.load(folder)
    profiles = request.profiles
    if not profiles:
        profiles = tuple(
            word.strip() for word in env.values.get("COMPOSE_PROFILES", "").split(",") if word.strip()
        )
    return Found(
        files=files,
        folder=folder,
        variables=env.values,
        environment_files=tuple(env.files),
        profiles=profiles,
    )


def _file(name: str, cwd: str, home: str) -> str:
    return name if name == "-" else paths.absolute(name, cwd, home)


def _folder(files: tuple[str, ...], cwd: str) -> str:
    first = next((file for file in files if file != "-"), None)
    return posixpath.dirname(first) if first else cwd


def _from_environment(variables: Mapping[str, str], cwd: str, home: str) -> tuple[str, ...]:
    text = variables.get("COMPOSE_FILE", "")
    separator = variables.get("COMPOSE_PATH_SEPARATOR") or ":"
    return tuple(_file(name, cwd, home) for name in text.split(separator) if name)


def _search(source: Source, start: str) -> tuple[str, ...]:
    folder = start
    while True:
        for name in NAMES:
            candidate = posixpath.join(folder, name)
            if source.exists(candidate) and not source.is_dir(candidate):
                for override in OVERRIDES:
                    other = posixpath.join(folder, override)
                    if source.exists(other):
                        return candidate, other
                return (candidate,)
        parent = posixpath.dirname(folder)
        if parent == folder:
            return ()
        folder = parent


class _Variables:
    """The environment, and what .env files add to it."""

    def __init__(
        self,
        request: Request,
        source: Source,
        faults: Faults,
        environment: dict[str, str],
        cwd: str,
        home: str,
    ) -> None:
        self.source = source
        self.faults = faults
        self.values = environment
        self.files: list[str] = []
        disabled = environment.get("COMPOSE_DISABLE_ENV_FILE", "").lower() in _TRUE
        given = request.env_files or tuple(
            name for name in environment.get("COMPOSE_ENV_FILES", "").split(",") if name
        )
        self.given = [paths.absolute(name, cwd, home) for name in given]
        self.disabled = disabled and not self.given

    def load(self, folder: str) -> None:
        """Add the files of a folder; files that were read already are not read again."""
        if self.disabled:
            return
        default = posixpath.join(folder, ".env")
        files = self.given
        if not files:
            files = [default] if self.source.exists(default) and not self.source.is_dir(default) else []
        found: dict[str, str] = {}
        for file in files:
            if file in self.files:
                continue
            try:
                content = self.source.read(file)
            except OSError as error:
                self.faults.add("env_file", f'cannot read "{file}": {reason(error)}')
                continue
            self.files.append(file)
            found.update(dotenv.read(content, file, self.values, self.faults, found))
        self.values = {**found, **self.values}


_STRIPPED = re.compile(r"[^-_a-z0-9]+")
_VALID = re.compile(r"[a-z0-9][-_a-z0-9]*")


def normal(name: str) -> str:
    """Return the stack name that a folder's name stands for; may be empty."""
    return _STRIPPED.sub("", name.lower()).lstrip("_-")


def valid(name: str) -> bool:
    """Tell whether a given stack name can be used."""
    return bool(_VALID.fullmatch(name))
