"""The store's folder: its lock, its temporary folders, and what a killed process left in it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic_ns

from zun_compose.drivers.local.images.removal import remove_tree


class Place:
    """A folder that is ours alone (0700), made on use. Methods raise OSError.

    Safe from several threads and processes: what changes is done under one lock that death releases.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.index = root / "index.json"
        self.layers = root / "layers"
        self.documents = root / "blobs"
        self._temporary = root / "tmp"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; waits for whoever has it."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.layers, self.documents, self._temporary):
            folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._sweep()
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Return a new folder that is removed afterwards. Call without the lock."""
        with self.locked():
            # tempfile would cost its import at every start; under the lock the time is unique.
            folder = self._temporary / f"{os.getpid()}-{monotonic_ns()}"
            folder.mkdir(mode=0o700)
            holder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            # Held as long as we live: whoever sweeps takes folders that nobody holds.
            fcntl.flock(holder, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            try:
                remove_tree(folder)
            finally:
                os.close(holder)

    def _sweep(self) -> None:
        for folder in self._temporary.iterdir():
            with suppress(FileNotFoundError):
                holder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    remove_tree(folder)
                except BlockingIOError:
                    continue
                finally:
                    os.close(holder)
