"""Files of containers: each call asks a `porter`, which may become root of the container's users."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import IO, Any

from zun_compose.container import PathSeen
from zun_compose.drivers.local import interpreter, wire
from zun_compose.drivers.local.containers import Part, short
from zun_compose.errors import DriverError, Unavailable

_CHUNK = 1 << 16


class Copies(Part):
    """The capability Copies."""

    def look(self, container: str, path: str) -> PathSeen:
        """Tell what lies at a path."""
        doing = f'look at "{path}" in container "{short(container)}"'
        porter = self._porter(container, "look", path, subprocess.DEVNULL)
        try:
            told = _answer(porter, doing)
        finally:
            _end(porter)
        return PathSeen(name=str(told["name"]), folder=bool(told["folder"]), link=str(told["link"]))

    def get_archive(self, container: str, path: str) -> Iterator[bytes]:
        """Yield a tar of a path."""
        doing = f'copy "{path}" out of container "{short(container)}"'
        porter = self._porter(container, "get", path, subprocess.DEVNULL)
        try:
            _answer(porter, doing)
        except BaseException:
            _end(porter)
            raise

        def read() -> Iterator[bytes]:
            try:
                yield b""
                assert porter.stdout is not None
                while data := porter.stdout.read(_CHUNK):
                    yield data
                if porter.wait():
                    assert porter.stderr is not None
                    _check(porter.stderr.readline(), doing)
            finally:
                _end(porter)

        chunks = read()
        # only what has begun can be closed
        next(chunks)
        return chunks

    def put_archive(self, container: str, folder: str, stream: IO[bytes]) -> None:
        """Unpack a tar into a folder."""
        doing = f'copy into "{folder}" of container "{short(container)}"'
        porter = self._porter(container, "put", folder, subprocess.PIPE)
        try:
            assert porter.stdin is not None
            # it may have refused, and says why
            with suppress(BrokenPipeError):
                shutil.copyfileobj(stream, porter.stdin)
            with suppress(BrokenPipeError):
                porter.stdin.close()
            _answer(porter, doing)
        finally:
            _end(porter)

    def _porter(self, container: str, verb: str, path: str, stdin: int) -> subprocess.Popen[bytes]:
        place = self._home.find(container)
        words = [sys.executable, "-s", "-m", "zun_compose.drivers.local.porter"]
        try:
            return subprocess.Popen(
                [*words, str(self._home.root), place.id, verb, path],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=interpreter.environment(),
            )
        except OSError as error:
            raise interpreter.refused(error) from error


def _answer(porter: subprocess.Popen[bytes], doing: str) -> Mapping[str, Any]:
    assert porter.stdout is not None
    return _check(porter.stdout.readline(), doing)


def _check(line: bytes, doing: str) -> Mapping[str, Any]:
    """Return what a porter said. Raises the DriverError that it tells of."""
    try:
        body = dict(json.loads(line))
    except ValueError:
        raise Unavailable(f"cannot {doing}: it was killed meanwhile") from None
    try:
        return wire.checked(body)
    except DriverError as error:
        raise type(error)(f"cannot {doing}: {error}", reason=error.reason) from None


def _end(porter: subprocess.Popen[bytes]) -> None:
    if porter.poll() is None:
        porter.kill()
    porter.wait()
    for stream in (porter.stdin, porter.stdout, porter.stderr):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
