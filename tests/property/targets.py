"""What fuzzing feeds: the loader, interpolation, merging and env files, each as a function of raw input.

A target returns when its input was read, or refused with an error of ours; whatever else it raises is a fault
of the package. Run as a program this is the process under test: it answers each input with what that took, so
that its memory is that of the package alone and not that of whoever makes the inputs up.
"""

from __future__ import annotations

import contextlib
import gc
import pickle
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.unit.parse.reading import Files
from zun_compose.errors import SpecError, ZunComposeError
from zun_compose.parse import Request, dotenv, dump, load
from zun_compose.parse.interpolate import LONG, Invalid, Missing, expand
from zun_compose.parse.merge import merge
from zun_compose.parse.rules import language
from zun_compose.parse.text import read
from zun_compose.parse.tree import Faults, Map, clone

SECRET = "hunter2"
VARIABLES = {"A": "alpha", "B": "", "C": "${A}", "N": "3", "P": "x" * 200}


class Verdict(NamedTuple):
    """What one input took: seconds of work, resident bytes afterwards, and the traceback if there was one."""

    seconds: float
    resident: int
    broken: str


def loader(files: dict[str, bytes]) -> None:
    """Read a whole stack, and print it if it is one."""
    request = Request(environment={"HOME": "/home/me", **VARIABLES}, name="n", profiles=("*",))
    refused: ZunComposeError
    try:
        loaded = load(request, Files(dict(files)))
    except ZunComposeError as error:
        refused = error
    else:
        assert dump(loaded.canonical, "json")
        assert dump(loaded.extended, "yaml")
        return
    assert str(refused)
    for fault in refused.faults if isinstance(refused, SpecError) else ():
        assert str(fault).isprintable()
        assert fault.excerpt is not None
        assert SECRET not in fault.excerpt


def interpolation(text: str) -> None:
    """Expand one string."""
    with contextlib.suppress(Invalid, Missing):
        assert len(expand(text, VARIABLES, lambda _: None)) < 2 * LONG


def merging(files: tuple[bytes, bytes]) -> None:
    """Lay one tree over another, unchecked, and the other way round."""
    faults = Faults()
    first, second = (next(iter(read(content, "f", faults)), None) for content in files)
    for base, over in ((first, second), (second, first), (first, first)):
        if isinstance(base, Map) and isinstance(over, Map):
            before = repr(over)
            merge(clone(base), over, language(), faults)
            assert repr(over) == before


def env(content: bytes) -> None:
    """Read an env file in both formats."""
    for parse in (dotenv.read, dotenv.raw):
        faults = Faults()
        found = parse(content, "f.env", VARIABLES, faults)
        assert all(isinstance(value, str) for value in found.values())
        with contextlib.suppress(SpecError):
            faults.check()


TARGETS: dict[str, Callable[[Any], None]] = {
    "loader": loader,
    "interpolation": interpolation,
    "merging": merging,
    "env": env,
}


def judged(name: str, given: Any) -> Verdict:
    """Feed one input to a target."""
    began = time.process_time()
    broken = ""
    try:
        TARGETS[name](given)
    except Exception:  # noqa: BLE001 - any of them is what is looked for
        broken = traceback.format_exc()
    seconds = time.process_time() - began
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Verdict(seconds, pages * resource.getpagesize(), broken)


def main() -> None:
    """Answer inputs on stdin, each a pickle of a target's name and its input, until they end."""
    gc.set_threshold(100_000, 20, 50)  # as the program does
    while True:
        try:
            name, given = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(tuple(judged(name, given)), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
