"""What a caller may ask of an operation. Defaults are those of `docker compose`, unless SEMANTICS differ."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from zun_compose.record import Record, field


class OnFailure(StrEnum):
    """What a failed `up` does with what it has made so far."""

    KEEP = "keep"
    STOP = "stop"
    ROLLBACK = "rollback"


class PullPolicy(StrEnum):
    """When images are pulled."""

    ALWAYS = "always"
    MISSING = "missing"
    NEVER = "never"
    BUILD = "build"


class RemoveImages(StrEnum):
    """Which images `down` removes: those without a custom tag (local), or all that services use."""

    LOCAL = "local"
    ALL = "all"


class UpOptions(Record, kw_only=True):
    """Options of `up` and `plan`.

    `services` empty means all. `wait_timeout` seconds bound the whole operation from its start.
    `timeout` is the stop grace (seconds) for containers that are replaced. `start` False creates only.
    """

    services: tuple[str, ...] = ()
    wait: bool = False
    wait_timeout: float | None = None
    scale: Mapping[str, int] = field(default_factory=dict)
    pull: PullPolicy | None = None
    build: bool = False
    no_build: bool = False
    force_recreate: bool = False
    no_recreate: bool = False
    always_recreate_deps: bool = False
    no_deps: bool = False
    remove_orphans: bool = False
    renew_anonymous_volumes: bool = False
    on_failure: OnFailure = OnFailure.KEEP
    timeout: float | None = None
    adopt: bool = False
    start: bool = True


class DownOptions(Record, kw_only=True):
    """Options of `down`. `timeout` is the stop grace in seconds."""

    services: tuple[str, ...] = ()
    volumes: bool = False
    images: RemoveImages | None = None
    timeout: float | None = None
    remove_orphans: bool = False
    adopt: bool = False


class RunOptions(Record, kw_only=True):
    """Options of `run`: a one-off container of a service."""

    unshown = ("environment",)

    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    user: str | None = None
    working_dir: str | None = None
    volumes: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    service_ports: bool = False
    use_aliases: bool = False
    detach: bool = False
    remove: bool = False
    tty: bool = True
    interactive: bool = True
    no_deps: bool = False
    build: bool = False
    pull: PullPolicy | None = None


class LogOptions(Record, kw_only=True):
    """Options of `logs`; `since` and `until` are engine times in seconds since the epoch."""

    follow: bool = False
    tail: int | None = None
    since: float | None = None
    until: float | None = None
    timestamps: bool = False
    index: int | None = None


class CopyOptions(Record, kw_only=True):
    """Options of `cp`.

    `archive` keeps owners by number; else files become root's in a container and ours here. `follow` copies
    what a symbolic link leads to. `index` is the number of one container; without it, `all` takes one-off
    ones too.
    """

    archive: bool = False
    follow: bool = False
    index: int | None = None
    all: bool = False
