"""Other Pythons of ours: what they are told, and what it means if they cannot be run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import zun_compose
from zun_compose.errors import Unavailable

REMEDY = "install zun-compose where this user may execute it"


def environment() -> dict[str, str]:
    """Return the environment of another Python of ours: it finds what we found, and is told nothing else."""
    folders = (str(Path(zun_compose.__file__).parent.parent), *filter(os.path.isabs, sys.path))
    found = os.pathsep.join(dict.fromkeys(folders))
    return {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": found}


def refused(error: OSError) -> Unavailable:
    """Return what to say when another Python cannot be run: ours may have come from where we were before."""
    reason = (error.strerror or str(error)).lower()
    program = sys.executable or "python"
    return Unavailable(f'cannot run "{program}", the Python of zun-compose: {reason}; {REMEDY}')
