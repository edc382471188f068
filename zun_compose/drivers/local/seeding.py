"""What an image has where a new volume is mounted is copied into the volume, as Docker does.

Layers are the lower folders of an overlay (docs.kernel.org/filesystems/overlayfs.html): what a higher one has
wins, an opaque folder hides all below it, and a character device of number 0 or a file with an attribute
stands for something removed.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_OPAQUE = ("user.overlay.opaque", "trusted.overlay.opaque")
_WHITEOUT = ("user.overlay.whiteout", "trusted.overlay.whiteout")


def seed(layers: Sequence[Path], target: str, volume: Path) -> None:
    """Copy what the layers (lowest first) have at `target` into an empty volume; raises OSError."""
    parts = [part for part in target.split("/") if part]
    for layer in layers:
        folder = _within(layer, parts, volume)
        if folder is None:
            continue
        if _marked(folder, _OPAQUE):
            _empty(volume)
        _lay(folder, volume)
        shutil.copystat(folder, volume, follow_symlinks=False)
        with suppress(PermissionError):
            status = folder.stat()
            os.chown(volume, status.st_uid, status.st_gid)


def _within(layer: Path, parts: Sequence[str], volume: Path) -> Path | None:
    """Return the layer's folder at the target; what it hides on the way there is hidden in the volume."""
    folder = layer
    for part in parts:
        folder = folder / part
        try:
            status = folder.lstat()
        except OSError:
            return None
        if not stat.S_ISDIR(status.st_mode):
            # removed or replaced in this layer: nothing of the layers below is there
            _empty(volume)
            return None
        if part is not parts[-1] and _marked(folder, _OPAQUE):
            _empty(volume)
    return folder


def _lay(source: Path, target: Path) -> None:
    for entry in os.scandir(source):
        path = target / entry.name
        status = entry.stat(follow_symlinks=False)
        hidden = stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
        if hidden or (stat.S_ISREG(status.st_mode) and _marked(Path(entry.path), _WHITEOUT)):
            _remove(path)
        elif stat.S_ISDIR(status.st_mode):
            if path.is_symlink() or not path.is_dir() or _marked(Path(entry.path), _OPAQUE):
                _remove(path)
            path.mkdir(exist_ok=True)
            _lay(Path(entry.path), path)
            _like(entry.path, path, status)
        elif stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
            _remove(path)
            shutil.copy2(entry.path, path, follow_symlinks=False)
            _like(entry.path, path, status)


def _like(source: str, path: Path, status: os.stat_result) -> None:
    with suppress(PermissionError):
        os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)
    shutil.copystat(source, path, follow_symlinks=False)
    with suppress(OSError):
        for name in _OPAQUE:
            os.removexattr(path, name, follow_symlinks=False)


def _marked(path: Path, names: Sequence[str]) -> bool:
    for name in names:
        with suppress(OSError):
            os.getxattr(path, name, follow_symlinks=False)
            return True
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        _remove(path)
