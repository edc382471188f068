"""Where a path of a container really lies in its root, symbolic links followed within it.

Bubblewrap makes mount points while the machine's own files are still in reach, and follows links as they
stand: one that an image or an earlier run left could lead it there. So it is only given paths without links.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from zun_compose.drivers.local.home import Place
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.errors import Rejected
from zun_compose.record import replace

WRITABLE = {"/tmp": 0o1777, "/run": 0o755, "/var/tmp": 0o1777, "/root": 0o700}  # noqa: S108 - inside a container
"""Places of the machine's root (image host) that are the container's own, with their modes."""

_MOST_LINKS = 40


def settled(target: str, roots: Sequence[Path]) -> str:
    """Return the path that `target` means in the union of these folders, the topmost first.

    What does not exist is taken as it is written. Raises OSError for links without end.
    """
    return followed(target, lambda path: _link(path, roots))


def followed(target: str, link_at: Callable[[str], str | None]) -> str:
    """Return an absolute path without its links; `link_at` tells where a path without "/" in front leads.

    Raises OSError for links without end.
    """
    waiting = _parts(target)
    done: list[str] = []
    links = 0
    while waiting:
        part = waiting.pop(0)
        if part == "..":
            done = done[:-1]
            continue
        link = link_at("/".join([*done, part]))
        if link is None:
            done.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(f"{target}: too many symbolic links")
        if link.startswith("/"):
            done = []
        waiting = _parts(link) + waiting
    return "/" + "/".join(done)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _link(path: str, roots: Sequence[Path]) -> str | None:
    """Where the path leads, if it is a link in the topmost folder that has it."""
    for root in roots:
        place = root / path
        try:
            status = place.lstat()
        except OSError:
            continue
        return os.readlink(place) if stat.S_ISLNK(status.st_mode) else None
    return None


def without_links(blueprint: Blueprint, place: Place) -> Blueprint:
    """Return the blueprint with all targets as they lie in its root.

    Raises Rejected for links in what is mounted, which others may change meanwhile.
    """
    roots = [Path("/")] if blueprint.host else [place.upper, *map(Path, reversed(blueprint.layers))]
    mounted: dict[str, Path] = {}
    if blueprint.host:
        mounted = {target: place.standing_in(target) for target in WRITABLE}

    def real(target: str) -> str:
        nearest = max(
            (other for other in mounted if Path(target).is_relative_to(other)), key=len, default=None
        )
        try:
            if nearest is None:
                return settled(target, roots)
            below = os.path.relpath(target, nearest)
            if below != "." and settled(below, [mounted[nearest]]) != f"/{below}":
                raise Rejected(
                    f'mount "{target}": a symbolic link in what lies at "{nearest}" leads elsewhere'
                )
        except OSError as error:
            raise Rejected(f'mount "{target}": {error}') from None
        return target

    fixtures = []
    for fixture in sorted(blueprint.mounts, key=lambda one: (one.target.count("/"), one.target)):
        target = real(fixture.target)
        fixtures.append(replace(fixture, target=target))
        if fixture.source and os.path.isdir(fixture.source):
            mounted[target] = Path(fixture.source)
    files = tuple(replace(one, target=real(one.target)) for one in blueprint.files)
    return replace(blueprint, mounts=tuple(fixtures), files=files, working_dir=real(blueprint.working_dir))
