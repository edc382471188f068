"""Blueprint -> arguments of bubblewrap: which namespaces, what is mounted where. Pure but for looking at `/`.

The user and the network namespace are made before (see launch): the network is then joined while bubblewrap
mounts, and its own way with loopback cannot get in between.

An image's layers are an overlay whose upper folder is the container's own, so that what it changes is there
when it is started again. The machine's own root (image host) cannot be the lower side of an overlay that lies
in it; each of its entries is bound read-only into an empty root instead, and the few places that programs
expect to write to are folders of the container's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from zun_compose.drivers.local.home import Place
from zun_compose.drivers.local.papers import Blueprint, Fixture
from zun_compose.drivers.local.supervise.targets import WRITABLE, without_links
from zun_compose.record import Mutable, field, replace

_APART = frozenset({"proc", "dev", "sys", "tmp", "run", "root"})
_OWN_FILES = ("hosts", "hostname", "resolv.conf")
SHM_SIZE = 64 * 1024 * 1024


class Joined(Mutable):
    """Open namespace files of another container that this one shares, by kind (net, ipc, pid, user)."""

    files: dict[str, int] = field(default_factory=dict)


def arguments(
    blueprint: Blueprint, place: Place, home: Path, joined: Joined, hosts: Path | None
) -> list[str]:
    """Return all arguments before the command; descriptors among them must be inherited.

    `hosts` is a hosts file that is shared with others, None for the container's own.
    """
    blueprint = without_links(blueprint, place)
    made = ["--die-with-parent", "--new-session"]
    made += _namespaces(blueprint, joined)
    made += _root(blueprint, place, home)
    made += _mounts(blueprint, place, hosts)
    if blueprint.read_only:
        made += ["--remount-ro", "/"]
    made += _capabilities(blueprint)
    made.append("--clearenv")
    for name, value in blueprint.environment.items():
        made += ["--setenv", name, value]
    if blueprint.tty and "TERM" not in blueprint.environment:
        made += ["--setenv", "TERM", "xterm"]
    made += ["--chdir", blueprint.working_dir]
    return made


def _namespaces(blueprint: Blueprint, joined: Joined) -> Iterator[str]:
    if "pid" in joined.files:
        yield from ("--pidns", str(joined.files["pid"]))
    elif blueprint.pid_mode != "host":
        yield "--unshare-pid"
        if not blueprint.init:
            yield "--as-pid-1"
    if "ipc" not in joined.files and blueprint.ipc_mode != "host":
        yield "--unshare-ipc"
    if blueprint.uts_mode != "host":
        yield "--unshare-uts"
        if blueprint.hostname:
            yield from ("--hostname", blueprint.hostname)


def _root(blueprint: Blueprint, place: Place, home: Path) -> Iterator[str]:
    if blueprint.host:
        yield from _machine(blueprint, place, home)
    else:
        for layer in blueprint.layers:
            yield from ("--overlay-src", layer)
        yield from ("--overlay", str(place.upper), str(place.work), "/")
    if blueprint.pid_mode == "host":
        yield from ("--bind", "/proc", "/proc")
    else:
        yield from ("--proc", "/proc")
    yield from ("--dev", "/dev", "--size", str(blueprint.shm_size or SHM_SIZE), "--perms", "1777")
    yield from ("--tmpfs", "/dev/shm", "--mqueue", "/dev/mqueue")  # noqa: S108 - inside a container
    yield from ("--ro-bind-try", "/sys", "/sys")


def _machine(blueprint: Blueprint, place: Place, home: Path) -> Iterator[str]:
    yield from ("--tmpfs", "/")
    for name in sorted(os.listdir("/")):
        path = f"/{name}"
        if name in _APART:
            continue
        if os.path.islink(path):
            yield from ("--symlink", os.readlink(path), path)
        else:
            yield from ("--ro-bind-try", path, path)
    if home.is_relative_to("/") and home.parts[1] not in _APART:
        # other containers' secrets are nobody's to read
        yield from ("--tmpfs", str(home))
    shadows = _shadowed(blueprint)
    for folder in shadows:
        # a mount needs a place to lie on, which cannot be made in a read-only folder
        yield from ("--overlay-src", folder, "--tmp-overlay", folder)
    for target in WRITABLE:
        yield from ("--bind", str(place.standing_in(target)), target)


def _shadowed(blueprint: Blueprint) -> Sequence[str]:
    """The machine's folders, parents first, in which a mount point is missing."""
    targets = [one.target for one in blueprint.mounts] + [one.target for one in blueprint.files]
    targets.append(blueprint.working_dir)
    free = [*WRITABLE, "/dev", "/proc", "/sys", *(one.target for one in blueprint.mounts)]
    found = set()
    for target in targets:
        path = Path(target)
        # below another mount bubblewrap makes the place itself
        if any(path != Path(other) and path.is_relative_to(other) for other in free):
            continue
        if os.path.lexists(target):
            continue
        nearest = next(parent for parent in path.parents if parent.exists())
        real = str(nearest.resolve())
        if real != "/":
            found.add(real)
    return sorted(found)


def _mounts(blueprint: Blueprint, place: Place, hosts: Path | None) -> Iterator[str]:
    if blueprint.working_dir != "/" and not (blueprint.host and os.path.isdir(blueprint.working_dir)):
        yield from ("--dir", blueprint.working_dir)
    for fixture in sorted(blueprint.mounts, key=lambda one: (one.target.count("/"), one.target)):
        yield from _mount(fixture)
    # over whatever lies on /etc; observers know a container's processes by these
    for name in _OWN_FILES:
        target = own_file(blueprint, place, name)
        if name == "hosts" and hosts is not None:
            yield from ("--ro-bind", str(hosts), target)
        else:
            yield from ("--bind", str(place.path / name), target)
    for content in blueprint.files:
        # bubblewrap would close the folders that it makes to all who may not read the file
        yield from ("--dir", str(Path(content.target).parent))
        yield from ("--ro-bind", str(place.files / str(content.number)), content.target)
    if blueprint.host:
        for folder in _shadowed(blueprint):
            yield from ("--remount-ro", folder)


def own_file(blueprint: Blueprint, place: Place, name: str) -> str:
    """Return where a file of /etc that is the container's own lies in its root. Raises Rejected."""
    return without_links(replace(blueprint, working_dir=f"/etc/{name}"), place).working_dir


def _mount(fixture: Fixture) -> Iterator[str]:
    if fixture.kind == "tmpfs":
        yield from ("--perms", f"{0o1777 if fixture.mode is None else fixture.mode:o}")
        if fixture.size is not None:
            yield from ("--size", str(fixture.size))
        yield from ("--tmpfs", fixture.target)
    elif fixture.kind == "device":
        yield from ("--dev-bind", fixture.source, fixture.target)
    else:
        yield from ("--ro-bind" if fixture.read_only else "--bind", fixture.source, fixture.target)


def _capabilities(blueprint: Blueprint) -> Iterator[str]:
    yield from ("--cap-drop", "ALL")
    for name in blueprint.capabilities:
        yield from ("--cap-add", name)
