"""Removing unpacked trees, whose folders may be closed and whose paths may be very long."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path) -> None:
    """Remove a folder and all below; gone is success. Raises OSError."""
    with suppress(FileNotFoundError):
        parent = os.open(path.parent, _FOLDER & ~os.O_NOFOLLOW)
        try:
            remove_below(parent, path.name)
        finally:
            os.close(parent)


def remove_below(parent: int, name: str) -> None:
    """Remove the folder `name` of an opened folder and all below; never follows a symlink. Raises OSError.

    Closed folders are opened first, which is why they must be ours. As deep as a layer may be.
    """
    try:
        folder = os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        # O_PATH would need no permission, but then nothing could be listed.
        os.chmod(name, 0o700, dir_fd=parent)
        folder = os.open(name, _FOLDER, dir_fd=parent)
    try:
        if os.fstat(folder).st_mode & 0o700 != 0o700:
            os.fchmod(folder, 0o700)
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for below, is_folder in found:
            if is_folder:
                remove_below(folder, below)
            else:
                os.unlink(below, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=parent)
