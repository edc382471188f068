"""Looks at, fetches and brings files of one container, running or stopped, as a process of its own.

Run as `python -m zun_compose.drivers.local.porter HOME ID look|get|put PATH`. The first line of stdout is
JSON that says how it went (see wire.failure). Of `get` the tar follows; what fails then is told on stderr
in the same form.
"""

from __future__ import annotations

import json
import os
import posixpath
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from zun_compose.drivers.local import inroot, wire
from zun_compose.drivers.local.cgroups import Group
from zun_compose.drivers.local.home import Home, Place
from zun_compose.drivers.local.look import standing
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.drivers.local.supervise import launch
from zun_compose.drivers.local.supervise.sandbox import Joined
from zun_compose.errors import Conflict, NotFound, Rejected, ZunComposeError
from zun_compose.linux import proc
from zun_compose.record import replace
from zun_compose.trees import Parts, pack, unpack

_PATIENCE = 20.0
_FOLDER = os.O_RDONLY | os.O_DIRECTORY


def main(words: list[str]) -> int:
    """Do what the words say; returns the exit code."""
    home, container, verb, path = words
    told: IO[bytes] = sys.stdout.buffer
    try:
        place = Home(Path(home)).place(container)
        root = _root(Path(home), place, Blueprint.load(place))
        if verb == "put":
            _put(root, path)
            _tell(told, {})
            return 0
        seen = inroot.looked(root, path)
        _tell(told, {"name": seen.name, "folder": seen.folder, "link": seen.link})
        if verb == "get":
            told = sys.stderr.buffer
            _get(root, path, sys.stdout.buffer)
    except BrokenPipeError:
        return 1
    except Exception as error:  # noqa: BLE001 - whoever asked is told
        _tell(told, wire.failure(_worded(error, path)))
        return 1
    return 0


def _tell(out: IO[bytes], body: Mapping[str, Any]) -> None:
    out.write(json.dumps(body).encode() + b"\n")
    out.flush()


def _worded(error: Exception, path: str) -> Exception:
    if isinstance(error, OSError):
        return Rejected(f'"{path}": {(error.strerror or str(error)).lower()}')
    if isinstance(error, ZunComposeError):
        return error
    return Rejected(f'"{path}": {type(error).__name__}')


def _root(home: Path, place: Place, blueprint: Blueprint) -> int:
    """Open the container's root, and become root of its users; one that does not run is mounted for it."""
    if not blueprint.isolated:
        return os.open("/", os.O_PATH | os.O_DIRECTORY)
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        record = standing(place)
        if record.up and record.pid is not None:
            with suppress(FileNotFoundError, ProcessLookupError):
                root = inroot.enter(record.pid)
                # not another process that has its number by now
                if proc.start_time(record.pid) == record.pid_start:
                    return root
        elif not record.up:
            mounted = _mounted(home, place, blueprint)
            if mounted is not None:
                return mounted
        time.sleep(0.01)
    raise Conflict(f'container "{place.id[:12]}" is between two lives')


def _mounted(home: Path, place: Place, blueprint: Blueprint) -> int | None:
    """Mount a container's files as long as we live; None if somebody starts or removes it just now."""
    # held until we end: a start waits for it
    if place.hold() is None:
        return None
    alone = replace(
        blueprint,
        user="",
        tty=False,
        stdin_open=False,
        network_mode="host",
        pid_mode=None,
        ipc_mode=None,
        nics=(),
        sysctls={},
        ulimits=(),
        oom_score=None,
    )
    run = launch.sandboxed(
        alone, place, home, launch.bubblewrap(), Joined(), None, lambda _: None, None, Group(), idle=True
    )
    return inroot.enter(run.pid)


def _get(root: int, path: str, out: IO[bytes]) -> None:
    above, name = posixpath.split(path)
    parent = inroot.opened(root, above, _FOLDER)
    pack(out, parent, name or ".", name, owners=True)
    out.flush()


def _put(root: int, path: str) -> None:
    try:
        os.close(inroot.opened(root, path, _FOLDER))
    except FileNotFoundError:
        raise NotFound(f'there is no folder "{path}"') from None

    def folder(parts: Parts) -> int:
        return inroot.opened(root, "/".join((path, *parts)), _FOLDER)

    unpack(sys.stdin.buffer, folder, lambda parts: parts, owners=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
