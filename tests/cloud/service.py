"""The kinds of steps that a cloud is made of: WSGI applications, RPC servers, and tasks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.cloud import amqp, rest
from tests.cloud.processes import Process
from tests.cloud.settings import ADDRESS, Port, Settings

_INSIDE = Path(__file__).parent / "inside"


class Task(NamedTuple):
    """Something to do before others can go on.

    It is done when `done` says so, or, without that, when it once succeeded with the same `key`.
    """

    name: str
    act: Callable[[], object]
    needs: tuple[str, ...] = ()
    key: str = "once"
    done: Callable[[], bool] | None = None


def inside(settings: Settings, name: str) -> Path:
    """Return a program of inside/, copied below the folder: what runs does not depend on this checkout."""
    place = settings.folder / "inside"
    place.mkdir(exist_ok=True)
    copy = place / name
    text = (_INSIDE / name).read_text()
    if not copy.exists() or copy.read_text() != text:
        copy.write_text(text)
    return copy


def application(
    settings: Settings,
    name: str,
    port: Port,
    module: str,
    *,
    arguments: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    needs: tuple[str, ...] = (),
    files: tuple[Path, ...] = (),
    ready: Callable[[], bool] | None = None,
) -> Process:
    """Return a WSGI application under waitress, ready when it answers whatever it answers."""
    number = settings.ports[port]
    serve = inside(settings, "serve.py")
    return Process(
        name=name,
        argv=(str(settings.bin / "python"), str(serve), f"{ADDRESS}:{number}", module, *arguments),
        ready=ready or (lambda: rest.answers(number)),
        needs=needs,
        ports=(number,),
        environment=environment or {},
        files=(*files, serve),
    )


def server(
    settings: Settings,
    program: str,
    configuration: tuple[Path, ...],
    *queues: str,
    name: str = "",
    needs: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    files: tuple[Path, ...] = (),
    ready: Callable[[], bool] | None = None,
) -> Process:
    """Return a process that serves RPCs, ready when it consumes these queues."""
    options = [option for file in configuration for option in ("--config-file", str(file))]
    return Process(
        name=name or program,
        argv=(str(settings.bin / program), *options),
        ready=ready or (lambda: amqp.consumed(settings.ports[Port.RABBIT], settings.password, *queues)),
        needs=needs,
        environment=environment or {},
        files=(*configuration, *files),
        # they would finish what nobody waits for any more
        grace=5,
    )


def found(program: str) -> str:
    """Return where a program of the distribution lies; its bare name if it is missing."""
    return (
        shutil.which(program, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") or program
    )
