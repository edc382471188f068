"""Images of many layers: the lowest ones are merged into one folder, since overlayfs takes only so many.

The paths of all layers of a mount go into one page of 4 KiB (mount(2)), which about 40 fill. What is merged
takes no space but for its folders: files are hard links to those of the layers, and nobody writes to either.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from zun_compose.drivers.local.images.layer_tree import FOLDER_FLAGS, OPAQUE_ATTRIBUTE
from zun_compose.drivers.local.images.removal import remove_below

# The rest of the page is for the container's own two folders and the names of options.
_PAGE_SHARE = 3400
# Each path is told once, with the place where bubblewrap keeps the old root, and a colon.
_AROUND = len("/oldroot") + 1


def most_layers(layers: Path) -> int:
    """Return how many layers below a folder one mount takes, at least two."""
    return max(2, _PAGE_SHARE // (len(os.fsencode(layers)) + 1 + 16 + _AROUND))


def merge(layers: Sequence[Path], target: Path) -> None:
    """Make `target` what overlayfs would show of layers, lowest first. Raises OSError."""
    target.mkdir(mode=0o700)
    modes: dict[str, os.stat_result] = {}
    merged = os.open(target, FOLDER_FLAGS)
    try:
        for layer in layers:
            source = os.open(layer, FOLDER_FLAGS)
            try:
                _lay(source, merged, "", modes)
            finally:
                os.close(source)
        for name in sorted(modes, key=lambda one: one.count("/"), reverse=True):
            with suppress(FileNotFoundError, NotADirectoryError):
                seen = modes[name]
                os.utime(name or ".", ns=(seen.st_mtime_ns, seen.st_mtime_ns), dir_fd=merged)
                os.chmod(name or ".", stat.S_IMODE(seen.st_mode), dir_fd=merged)
    finally:
        os.close(merged)


def _lay(source: int, merged: int, path: str, modes: dict[str, os.stat_result]) -> None:
    """Lay one folder of a layer over what is merged so far."""
    modes[path] = os.fstat(source)
    if OPAQUE_ATTRIBUTE in os.listxattr(source):
        for name in os.listdir(merged):
            _clear(merged, name, path, modes)
    for name in os.listdir(source):
        seen = os.stat(name, dir_fd=source, follow_symlinks=False)
        if not stat.S_ISDIR(seen.st_mode):
            _clear(merged, name, path, modes)
            if not (stat.S_ISCHR(seen.st_mode) and seen.st_rdev == 0):
                os.link(name, name, src_dir_fd=source, dst_dir_fd=merged, follow_symlinks=False)
            continue
        below = f"{path}/{name}" if path else name
        if below not in modes:
            _clear(merged, name, path, modes)
            os.mkdir(name, 0o700, dir_fd=merged)
        with _opened(source, name) as inner:
            target = os.open(name, FOLDER_FLAGS, dir_fd=merged)
            try:
                _lay(inner, target, below, modes)
            finally:
                os.close(target)
            # As it was before a closed folder was opened to be read.
            modes[below] = seen


def _clear(merged: int, name: str, path: str, modes: dict[str, os.stat_result]) -> None:
    below = f"{path}/{name}" if path else name
    if below in modes:
        remove_below(merged, name)
        for gone in [one for one in modes if one == below or one.startswith(f"{below}/")]:
            del modes[gone]
    else:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=merged)


@contextmanager
def _opened(parent: int, name: str) -> Iterator[int]:
    """Open a layer's folder, also one that is closed to us: its mode is given back afterwards."""
    try:
        found = os.open(name, FOLDER_FLAGS, dir_fd=parent)
        mode = None
    except PermissionError:
        mode = stat.S_IMODE(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
        os.chmod(name, 0o700, dir_fd=parent)
        found = os.open(name, FOLDER_FLAGS, dir_fd=parent)
    try:
        if mode is None and os.fstat(found).st_mode & 0o500 != 0o500:
            mode = stat.S_IMODE(os.fstat(found).st_mode)
            os.fchmod(found, 0o700)
        yield found
    finally:
        if mode is not None:
            os.fchmod(found, mode)
        os.close(found)
