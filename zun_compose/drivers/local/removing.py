"""Taking a container apart: its folder, its name, its place in the stack, its anonymous volumes."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zun_compose.drivers.local import cgroups, hints
from zun_compose.drivers.local.home import ANONYMOUS, Home, Place, wipe, write
from zun_compose.drivers.local.leases import release, release_in
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.errors import NotFound

_YOUNG = 1.0


def discard(home: Home, place: Place, *, volumes: bool) -> bool:
    """Remove a container that does not run; whoever comes first does it, all others get False.

    Raises OSError where a file cannot be removed.
    """
    try:
        blueprint = Blueprint.load(place)
    except NotFound:
        return False
    gone = Place(place.path.with_name(f".gone-{place.id}"))
    with home.locked():
        name = _name(place, blueprint)
        own = {one.volume for one in blueprint.mounts if one.volume is not None and one.anonymous}
        # looked up only if it matters: it reads what all containers use
        doomed = own - _held(home, place) if volumes and own else set()
        try:
            if doomed or place.own_volumes.exists():
                _note(place, doomed)
            # from here on it does not exist; what is left of it is only to be wiped
            place.path.rename(gone.path)
        except OSError:
            return False
        home.drop_name(name, place.id)
        with suppress(FileNotFoundError):
            (home.stack(blueprint.stack) / "containers" / place.id).unlink()
        _release(home, blueprint)
    hints.tell(home, blueprint, name, "destroy")
    _wipe_with_volumes(home, gone)
    return True


class MadeVolumes:
    """The volumes that a creation makes: written down in its folder, for whoever finds it abandoned."""

    def __init__(self, making: Place) -> None:
        self._making = making
        self.names: list[str] = []

    def add(self, name: str) -> None:
        """Write it down, before it is made."""
        self.names.append(name)
        _note(self._making, self.names)


def _note(place: Place, volumes: Iterable[str]) -> None:
    write(place.own_volumes, "".join(f"{name}\n" for name in volumes).encode())


def _wipe_with_volumes(home: Home, gone: Place) -> None:
    """Wipe what is no container any more; first the groups and anonymous volumes that it has written down."""
    cgroups.remove(gone.path)
    with suppress(OSError):
        for name in gone.own_volumes.read_text().split():
            if ANONYMOUS.fullmatch(name):
                wipe(home.volume(name))
    wipe(gone.path)


def _name(place: Place, blueprint: Blueprint) -> str:
    try:
        return place.name.read_text()
    except OSError:
        return blueprint.name


def _held(home: Home, besides: Place) -> set[str]:
    """The volumes that some other container uses."""
    return {name for place in home.every() if place.id != besides.id for name in volumes_of(place)}


def volumes_of(place: Place) -> set[str]:
    """Return the names of the volumes that a container uses."""
    try:
        return {one.volume for one in Blueprint.load(place).mounts if one.volume is not None}
    except NotFound:
        return set()


def _release(home: Home, blueprint: Blueprint) -> None:
    """Give its addresses back to its networks; hold the lock."""
    for nic in blueprint.nics:
        release(home, nic.network, blueprint.id)


def begin(home: Home, making: Place) -> int:
    """Make the folder in which a container is prepared; the file returned is held until it is ready."""
    sweep(home)
    while True:
        with suppress(FileNotFoundError, FileExistsError):
            making.path.mkdir(mode=0o700)
            descriptor = os.open(making.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _same(descriptor, making.lock):
                return descriptor
            os.close(descriptor)
        # in between somebody took it for abandoned, and wipes it
        time.sleep(0.001)


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def tidy(home: Home, stack: str) -> None:
    """Wipe what is kept of a stack that has no container left: its journal, its keeper's folder."""
    if home.empty(stack):
        with home.locked():
            if home.empty(stack):
                wipe(home.stack(stack))
                hints.forget(home, stack)


def sweep(home: Home) -> None:
    """Wipe what a killed command left half made or half removed."""
    folder = home.root / "containers"
    for name in os.listdir(folder):
        path = folder / name
        if name.startswith(".gone-"):
            _wipe_with_volumes(home, Place(path))
        elif name.startswith(".new-"):
            with _abandoned(path) as nobodys:
                if nobodys:
                    _forget(home, path)
    if _unfinished(home):
        # volumes and networks are made aside and renamed under the lock: what is aside now is nobody's
        with home.locked():
            for path in _unfinished(home):
                if path.is_dir():
                    wipe(path)
                else:
                    path.unlink(missing_ok=True)


def _unfinished(home: Home) -> list[Path]:
    folders = (home.root / "volumes", home.root / "networks")
    return [folder / name for folder in folders for name in os.listdir(folder) if name.startswith(".")]


def _forget(home: Home, making: Path) -> None:
    container = making.name.removeprefix(".new-")
    with home.locked():
        for network in (home.root / "networks").glob("[!.]*.json"):
            release_in(network, container)
    _wipe_with_volumes(home, Place(making))


@contextmanager
def _abandoned(path: Path) -> Iterator[bool]:
    """Tell whether nobody prepares this container any more; inside, nobody can begin to."""
    lock = path / "lock"
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield _old(path)
        return
    try:
        held = False
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        # It may have been finished, or wiped and begun anew, while we took its lock.
        yield held and _same(descriptor, lock)
    finally:
        os.close(descriptor)


def _old(path: Path) -> bool:
    """Whether a folder without a lock was left by somebody killed; one made this moment may get it yet."""
    try:
        return time.time() - path.stat().st_mtime > _YOUNG
    except FileNotFoundError:
        # wiped meanwhile, and its maker, if there is one, begins anew under the same name
        return False
