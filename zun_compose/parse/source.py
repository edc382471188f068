"""What the language asks of the outside: files. The package itself reads none; disk.py is the real one."""

from __future__ import annotations

from typing import Protocol


class Source(Protocol):
    """Files by absolute path, or "-" for standard input."""

    def cwd(self) -> str:
        """Return the folder that relative paths of the command line start from."""
        ...

    def read(self, path: str) -> bytes:
        """Return a file's bytes. Raises OSError (EFBIG for a file over the limit)."""
        ...

    def exists(self, path: str) -> bool:
        """Tell whether something is there."""
        ...

    def is_dir(self, path: str) -> bool:
        """Tell whether it is a folder."""
        ...
