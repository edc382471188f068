"""Configs and secrets: copies of ours that are mounted read-only, each with the owner and mode it is to have.

A copy never takes over the mode of the file it was made from: that one may be open to everybody. Who owns a
copy can only be said in the container's own user namespace, so it is said there, just before it is mounted.
"""

from __future__ import annotations

import os
from pathlib import Path

from zun_compose.container import ContainerSpec
from zun_compose.drivers.local import maps
from zun_compose.drivers.local.home import Place
from zun_compose.drivers.local.papers import Blueprint, Content
from zun_compose.drivers.local.supervise import users
from zun_compose.drivers.local.supervise.targets import settled

SECRET = 0o400
"""Mode of a secret that asks for none; configs have 0444."""


def contents(spec: ContainerSpec) -> tuple[Content, ...]:
    """Return what is put into a container, in the order of `spec.files`.

    An owner that is not asked for is the container's user: who else is to read a secret of mode 0400?
    """
    uses = {use.target: use for use in (*spec.service.configs, *spec.service.secrets)}
    secret = {use.target for use in spec.service.secrets if use.mode is None}
    made = []
    for number, file in enumerate(spec.files):
        use = uses.get(file.target)
        made.append(
            Content(
                target=file.target,
                number=number,
                uid=None if use is not None and use.uid is None else file.uid,
                gid=None if use is not None and use.gid is None else file.gid,
                mode=SECRET if file.target in secret else file.mode,
            )
        )
    return tuple(made)


def deposit(spec: ContainerSpec, blueprint: Blueprint, place: Place) -> None:
    """Write the copies, readable for nobody else meanwhile. Raises OSError."""
    place.files.mkdir(mode=0o700)
    for content in blueprint.files:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(place.files / str(content.number), flags, 0o600), "wb") as stream:
            stream.write(spec.files[content.number].content)


def give(blueprint: Blueprint, place: Place) -> None:
    """Give each copy its owner and mode; we are root of the container's user namespace. Raises OSError.

    Where root is the only user there is, everything is root's.
    """
    if not blueprint.files:
        return
    alone = not maps.several()
    user, group = (0, 0) if alone else _owner(blueprint, place)
    for content in blueprint.files:
        path = place.files / str(content.number)
        if not alone:
            uid = user if content.uid is None else content.uid
            gid = group if content.gid is None else content.gid
            os.chown(path, uid, gid, follow_symlinks=False)
        # after the change of the owner, which takes bits away
        if content.mode is not None:
            path.chmod(content.mode)


def _owner(blueprint: Blueprint, place: Place) -> tuple[int, int]:
    """The container's user and group as numbers; root for one that its root does not know."""
    if not blueprint.user:
        return 0, 0
    roots = [Path("/")] if blueprint.host else [place.upper, *map(Path, reversed(blueprint.layers))]
    try:
        return users.numbers(blueprint.user, *(_file(name, roots) for name in ("passwd", "group")))
    except OSError:
        return 0, 0


def _file(name: str, roots: list[Path]) -> str:
    path = settled(f"/etc/{name}", roots).lstrip("/")
    return str(next((root / path for root in roots if (root / path).is_file()), os.devnull))
