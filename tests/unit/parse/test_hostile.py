"""Hostile input of up to 256 KiB: an answer in bounded time and memory, and never a crash.

Each file is read in a process of its own under hard limits, ten times what it should need at most: a second
of work and 200 MiB. What grows faster than the input is off by far more. `python -m bench.hostile` measures.
"""

from __future__ import annotations

import os
import resource
import traceback
from pathlib import Path

import pytest

from tests.unit.parse.hostile import HOSTILE, files, many
from tests.unit.parse.reading import read
from zun_compose.errors import SpecError, ZunComposeError
from zun_compose.parse import Request, dump, load

SECONDS = 10
BYTES = 2000 * 1024 * 1024


def answer(name: str) -> int:
    """Read a stack under limits; 0 tells that it was read or refused with errors of ours."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        loaded = load(Request(environment={"HOME": "/home/me"}), files(name))
    except SpecError as error:
        return 0 if all(fault.what for fault in error.faults) and str(error) else 3
    except ZunComposeError as error:
        return 0 if str(error) else 3
    return 0 if loaded.stack.name and dump(loaded.canonical, "json") else 4


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_answered_within_limits(name):
    child = os.fork()
    if child == 0:
        code = 2
        try:
            code = answer(name)
        except BaseException:  # noqa: BLE001 - what must not happen is shown, and told by the code
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_env_files_cannot_grow_without_bound():
    text = "A=0123456789\n" + "".join(
        f"A{n}=$A{n - 1 if n else ''}$A{n - 1 if n else ''}\n" for n in range(40)
    )
    with pytest.raises(ZunComposeError, match="expands to too much"):
        read("services: {a: {image: x}}", files={".env": text})


def test_large_variables_cannot_fill_memory():
    text = "x-a:\n" + many("  - $BIG", 256 * 1024) + "\nservices: {a: {image: x}}\n"
    with pytest.raises(ZunComposeError, match="expand to too much"):
        read(text, environment={"BIG": "x" * 100_000})
