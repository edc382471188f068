"""Files of containers, by the engine's archive calls."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from typing import IO, Any

from zun_compose.container import PathSeen
from zun_compose.drivers.docker.errors import translated
from zun_compose.drivers.docker.wire import TAR, Part, chunks, quoted, short

# of Go's os.FileMode
_FOLDER = 1 << 31


class Copies(Part):
    """The capability Copies over one wire."""

    def look(self, container: str, path: str) -> PathSeen:
        """Tell what lies at a path."""
        doing = f'look at "{path}" in container "{short(container)}"'
        with closing(
            self._wire.stream("HEAD", _archive(container), doing=doing, parameters={"path": path})
        ) as reply:
            text = reply.headers.get("X-Docker-Container-Path-Stat", "")
        with translated(doing):
            told: dict[str, Any] = json.loads(base64.b64decode(text))
        return PathSeen(
            name=str(told["name"]),
            folder=bool(told["mode"] & _FOLDER),
            link=str(told.get("linkTarget") or ""),
        )

    def get_archive(self, container: str, path: str) -> Iterator[bytes]:
        """Yield a tar of a path."""
        doing = f'copy "{path}" out of container "{short(container)}"'
        stream = self._wire.stream("GET", _archive(container), doing=doing, parameters={"path": path})
        return chunks(stream, doing)

    def put_archive(self, container: str, folder: str, stream: IO[bytes]) -> None:
        """Unpack a tar into a folder."""
        doing = f'copy into "{folder}" of container "{short(container)}"'
        parameters = {"path": folder, "noOverwriteDirNonDir": "1"}
        with closing(
            self._wire.stream(
                "PUT", _archive(container), doing=doing, parameters=parameters, data=stream, headers=TAR
            )
        ) as reply:
            reply.rest()


def _archive(container: str) -> str:
    return f"/containers/{quoted(container)}/archive"
