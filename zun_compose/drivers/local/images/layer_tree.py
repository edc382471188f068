"""The folder that a layer's entries grow in: made below an opened folder, never through a symlink.

See unpack for what an entry may do, and why.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from zun_compose.drivers.local.images.records import Limits
from zun_compose.drivers.local.images.removal import remove_below
from zun_compose.drivers.local.images.tar import Entry, Kind, TarStream
from zun_compose.drivers.local.images.wording import shown
from zun_compose.errors import Rejected

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
OPAQUE_ATTRIBUTE = "user.overlay.opaque"
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_MODE = 0o700
_USUAL_MODE = 0o755
_NEVER = (1 << 63) - 1
# Files take whole blocks; 4 KiB are what all common file systems hand out.
_BLOCK = 4096

Parts = tuple[str, ...]


class LayerTree:
    """The folder that grows. Keeps what can only be settled when no more entries come."""

    def __init__(self, root: int, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._entries = 0
        # Modes and times of folders: a closed one must not keep its later entries out.
        self._folders: dict[Parts, tuple[int, int]] = {(): (_USUAL_MODE, 0)}
        self._whiteouts: set[Parts] = set()
        self._opaque: set[Parts] = set()
        self._parent: tuple[Parts, int] | None = None
        self.size = 0
        self.disk = _BLOCK

    def close(self) -> None:
        """Let go of the folder that was worked in last."""
        if self._parent is not None:
            os.close(self._parent[1])
            self._parent = None

    def add(self, entry: Entry, archive: TarStream) -> None:
        """Make one entry. Raises Rejected, naming it."""
        self._entries += 1
        if self._entries > self._limits.entries:
            raise Rejected(f"it has more than {self._limits.entries} entries")
        try:
            path = _path(entry.name, self._limits)
            if not path:
                self._top(entry)
            elif path[-1].startswith(WHITEOUT):
                self._whiteout(path)
            else:
                self._make(path, entry, archive)
        except Rejected as error:
            raise Rejected(f"entry {shown(entry.name)} {error.reason}") from error
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
                raise Rejected(f"entry {shown(entry.name)} has a name that cannot be kept here") from error
            raise

    def finish(self) -> None:
        """Give folders their modes and times, innermost first; raises OSError."""
        for path in self._whiteouts:
            # Nothing shines through an opaque folder; overlayfs would list the whiteout as a device.
            if path[:-1] in self._opaque:
                with suppress(FileNotFoundError):
                    os.unlink(path[-1], dir_fd=self._folder(path[:-1]))
        self.close()
        for path in sorted(self._folders, key=len, reverse=True):
            mode, mtime = self._folders[path]
            name = "/".join(path) or "."
            # The whole path is ours by now: each part is a folder that we made.
            os.utime(name, ns=(mtime, mtime), dir_fd=self._root)
            os.chmod(name, mode, dir_fd=self._root)

    def _top(self, entry: Entry) -> None:
        if entry.kind is not Kind.FOLDER:
            raise Rejected("names the layer itself but is no folder")
        # Readable for us whatever the layer says: else nobody could look a user up in its /etc/passwd.
        self._folders[()] = (entry.mode | _OPEN_MODE, _time(entry.mtime))

    def _make(self, path: Parts, entry: Entry, archive: TarStream) -> None:
        parent, name = self._folder(path[:-1]), path[-1]
        if entry.kind is Kind.DEVICE:
            self._clear(path, parent)
            return
        if entry.kind is Kind.FOLDER:
            self._make_folder(path, parent)
            self._folders[path] = (entry.mode, _time(entry.mtime))
            return
        if entry.kind is Kind.HARDLINK:
            self._link(path, entry.link)
            return
        if entry.kind is Kind.FILE:
            self._write(path, parent, entry, archive)
            return
        self._clear(path, parent)
        times = (_time(entry.mtime), _time(entry.mtime))
        if entry.kind is Kind.SYMLINK:
            if not entry.link or "\0" in entry.link or len(os.fsencode(entry.link)) > self._limits.path:
                raise Rejected("is a symlink with an impossible target")
            os.symlink(entry.link, name, dir_fd=parent)
            os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)
        else:
            os.mkfifo(name, _OPEN_MODE, dir_fd=parent)
            os.chmod(name, entry.mode, dir_fd=parent)
            os.utime(name, ns=times, dir_fd=parent)

    def _write(self, path: Parts, parent: int, entry: Entry, archive: TarStream) -> None:
        if self.size + entry.size > self._limits.size:
            raise Rejected(f"makes it larger than {self._limits.size} bytes")
        try:
            descriptor = os.open(path[-1], _NEW_FILE, 0o600, dir_fd=parent)
        except FileExistsError:
            self._clear(path, parent)
            descriptor = os.open(path[-1], _NEW_FILE, 0o600, dir_fd=parent)
        try:
            for data in archive.data():
                _write_all(descriptor, data)
            os.fchmod(descriptor, entry.mode)
            os.utime(descriptor, ns=(_time(entry.mtime), _time(entry.mtime)))
        finally:
            os.close(descriptor)
        self.size += entry.size
        self.disk += -(-entry.size // _BLOCK) * _BLOCK

    def _link(self, path: Parts, target: str) -> None:
        """Make a hard link; its target counts from the layer's top and must be there already."""
        try:
            source = _path(target, self._limits)
        except Rejected as error:
            raise Rejected(f"is a hard link to {shown(target)}, which {error.reason}") from error
        missing = f"is a hard link to {shown(target)}, which the layer does not have"
        if not source or source in self._whiteouts:
            raise Rejected(missing)
        if source == path:
            raise Rejected("is a hard link to itself")
        try:
            folder = self._open(source[:-1])
        except OSError as error:
            raise Rejected(missing) from error
        try:
            found = os.stat(source[-1], dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                raise Rejected(f"is a hard link to {shown(target)}, which is a folder")
            parent = self._folder(path[:-1])
            self._clear(path, parent)
            os.link(source[-1], path[-1], src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError as error:
            raise Rejected(missing) from error
        finally:
            os.close(folder)

    # Whiteouts

    def _whiteout(self, path: Parts) -> None:
        if path[-1] == OPAQUE:
            self._folder(path[:-1])
            self._mark_opaque(path[:-1])
            return
        name = path[-1].removeprefix(WHITEOUT)
        if name.startswith(WHITEOUT):
            # What AUFS kept for itself, such as .wh..wh.plnk; OCI has no meaning for it.
            return
        if name in ("", ".", ".."):
            raise Rejected("hides nothing that could be named")
        hidden = (*path[:-1], name)
        if hidden in self._folders:
            # A whiteout is for what lies below; the folder that this layer brings hides nothing but that.
            self._mark_opaque(hidden)
            return
        parent = self._folder(path[:-1])
        with suppress(FileExistsError):
            os.mknod(name, stat.S_IFCHR | 0o600, os.makedev(0, 0), dir_fd=parent)
            self._whiteouts.add(hidden)

    def _mark_opaque(self, path: Parts) -> None:
        if path not in self._opaque:
            self._opaque.add(path)
            os.setxattr(self._folder(path), OPAQUE_ATTRIBUTE, b"y")

    # Folders

    def _folder(self, path: Parts) -> int:
        """Return the descriptor of a folder, which is made where missing; valid until the next call."""
        if self._parent is not None and self._parent[0] == path:
            return self._parent[1]
        try:
            descriptor = self._open(path)
        except OSError:
            descriptor = self._open_making(path)
        self.close()
        self._parent = (path, descriptor)
        return descriptor

    def _open(self, path: Parts) -> int:
        """Open a folder step by step; raises OSError where a step is missing or no folder."""
        here = os.dup(self._root)
        for name in path:
            try:
                below = os.open(name, FOLDER_FLAGS, dir_fd=here)
            finally:
                os.close(here)
            here = below
        return here

    def _open_making(self, path: Parts) -> int:
        here = os.dup(self._root)
        for depth, name in enumerate(path, 1):
            try:
                part = path[:depth]
                if part not in self._folders:
                    self._make_parent(part, here)
                below = os.open(name, FOLDER_FLAGS, dir_fd=here)
            finally:
                os.close(here)
            here = below
        return here

    def _make_parent(self, path: Parts, parent: int) -> None:
        if path not in self._whiteouts:
            with suppress(FileNotFoundError):
                found = os.stat(path[-1], dir_fd=parent, follow_symlinks=False)
                what = "a symlink" if stat.S_ISLNK(found.st_mode) else "no folder"
                raise Rejected(f"lies below {shown('/'.join(path))}, which is {what}")
        self._make_folder(path, parent)
        self._folders[path] = (_USUAL_MODE, 0)

    def _make_folder(self, path: Parts, parent: int) -> None:
        if path in self._folders:
            return
        hid = path in self._whiteouts
        self._clear(path, parent)
        os.mkdir(path[-1], _OPEN_MODE, dir_fd=parent)
        self.disk += _BLOCK
        self._folders[path] = (_USUAL_MODE, 0)
        if hid:
            self._opaque.add(path)
            descriptor = os.open(path[-1], FOLDER_FLAGS, dir_fd=parent)
            try:
                os.setxattr(descriptor, OPAQUE_ATTRIBUTE, b"y")
            finally:
                os.close(descriptor)

    def _clear(self, path: Parts, parent: int) -> None:
        """Take away what an earlier entry of the same name made."""
        if path in self._folders:
            remove_below(parent, path[-1])
            for known in (self._folders, self._whiteouts, self._opaque):
                for gone in [one for one in known if one[: len(path)] == path]:
                    known.pop(gone, None) if isinstance(known, dict) else known.discard(gone)
            return
        self._whiteouts.discard(path)
        with suppress(FileNotFoundError):
            os.unlink(path[-1], dir_fd=parent)


def _path(name: str, limits: Limits) -> Parts:
    """Return the parts of a name below the layer's top. Raises Rejected if it may lead elsewhere."""
    if "\0" in name:
        raise Rejected("has a name with a zero byte")
    if name.startswith("/"):
        raise Rejected("has an absolute name")
    if not name:
        raise Rejected("has no name")
    if len(os.fsencode(name)) > limits.path:
        raise Rejected(f"has a name of more than {limits.path} bytes")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise Rejected("climbs out")
    if len(parts) > limits.depth:
        raise Rejected(f"lies more than {limits.depth} folders deep")
    return parts


def _time(nanoseconds: int) -> int:
    return max(-_NEVER, min(nanoseconds, _NEVER))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
