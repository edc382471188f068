"""Search for input that breaks the reading of stacks, guided by what code it reaches; needs atheris.

Usage: python scripts/fuzz.py loader|interpolation|merging|env [option of libFuzzer ...] [folder of inputs]

`pip install atheris` into the environment of development first; without it nothing is done and the exit code
is 77, which means skipped. An input that breaks something is left as a file, crash-..., to be fed again by
naming it. The targets are those of tests/property/test_fuzz.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

SKIPPED = 77
ROOT = Path(__file__).resolve().parent.parent


def shaped(name: str, data: bytes) -> Any:
    """Make a target's input of bytes."""
    if name == "loader":
        stack, _, override = data.partition(b"\x00")
        return {"compose.yaml": stack, **({"compose.override.yaml": override} if override else {})}
    if name == "interpolation":
        return data.decode("utf-8", "replace")
    if name == "merging":
        first, _, second = data.partition(b"\x00")
        return first, second
    return data


def main() -> int:
    """Fuzz one target until an input breaks it or libFuzzer's options end it."""
    try:
        import atheris
    except ImportError:
        print("skipped: atheris is not installed")
        return SKIPPED
    sys.path.insert(0, str(ROOT))
    with atheris.instrument_imports(include=["zun_compose.parse"]):
        from tests.property.targets import TARGETS
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        print(__doc__)
        return os.EX_USAGE
    name = sys.argv.pop(1)

    def feed(data: bytes) -> None:
        TARGETS[name](shaped(name, data))

    atheris.Setup([f"fuzz {name}", *sys.argv[1:]], feed)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
