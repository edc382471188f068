"""Copies files between this machine and containers, with the folder rules of `docker cp`.

Where something lands depends on what is there already: into a folder that exists, else under the name
that was given. A source that ends with "/." stands for what is in the folder.
"""

from __future__ import annotations

import io
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING

from zun_compose.container import Observed, PathSeen
from zun_compose.driver import Copies, Driver
from zun_compose.errors import NotFound, Rejected, Unsupported
from zun_compose.options import CopyOptions
from zun_compose.record import Record
from zun_compose.trees import Parts, below, pack, unpack

if TYPE_CHECKING:
    from typing_extensions import Buffer

_MODES = 0o777
"""Bits of modes that come out of a container: nothing here becomes setuid."""

_IN_MEMORY = 4 * 1024 * 1024


class Source(Record, kw_only=True):
    """What is copied. `contents`: not the folder, what is in it."""

    name: str
    folder: bool
    contents: bool


class Landing(Record, kw_only=True):
    """Where it goes: a folder that must exist, and the name in there ("": the contents, right into it)."""

    folder: str
    name: str


def chosen(
    driver: Driver, stack: str, service: str, options: CopyOptions
) -> tuple[Copies, Sequence[Observed]]:
    """Return a service's containers that are meant, in their order, and the driver as what copies.

    Raises NotFound if there is none, Unsupported where the driver has no files.
    """
    if not isinstance(driver, Copies):
        raise Unsupported(f"the {driver.name} driver copies no files")
    found = [
        seen
        for seen in driver.list(stack)
        if seen.service == service
        and (not seen.oneoff or (options.all and options.index is None))
        and options.index in (None, seen.number)
    ]
    if not found:
        which = "" if options.index is None else f" {options.index}"
        raise NotFound(f'service "{service}" has no container{which}')
    return driver, sorted(found, key=lambda seen: seen.oneoff)


def landing(source: Source, destination: str, there: PathSeen | None) -> Landing:
    """Return where a source goes, given what lies at the destination. Raises Rejected where it cannot."""
    claims_folder = destination.endswith(("/", "/.")) or destination in ("", ".")
    if there is not None and there.folder:
        return Landing(folder=destination, name="" if source.contents else source.name)
    if there is not None and (source.folder or claims_folder):
        raise Rejected(f'cannot copy to "{destination}": it is a file, not a folder')
    if there is None and claims_folder and not source.folder:
        raise NotFound(f'cannot copy to "{destination}": there is no such folder')
    path = posixpath.normpath(destination)
    return Landing(folder=posixpath.dirname(path) or ".", name=posixpath.basename(path))


def copy_out(
    driver: Copies,
    seen: Observed,
    path: str,
    destination: str | IO[bytes],
    options: CopyOptions,
) -> None:
    """Copy a path of a container to one of this machine, or as a tar to an open file.

    Owners are only kept where we may give files away. Raises NotFound, Rejected, and what the driver raises.
    """
    source, real = _in_container(driver, seen.id, path, follow=options.follow)
    with ExitStack() as held:
        if not isinstance(destination, str):
            for chunk in _chunks(driver, seen, real, held):
                destination.write(chunk)
            return
        there = None
        if os.path.exists(destination):
            there = PathSeen(name="", folder=os.path.isdir(destination))
        place = landing(source, destination, there)
        try:
            base = os.open(place.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise NotFound(f'cannot copy to "{place.folder}": {(error.strerror or "").lower()}') from None
        held.callback(os.close, base)
        rename = _Renaming(posixpath.basename(real), place.name)
        stream = io.BufferedReader(_Chunks(_chunks(driver, seen, real, held)))
        unpack(stream, below(base), rename, owners=options.archive and os.geteuid() == 0, modes=_MODES)


def _chunks(driver: Copies, seen: Observed, path: str, held: ExitStack) -> Iterator[bytes]:
    chunks = driver.get_archive(seen.id, path)
    close = getattr(chunks, "close", None)
    if close is not None:
        held.callback(close)
    return chunks


def copy_in(
    driver: Copies,
    containers: Sequence[Observed],
    source: str | IO[bytes],
    destination: str,
    options: CopyOptions,
) -> None:
    """Copy a path of this machine into containers, or unpack a tar from an open file in a folder of theirs.

    What a tar holds belongs to whom it says. Raises NotFound, Rejected, and what the driver raises.
    """
    path = absolute(destination)
    if not isinstance(source, str):
        with ExitStack() as held:
            _tar_in(driver, containers, source if len(containers) == 1 else _kept(source, held), path)
        return
    found, local = _on_machine(source, follow=options.follow)
    for seen in containers:
        there, real = _destination(driver, seen.id, path)
        place = landing(found, real, there)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as stream:
            parent = os.open(os.path.dirname(local) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                pack(stream, parent, os.path.basename(local) or ".", place.name, owners=options.archive)
            finally:
                os.close(parent)
            stream.seek(0)
            driver.put_archive(seen.id, place.folder, stream)


def absolute(path: str) -> str:
    """Return a path of a container from its root on; what its end says of folders stays."""
    clean = posixpath.normpath(f"/{path}")
    clean = "/" + clean.lstrip("/")
    if path.endswith("/."):
        return f"{clean.rstrip('/')}/."
    return f"{clean.rstrip('/')}/" if path.endswith("/") else clean


def _in_container(driver: Copies, container: str, path: str, *, follow: bool) -> tuple[Source, str]:
    """Return what lies at a path of a container, and the path that it is to be got by."""
    asked = absolute(path)
    real = posixpath.normpath(asked)
    seen = driver.look(container, real)
    claims_folder = asked.endswith(("/", "/."))
    name = posixpath.basename(real)
    if seen.link and (follow or claims_folder):
        real = seen.link
        seen = driver.look(container, real)
    if claims_folder and not seen.folder:
        raise Rejected(f'cannot copy "{path}": it is not a folder')
    contents = asked.endswith("/.") or real == "/"
    return Source(name=name, folder=seen.folder, contents=contents), real


def _on_machine(path: str, *, follow: bool) -> tuple[Source, str]:
    """Return what lies at a path of this machine, and that path without what its end says."""
    claims_folder = path.endswith(("/", "/.")) or path in (".", "..")
    local = os.path.abspath(path)
    name = os.path.basename(local)
    if claims_folder or follow:
        local = os.path.realpath(local)
    if not os.path.lexists(local):
        raise NotFound(f'cannot copy "{path}": there is no such file or folder')
    folder = os.path.isdir(local) and not os.path.islink(local)
    if claims_folder and not folder:
        raise Rejected(f'cannot copy "{path}": it is not a folder')
    contents = path.endswith("/.") or path == "." or local == "/"
    return Source(name=name, folder=folder, contents=contents), local


def _destination(driver: Copies, container: str, path: str) -> tuple[PathSeen | None, str]:
    """Return what lies at a destination, links followed, and its path without them."""
    bare = posixpath.normpath(path)
    try:
        seen = driver.look(container, bare)
    except NotFound:
        return None, path
    if not seen.link:
        # what its end says only matters where nothing is, or no folder
        return seen, bare if seen.folder else path
    target = seen.link
    try:
        return driver.look(container, target), target
    except NotFound:
        return None, target


class _Renaming:
    """Takes the first part of archived paths away, where it is `base`, and puts `name` in its place."""

    def __init__(self, base: str, name: str) -> None:
        self._base = base
        self._name = (name,) if name else ()

    def __call__(self, parts: Parts) -> Parts:
        if self._base and parts[:1] == (self._base,):
            parts = parts[1:]
        return (*self._name, *parts)


class _Chunks(io.RawIOBase):
    """A file to read from, made of chunks that come one after the other."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = chunk
        room = memoryview(buffer).cast("B")
        taken = min(len(room), len(self._left))
        room[:taken], self._left = self._left[:taken], self._left[taken:]
        return taken


def _kept(source: IO[bytes], held: ExitStack) -> IO[bytes]:
    """Return a copy of what can be read once only."""
    stream = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - whoever holds it closes it
    held.callback(stream.close)
    shutil.copyfileobj(source, stream)
    return stream


def _tar_in(driver: Copies, containers: Sequence[Observed], stream: IO[bytes], path: str) -> None:
    for seen in containers:
        there, real = _destination(driver, seen.id, path)
        if there is None or not there.folder:
            raise Rejected(f'cannot unpack a tar to "{path}": it is no folder of container "{seen.name}"')
        if len(containers) > 1:
            stream.seek(0)
        driver.put_archive(seen.id, real, stream)
