"""Trees of files to tar streams and back, walked by open folders.

Nothing is opened by a path of several parts that somebody else may change meanwhile, no link is followed
that an archive brought along, and nothing is written beside the folder that was named.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import IO, TYPE_CHECKING

from zun_compose.errors import Rejected

if TYPE_CHECKING:
    import tarfile

    from zun_compose.container import FileContent

Parts = tuple[str, ...]
Folder = Callable[[Parts], int]
"""Opens a folder below the destination, by the parts of its path; raises OSError."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = _READ | os.O_DIRECTORY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def pack(out: IO[bytes], parent: int, name: str, top: str, *, owners: bool) -> None:
    """Write what is called `name` in an open folder, with all below it, to `out` as a tar.

    It is called `top` there; "" leaves the folder itself out. Without `owners` everything is root's.
    Sockets are left out. Raises Rejected naming what cannot be read.
    """
    import tarfile

    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        _Packer(tar, owners=owners).add(parent, name, top)


def packed(files: Iterable[FileContent]) -> bytes:
    """Return a tar that holds files at their places below /, with their owners and modes."""
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in files:
            entry = tarfile.TarInfo(file.target.lstrip("/"))
            entry.size = len(file.content)
            entry.uid, entry.gid, entry.mode = file.uid, file.gid, file.mode
            entry.mtime = int(time.time())
            tar.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()


class _Packer:
    def __init__(self, tar: tarfile.TarFile, *, owners: bool) -> None:
        self._tar = tar
        self._owners = owners
        self._linked: dict[tuple[int, int], str] = {}

    def add(self, parent: int, name: str, called: str) -> None:
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                self._folder(parent, name, called, status)
            elif stat.S_ISREG(status.st_mode):
                self._file(parent, name, called, status)
            elif not stat.S_ISSOCK(status.st_mode):
                self._special(parent, name, called, status)
        except OSError as error:
            raise _failed("read", called or name, error) from None

    def _entry(self, called: str, status: os.stat_result) -> tarfile.TarInfo:
        from tarfile import TarInfo

        entry = TarInfo(called)
        entry.mode, entry.mtime = stat.S_IMODE(status.st_mode), int(status.st_mtime)
        if self._owners:
            entry.uid, entry.gid = status.st_uid, status.st_gid
        return entry

    def _folder(self, parent: int, name: str, called: str, status: os.stat_result) -> None:
        from tarfile import DIRTYPE

        if called:
            entry = self._entry(called, status)
            entry.type = DIRTYPE
            self._tar.addfile(entry)
        folder = os.open(name, _FOLDER, dir_fd=parent)
        try:
            for below in sorted(os.listdir(folder)):
                self.add(folder, below, f"{called}/{below}" if called else below)
        finally:
            os.close(folder)

    def _file(self, parent: int, name: str, called: str, status: os.stat_result) -> None:
        from tarfile import LNKTYPE

        entry = self._entry(called, status)
        key = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and key in self._linked:
            entry.type, entry.linkname = LNKTYPE, self._linked[key]
            self._tar.addfile(entry)
            return
        self._linked[key] = called
        # it may have become a pipe meanwhile, which must not block
        with os.fdopen(os.open(name, _READ | os.O_NONBLOCK, dir_fd=parent), "rb") as file:
            now = os.fstat(file.fileno())
            if not stat.S_ISREG(now.st_mode):
                return
            entry.size = now.st_size
            self._tar.addfile(entry, file)

    def _special(self, parent: int, name: str, called: str, status: os.stat_result) -> None:
        from tarfile import BLKTYPE, CHRTYPE, FIFOTYPE, SYMTYPE

        entry = self._entry(called, status)
        if stat.S_ISLNK(status.st_mode):
            entry.type, entry.linkname = SYMTYPE, os.readlink(name, dir_fd=parent)
        elif stat.S_ISFIFO(status.st_mode):
            entry.type = FIFOTYPE
        else:
            entry.type = CHRTYPE if stat.S_ISCHR(status.st_mode) else BLKTYPE
            entry.devmajor, entry.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        self._tar.addfile(entry)


def unpack(
    source: IO[bytes], folder: Folder, rename: Callable[[Parts], Parts], *, owners: bool, modes: int = 0o7777
) -> None:
    """Put all that a tar stream holds below a folder, under the names that `rename` gives.

    Entries named () are the folder itself and left out. `modes` are the bits of modes that are taken over;
    `owners` are as far as we may give files away. A folder is never replaced by a file, nor a file by a
    folder. Raises Rejected naming what cannot be written, or a stream that is no tar.
    """
    import tarfile

    try:
        with tarfile.open(fileobj=source, mode="r|*") as tar:
            unpacker = _Unpacker(tar, folder, rename, owners=owners, modes=modes)
            while (entry := tar.next()) is not None:
                unpacker.put(entry)
                # it would remember them all
                vars(tar)["members"].clear()
            unpacker.finish()
    except (tarfile.TarError, ValueError, OverflowError) as error:
        # the last two for a NUL in a name, or a time or a size that is no number
        raise Rejected(f"what came is no tar archive: {_shown(str(error))}") from None


def parts_of(name: str) -> Parts:
    """Return the parts of an archived path. Raises Rejected for one that leads upwards."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise Rejected(f'the archive holds "{_shown(name)}", which leads out of its folder')
    return parts


def below(base: int) -> Folder:
    """Return what opens folders below an open one and follows no links."""

    def opened(parts: Parts) -> int:
        current = os.dup(base)
        for part in parts:
            try:
                deeper = os.open(part, _FOLDER, dir_fd=current)
            finally:
                os.close(current)
            current = deeper
        return current

    return opened


class _Unpacker:
    def __init__(
        self,
        tar: tarfile.TarFile,
        folder: Folder,
        rename: Callable[[Parts], Parts],
        *,
        owners: bool,
        modes: int,
    ) -> None:
        self._tar = tar
        self._folder = folder
        self._rename = rename
        self._owners = owners
        self._modes = modes
        self._folders: list[tuple[Parts, tarfile.TarInfo]] = []

    def put(self, entry: tarfile.TarInfo) -> None:
        parts = self._rename(parts_of(entry.name))
        if not parts:
            return
        try:
            parent = self._parent(parts[:-1])
            try:
                self._put(entry, parts, parent)
            finally:
                os.close(parent)
        except OSError as error:
            raise _failed("write", "/".join(parts), error) from None

    def _put(self, entry: tarfile.TarInfo, parts: Parts, parent: int) -> None:
        name = parts[-1]
        if entry.ischr() or entry.isblk():
            raise Rejected(f'"{_shown("/".join(parts))}" is a device, which is not copied')
        if entry.isdir():
            if not _clear(parent, name, parts, folder=True):
                os.mkdir(name, 0o700, dir_fd=parent)
            self._folders.append((parts, entry))
            return
        _clear(parent, name, parts, folder=False)
        if entry.issym():
            os.symlink(entry.linkname, name, dir_fd=parent)
            self._own(entry, name, parent)
        elif entry.islnk():
            self._link(entry, name, parent)
        elif entry.isfifo():
            os.mkfifo(name, 0o600, dir_fd=parent)
            self._finish(entry, name, parent)
        elif (content := self._tar.extractfile(entry)) is not None:
            with os.fdopen(os.open(name, _NEW, 0o600, dir_fd=parent), "wb") as file:
                shutil.copyfileobj(content, file)
            self._finish(entry, name, parent)

    def _link(self, entry: tarfile.TarInfo, name: str, parent: int) -> None:
        target = self._rename(parts_of(entry.linkname))
        if not target:
            raise Rejected(f'the archive holds a link "{_shown(entry.name)}" to a folder')
        holder = self._folder(target[:-1])
        try:
            os.link(target[-1], name, src_dir_fd=holder, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(holder)

    def _parent(self, parts: Parts) -> int:
        try:
            return self._folder(parts)
        except FileNotFoundError:
            if not parts:
                raise
            above = self._parent(parts[:-1])
            try:
                os.mkdir(parts[-1], 0o755, dir_fd=above)
            finally:
                os.close(above)
            return self._folder(parts)

    def finish(self) -> None:
        """Give folders their modes and times, which filling them would have changed or forbidden."""
        for parts, entry in reversed(self._folders):
            try:
                parent = self._folder(parts[:-1])
                try:
                    self._finish(entry, parts[-1], parent)
                finally:
                    os.close(parent)
            except OSError as error:
                raise _failed("write", "/".join(parts), error) from None

    def _finish(self, entry: tarfile.TarInfo, name: str, parent: int) -> None:
        self._own(entry, name, parent)
        # not by name: it could be a link by now
        file = os.open(name, _READ | os.O_NONBLOCK, dir_fd=parent)
        try:
            os.fchmod(file, entry.mode & self._modes)
            os.utime(file, (entry.mtime, entry.mtime))
        finally:
            os.close(file)

    def _own(self, entry: tarfile.TarInfo, name: str, parent: int) -> None:
        if not self._owners:
            return
        try:
            os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        except OSError as error:
            # a namespace may not have that user, and who is not root gives nothing away
            if error.errno not in (errno.EINVAL, errno.EPERM):
                raise


def _clear(parent: int, name: str, parts: Sequence[str], *, folder: bool) -> bool:
    """Make way for an entry; returns whether there is a folder that can stay. Raises Rejected, OSError."""
    try:
        there = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(there.st_mode) is not folder:
        kinds = ("a folder", "a file") if folder else ("a file", "a folder")
        raise Rejected(f'cannot put {kinds[0]} at "{_shown("/".join(parts))}": {kinds[1]} is there')
    if not folder:
        if sys.platform == "linux" and _mount(parent) != _mount_at(parent, name):
            # seen from another mount namespace than its own, the kernel would unmount it without a word
            raise OSError(errno.EBUSY, "something is mounted there")
        os.unlink(name, dir_fd=parent)
    return folder


def _mount_at(parent: int, name: str) -> str:
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        return _mount(descriptor)
    finally:
        os.close(descriptor)


def _mount(descriptor: int) -> str:
    """Return the id of the mount that an open file lies on (proc_pid_fdinfo(5))."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
        return next((line for line in file if line.startswith("mnt_id:")), "")


def _failed(verb: str, what: str, error: OSError) -> Rejected:
    return Rejected(f'cannot {verb} "{_shown(what)}": {(error.strerror or str(error)).lower()}')


def _shown(text: str) -> str:
    """Return an archive's words without control characters, which could drive the terminal."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
