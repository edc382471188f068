"""Files of containers, over Zun's archive calls.

Zun carries each archive whole, in one message, and tells a tenant only that a call failed, not why: a path
that is not there looks like a broken service. So what lies at a path is found out by other calls.
"""

from __future__ import annotations

import io
import posixpath
import shlex
import shutil
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import quote

from zun_compose.container import PathSeen
from zun_compose.drivers.zun.cloud import Part
from zun_compose.drivers.zun.containers import short
from zun_compose.drivers.zun.faults import translated
from zun_compose.errors import Conflict, DriverTimeout, NotFound, Rejected, Unavailable

PIECE = 8 << 20
"""Bytes of files in one message, if they are several: large messages are slow, and limited by the cloud."""

SLOW = 20.0
"""Seconds after which a failure is the service's own, which waits for itself for a minute."""

_NOTHING = bytes(tarfile.RECORDSIZE)
"""A tar without entries: it can be unpacked into a folder, and into nothing else."""

# of Go's os.FileMode
_LINK = 1 << 27

_FAULT = 500
_TOO_MUCH = "Zun fails: each archive is one message to it, and this one may be too large"

_CHUNK = 1 << 16
_IN_MEMORY = 4 << 20
_LONGEST_LINE = 3000
"""Characters of paths in one command: Zun takes it in a URL, of which its server reads 8192."""

_LOOK = (
    'for p; do if [ -L "$p" ]; then printf l; elif [ -d "$p" ]; then printf d; '
    'elif [ -e "$p" ]; then printf f; else printf n; fi; done; [ "$(id -u)" = 0 ]'
)


class _Kind(StrEnum):
    NOTHING = "nothing"
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


_WORDS = {"n": _Kind.NOTHING, "f": _Kind.FILE, "d": _Kind.FOLDER, "l": _Kind.LINK}


class Copies(Part):
    """The capability Copies over one cloud."""

    def look(self, container: str, path: str) -> PathSeen:
        """Tell what lies at a path.

        In a container that runs and has a shell, by that; else a file has to be copied to be seen, and a link
        to a folder counts as the folder.
        """
        doing = f'look at "{path}" in container "{short(container)}"'
        name = posixpath.basename(path.rstrip("/")) or "/"
        with translated(doing):
            kind = self._paths(container, [path])[0]
            # a link's own archive is small, and says where it leads in the end
            archive = self._archive(container, path, doing) if kind is _Kind.LINK else None
        if archive is not None:
            return PathSeen(name=name, link=str(archive.stat.get("linkTarget") or ""))
        if kind in (_Kind.NOTHING, _Kind.LINK):
            raise NotFound(f"cannot {doing}: there is nothing")
        return PathSeen(name=name, folder=kind is _Kind.FOLDER)

    def get_archive(self, container: str, path: str) -> Iterator[bytes]:
        """Yield a tar of a path, which has come whole by then. Raises Unavailable for what is too large."""
        doing = f'copy "{path}" out of container "{short(container)}"'
        with translated(doing):
            archive = self._archive(container, path, doing)
            if archive is None:
                raise NotFound(f"cannot {doing}: there is nothing")
        data = archive.data
        return (data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK))

    def put_archive(self, container: str, folder: str, stream: IO[bytes]) -> None:
        """Unpack a tar into a folder, in pieces where it is large."""
        doing = f'copy into "{folder}" of container "{short(container)}"'
        try:
            with SpooledTemporaryFile(_IN_MEMORY) as kept, tarfile.open(fileobj=stream, mode="r|*") as tar:
                entries = _gathered(tar, kept)
                with translated(doing):
                    self._refuse_no_folder(container, folder, doing)
                    self._refuse_overwriting(container, folder, _wanted(entries), doing)
                    for piece in _pieces(entries, kept):
                        self._put(container, folder, piece, doing)
        except (tarfile.TarError, ValueError, OverflowError):
            raise Rejected(f"cannot {doing}: what came is no tar archive") from None

    def _put(self, container: str, folder: str, data: bytes, doing: str) -> None:
        began = time.monotonic()
        try:
            self._cloud.zun.put_container_archive(container, folder, data)
        except Exception as error:
            if not _failed(error):
                raise
            self._refuse_too_much(container, began, doing)
            raise Rejected(f"cannot {doing}: the container's engine refuses what is in the archive") from None

    def _archive(self, container: str, path: str, doing: str) -> Any | None:
        """Return the archive of a path, None if there is nothing."""
        began = time.monotonic()
        try:
            return self._cloud.zun.get_container_archive(container, path)
        except Exception as error:
            if not _failed(error):
                raise
            self._refuse_too_much(container, began, doing)
            if self._is_folder(container, path):
                raise Unavailable(f"cannot {doing}: {_TOO_MUCH}") from None
            return None

    def _refuse_too_much(self, container: str, began: float, doing: str) -> None:
        """Raise Unavailable where the service itself failed: it took its time, or fails for any folder."""
        if time.monotonic() - began > SLOW or not self._is_folder(container, "/"):
            raise Unavailable(f"cannot {doing}: {_TOO_MUCH}") from None

    def _is_folder(self, container: str, path: str) -> bool:
        """Whether a path is a folder, or a link to one."""
        try:
            self._cloud.zun.put_container_archive(container, path, _NOTHING)
        except Exception as error:
            if not _failed(error):
                raise
            return False
        return True

    def _refuse_no_folder(self, container: str, folder: str, doing: str) -> None:
        if not self._is_folder(container, folder):
            # a service that fails would fail for the root too
            if not self._is_folder(container, "/"):
                raise Unavailable(f"cannot {doing}: Zun fails, for any folder")
            raise NotFound(f"cannot {doing}: there is no such folder")

    def _refuse_overwriting(
        self, container: str, folder: str, wanted: Mapping[tuple[str, ...], bool], doing: str
    ) -> None:
        """Raise Rejected where a folder and a file would take each other's place, which Zun lets happen.

        It goes down level by level, and only into folders that are there already.
        """
        level: set[tuple[str, ...]] = {parts for parts in wanted if len(parts) == 1}
        while level:
            asked = sorted(level)
            found = self._paths(container, [posixpath.join(folder, *parts) for parts in asked])
            there: set[tuple[str, ...]] = set()
            for parts, kind in zip(asked, found, strict=True):
                if kind is _Kind.NOTHING:
                    continue
                if wanted[parts] is not (kind is _Kind.FOLDER):
                    goal = "a folder" if wanted[parts] else "a file"
                    raise Rejected(f'cannot {doing}: "{"/".join(parts)}" is a {kind} there, not {goal}')
                if kind is _Kind.FOLDER:
                    there.add(parts)
            level = {parts for parts in wanted if parts[:-1] in there}

    def _paths(self, container: str, paths: Sequence[str]) -> list[_Kind]:
        """Return what lies at paths, in their order."""
        known = self._by_shell(container, paths)
        return [known[path] if path in known else self._by_calls(container, path) for path in paths]

    def _by_shell(self, container: str, paths: Sequence[str]) -> dict[str, _Kind]:
        """Return what a shell in the container can tell for certain; nothing where there is none."""
        found: dict[str, _Kind] = {}
        for some in _lines(paths):
            try:
                with translated("look at paths"):
                    ran = self._cloud.zun.execute_container(container, ["sh", "-c", _LOOK, "sh", *some])
            except (Conflict, DriverTimeout):
                return found
            words = str(ran.output)
            if len(words) != len(some) or not set(words) <= set(_WORDS):
                return found
            for path, word in zip(some, words, strict=True):
                # who is not root may not see all that is there
                if word != "n" or ran.exit_code == 0:
                    found[path] = _WORDS[word]
        return found

    def _by_calls(self, container: str, path: str) -> _Kind:
        # asked first, since a folder may be large; a link to a folder passes for one
        if self._is_folder(container, path):
            return _Kind.FOLDER
        archive = self._archive(container, path, f'look at "{path}" in container "{short(container)}"')
        if archive is None:
            return _Kind.NOTHING
        return _Kind.LINK if int(archive.stat.get("mode") or 0) & _LINK else _Kind.FILE


def _failed(error: Exception) -> bool:
    """Whether Zun says that it failed, which is all it says of most errors of the engine."""
    from zun_compose.openstack import errors

    return isinstance(error, errors.ServerFault) and error.status_code == _FAULT


def _gathered(tar: tarfile.TarFile, kept: IO[bytes]) -> list[tuple[tarfile.TarInfo, int]]:
    """Return a stream's entries, each with where its content stands in `kept`."""
    found = []
    for entry in tar:
        found.append((entry, kept.tell()))
        content = tar.extractfile(entry) if entry.isreg() else None
        if content is not None:
            shutil.copyfileobj(content, kept)
    return found


def _pieces(entries: Sequence[tuple[tarfile.TarInfo, int]], kept: IO[bytes]) -> Iterator[bytes]:
    """Yield tars of a few entries each, in their order."""
    rest = list(entries)
    while rest:
        piece = io.BytesIO()
        with tarfile.open(fileobj=piece, mode="w", format=tarfile.PAX_FORMAT) as tar:
            while rest and (piece.tell() == 0 or piece.tell() + rest[0][0].size <= PIECE):
                entry, start = rest.pop(0)
                kept.seek(start)
                tar.addfile(entry, kept if entry.isreg() else None)
        yield piece.getvalue()


def _wanted(entries: Sequence[tuple[tarfile.TarInfo, int]]) -> dict[tuple[str, ...], bool]:
    """Return a tar's paths, each with whether it is to be a folder. Those that climb the engine refuses."""
    wanted: dict[tuple[str, ...], bool] = {}
    for entry, _ in entries:
        parts = tuple(part for part in entry.name.split("/") if part not in ("", "."))
        if ".." in parts:
            continue
        for length in range(1, len(parts)):
            wanted.setdefault(parts[:length], True)
        if parts:
            wanted[parts] = entry.isdir()
    return wanted


def _lines(paths: Sequence[str]) -> Iterator[list[str]]:
    """Yield paths, so many at once as one command may have."""
    some: list[str] = []
    for path in paths:
        if some and sum(map(_weight, some)) + _weight(path) > _LONGEST_LINE:
            yield some
            some = []
        some.append(path)
    if some:
        yield some


def _weight(path: str) -> int:
    return len(quote(shlex.quote(path))) + 1
