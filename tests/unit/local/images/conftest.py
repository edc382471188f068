"""A store with a witness folder beside it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from zun_compose.drivers.local.images.records import MIB, Limits
from zun_compose.drivers.local.images.removal import remove_tree
from zun_compose.drivers.local.images.store import ImageStore

SMALL = Limits(size=32 * MIB, entries=20_000, grace=4 * MIB, document=256 * 1024)


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return all that lies below a folder: mode, links and content by name; symlinks are not followed."""
    found = {}
    for here, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(here, name)
            seen = path.lstat()
            if stat.S_ISREG(seen.st_mode):
                content = path.read_bytes()
            elif stat.S_ISLNK(seen.st_mode):
                content = os.fsencode(os.readlink(path))
            else:
                content = b""
            found[str(path.relative_to(folder))] = (seen.st_mode, seen.st_nlink, content)
    return found


class Lab:
    """A store below one folder, with files around it that nobody may touch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = ImageStore(folder / "state" / "images", limits=SMALL)
        self.archives = folder / "archives"
        self.archives.mkdir()
        self.witness = folder / "witness"
        (self.witness / "sub").mkdir(parents=True)
        (self.witness / "file").write_text("untouched")
        (folder / "state" / "neighbour").mkdir(parents=True)

    def path(self, name: str = "image.tar") -> Path:
        return self.archives / name

    def seen(self) -> dict[str, tuple[int, int, bytes]]:
        """All but the archives and the store's lock, which is there from the first use on."""
        found = snapshot(self.folder)
        fixed = ("archives", "state/images/lock")
        return {name: what for name, what in found.items() if not name.startswith(fixed)}


@pytest.fixture
def lab(tmp_path: Path):
    folder = tmp_path / "lab"
    folder.mkdir()
    made = Lab(folder)
    # Makes the store's own folders, which are no trace of an archive.
    made.store.prune(())
    yield made
    remove_tree(folder)
