"""Image archives as folders of named documents: a directory, or a tar file that is read by position."""

from __future__ import annotations

import io
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from zun_compose.drivers.local.images.records import Limits
from zun_compose.drivers.local.images.streams import (
    BZIP2,
    CHUNK,
    GZIP,
    XZ,
    ZSTD,
    Bounded,
    Hashed,
    Readable,
    decompressed,
)
from zun_compose.drivers.local.images.tar import Kind, TarStream
from zun_compose.drivers.local.images.wording import shown
from zun_compose.errors import Rejected

# docker save (up to 24) points to layers that it wrote before.
_MOST_LINKS = 8


class Archive(Protocol):
    """Where documents of an image come from."""

    def open(self, name: str) -> BinaryIO | None:
        """Return a file for reading; None if there is none of that name."""
        ...


class FolderArchive:
    """An OCI layout on disk. Symlinks in it are not followed: they could name any file of ours."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, name: str) -> BinaryIO | None:
        """Return a file for reading; None if there is none of that name. Raises Rejected."""
        if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
            return None
        here = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            *folders, last = name.split("/")
            for part in folders:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
                os.close(here)
                here = below
            found = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Rejected(f"{shown(name)} cannot be read as a plain file") from error
        finally:
            os.close(here)
        if not stat.S_ISREG(os.fstat(found).st_mode):
            os.close(found)
            raise Rejected(f"{shown(name)} is no plain file")
        return os.fdopen(found, "rb")


class TarArchive:
    """A tar file that can be read at any place. Raises Rejected for a broken one."""

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self._stream = stream
        self._places: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        reader = io.BufferedReader(_Unclosed(stream))
        archive = TarStream(reader)
        for count, entry in enumerate(archive):
            if count >= limits.entries:
                raise Rejected(f"it has more than {limits.entries} entries")
            name = posixpath.normpath(entry.name)
            # Nothing of it would be written by that name; but whoever wrote it meant harm.
            if name.startswith(("/", "../")) or name == "..":
                raise Rejected(f"entry {shown(entry.name)} climbs out")
            if entry.kind is Kind.FILE:
                self._places[name] = (archive.offset, entry.size)
                self._links.pop(name, None)
            elif entry.kind in (Kind.SYMLINK, Kind.HARDLINK):
                base = posixpath.dirname(name) if entry.kind is Kind.SYMLINK else ""
                self._links[name] = posixpath.normpath(posixpath.join(base, entry.link))
                self._places.pop(name, None)

    def open(self, name: str) -> BinaryIO | None:
        """Return a file for reading; None if there is none of that name. Raises Rejected."""
        place = posixpath.normpath(name)
        for _ in range(_MOST_LINKS):
            if place not in self._links:
                break
            place = self._links[place]
        else:
            raise Rejected(f"{shown(name)} is a link that leads nowhere")
        if place not in self._places:
            return None
        return io.BufferedReader(_Part(self._stream, *self._places[place]), CHUNK)


class _Unclosed(io.RawIOBase):
    """The stream for a reader that would close it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


class _Part(io.RawIOBase):
    """A stretch of a file; several of one file may be read in turns."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        self._stream = stream
        self._position = start
        self._end = start + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._stream.seek(self._position)
        data = self._stream.read(min(len(buffer), self._end - self._position))
        self._position += len(data)
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def opened(source: Path, scratch: Path, limits: Limits) -> Iterator[Archive]:
    """Open a folder or a tar file, compressed or not; what is compressed is first unpacked into `scratch`.

    Raises Rejected, and OSError where a file cannot be read or written.
    """
    if source.is_dir():
        yield FolderArchive(source)
        return
    with open_file(source) as stream:
        if not is_compressed(stream):
            yield TarArchive(stream, limits)
            return
        with (scratch / "plain.tar").open("w+b") as plain:
            compressed = Hashed(stream)
            _copy(Bounded(decompressed(compressed), compressed, limits), plain)
            yield TarArchive(plain, limits)


def open_file(source: Path) -> BinaryIO:
    """Open a file that the user named; raises Rejected for a FIFO or device, which has no end."""
    # A FIFO would keep us waiting for its writer.
    stream = os.fdopen(os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise Rejected("it is no plain file")
    return stream


def is_compressed(stream: BinaryIO) -> bool:
    """Whether a file begins as one that gzip, zstd, xz or bzip2 wrote; it is at its beginning again then."""
    head = stream.read(len(XZ))
    stream.seek(0)
    return head.startswith((GZIP, ZSTD, XZ, BZIP2))


def _copy(source: Readable, target: BinaryIO) -> None:
    while data := source.read(CHUNK):
        target.write(data)
    target.seek(0)
