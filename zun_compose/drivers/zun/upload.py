"""Images brought into Glance: whole archives of docker save, which is all that Zun takes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from zun_compose.driver import PullProgress
from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.images import FORMAT, Images
from zun_compose.errors import Conflict, DriverError

DISK_FORMAT = "raw"
"""Glance wants one, Zun reads none."""

CONNECT = 10.0
STORING = 900.0
"""Seconds without a word: Glance says nothing until all is stored, wherever its operator has it stored."""

_BEAT = 1 << 20
_OWN = "zun_compose_digest"
"""The property that tells which image it is, by the digest of its configuration."""


def upload(
    cloud: Cloud,
    archive: Path,
    name: str,
    *,
    replace: bool,
    digest: str,
    progress: Callable[[PullProgress], None],
) -> str:
    """Bring an archive into Glance under a name, and return its id.

    One of this project's that has the name is replaced, with `replace`, once the new one is there; else it
    raises Conflict. A failed upload leaves nothing.
    """
    doing = f'push image "{name}" to Glance'
    with translated(doing):
        former = _former(cloud, name)
        if former and not replace:
            raise Conflict(f"cannot {doing}: the name is taken: give another by --name, or --replace")
        if any(one.container_format != FORMAT or one.is_protected for one in former) or len(former) > 1:
            raise Conflict(
                f"cannot {doing}: what has the name is not one unprotected image of a container: "
                "give another by --name"
            )
        made = cloud.glance.create_image(
            name,
            container_format=FORMAT,
            disk_format=DISK_FORMAT,
            allow_duplicates=True,
            visibility="private",
            **{_OWN: digest},
        )
    try:
        with translated(doing), archive.open("rb") as file:
            _send(cloud, str(made.id), _Told(file, archive.stat().st_size, name, progress))
    except BaseException:
        with suppress(DriverError), translated(doing):
            cloud.glance.delete_image(made.id, ignore_missing=True)
        raise
    for one in former:
        with translated(f'remove the former image "{name}" from Glance'):
            cloud.glance.delete_image(one.id, ignore_missing=True)
    return str(made.id)


def _former(cloud: Cloud, name: str) -> Sequence[Any]:
    own = cloud.connection.current_project_id
    return [one for one in Images(cloud).glance_named(name) if own in (one.owner, one.owner_id)]


def _send(cloud: Cloud, image: str, content: _Told) -> None:
    from openstack import exceptions

    answer = cloud.glance.put(
        f"/images/{image}/file",
        data=content,
        headers={"Content-Type": "application/octet-stream", "Accept": ""},
        # it is read once: nothing could be sent again
        connect_retries=0,
        timeout=(CONNECT, STORING),
    )
    exceptions.raise_from_response(answer)


class _Told(io.RawIOBase):
    """A file that says how far it was read."""

    def __init__(
        self, file: io.BufferedReader, size: int, name: str, progress: Callable[[PullProgress], None]
    ) -> None:
        self._file = file
        self._size = size
        self._name = name
        self._progress = progress
        self._sent = 0
        self._next = 0

    def __len__(self) -> int:
        """Bytes that are left, for the header that tells the length."""
        return self._size - self._sent

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Read on, and tell of each further MiB."""
        data = self._file.read(size)
        self._sent += len(data)
        if self._sent >= self._next or self._sent == self._size:
            self._next = self._sent + _BEAT
            self._progress(
                PullProgress(image=self._name, status="Pushing", current=self._sent, total=self._size)
            )
        return data
