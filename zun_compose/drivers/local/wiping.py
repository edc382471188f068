"""Removes folders with files of a container's other users, as root of a namespace that has these users.

Run as `python -m zun_compose.drivers.local.wiping FOLDER`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from zun_compose.drivers.local import maps
from zun_compose.drivers.local.home import remove


def main(folder: str) -> None:
    """Remove it; raises OSError."""
    maps.apart()
    remove(Path(folder))


if __name__ == "__main__":
    main(sys.argv[1])
