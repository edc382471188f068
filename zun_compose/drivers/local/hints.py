"""What happened in a stack: one line appended to its journal for each change, by whoever makes it.

There is no daemon that could tell subscribers, so they watch the file (inotify) and read what was added.
A line is written under the file's lock with a time taken under it, so lines and times are in order.
A journal is cut when it grows large: the older half is kept in a second file for those who ask for the past.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread, current_thread
from typing import Any

from zun_compose.container import Health, Hint
from zun_compose.drivers.local.home import Home
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.drivers.local.watching import Watch

MOST_BYTES = 1024 * 1024
# what a lost wake-up costs at most
_PATIENCE = 0.5


def tell(
    home: Home,
    blueprint: Blueprint,
    name: str,
    action: str,
    *,
    exit_code: int | None = None,
    health: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> None:
    """Append a change of a container to its stack's journal; a full disk costs the hint only."""
    body = {
        "container": blueprint.id,
        "action": action,
        "service": blueprint.service,
        "number": blueprint.number,
        "exit_code": exit_code,
        "health": health,
        "name": name,
        "image": blueprint.image,
        "attributes": dict(attributes or {}),
    }
    with suppress(OSError):
        _append(home.journal(blueprint.stack), body)


def _append(path: Path, body: dict[str, Any]) -> None:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                if os.stat(path).st_ino != os.fstat(descriptor).st_ino:
                    continue  # cut while we waited for its lock
            except FileNotFoundError:
                continue
            body["at"] = time.time_ns() / 1e9
            os.write(descriptor, json.dumps(body, separators=(",", ":")).encode() + b"\n")
            if os.fstat(descriptor).st_size > MOST_BYTES:
                path.rename(_older(path))
            return
        finally:
            os.close(descriptor)


def forget(home: Home, stack: str) -> None:
    """Remove the journal of a stack that has nothing left."""
    path = home.journal(stack)
    for one in (path, _older(path)):
        with suppress(OSError):
            one.unlink()


def _older(path: Path) -> Path:
    # "~" is in no quoted stack name
    return path.with_name(f"{path.name}~")


class Reader:
    """A subscription: one thread that reads a stack's journal and calls the sink."""

    def __init__(
        self,
        home: Home,
        stack: str,
        sink: Callable[[Hint], None],
        *,
        since: float | None,
        until: float | None,
    ) -> None:
        self._path = home.journal(stack)
        self._sink = sink
        self._since = since
        self._until = until
        self._closed = Event()
        self._pending = b""
        # held open, so that what was written last can be read although the file was cut or removed since
        self._descriptor = -1
        self._watch = Watch(self._path.parent)
        if since is None and self._open():
            os.lseek(self._descriptor, 0, os.SEEK_END)
        self._thread = Thread(target=self._run, name=f"events of {stack}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still reads."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End it; nothing is told once this has returned, unless the sink itself calls it."""
        self._closed.set()
        self._watch.wake()
        if self._thread is not current_thread():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        try:
            if self._since is not None:
                self._replay()
            while not self._closed.is_set():
                # the clock is asked first: what was written before that is read below
                over = self._until is not None and time.time() >= self._until
                for hint in self._fresh():
                    if self._closed.is_set():
                        return
                    if self._wanted(hint):
                        self._sink(hint)
                if over:
                    self._sink(Hint(container="", action="end", at=self._until or 0.0))
                    return
                patience = _PATIENCE
                if self._until is not None:
                    patience = min(patience, max(self._until - time.time(), 0.001))
                self._watch.wait(patience)
        finally:
            self._watch.close()
            self._shut()

    def _wanted(self, hint: Hint) -> bool:
        return (self._since is None or hint.at >= self._since) and (
            self._until is None or hint.at <= self._until
        )

    def _replay(self) -> None:
        with suppress(OSError):
            for line in _older(self._path).read_bytes().splitlines():
                hint = _hint(line)
                if hint is not None and self._wanted(hint):
                    self._sink(hint)

    def _fresh(self) -> Iterator[Hint]:
        """Yield what was added, through to the newest file if the journal was cut meanwhile."""
        while True:
            # looked up before the rest is read: nobody writes to a file that was replaced
            replaced = self._replaced()
            while self._descriptor >= 0 and (data := os.read(self._descriptor, 1 << 16)):
                yield from self._lines(data)
            if not replaced or not self._open():
                return

    def _replaced(self) -> bool:
        """Whether another file than ours is the journal now."""
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            return False
        return self._descriptor < 0 or inode != os.fstat(self._descriptor).st_ino

    def _open(self) -> bool:
        self._shut()
        self._pending = b""
        with suppress(FileNotFoundError):
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        return self._descriptor >= 0

    def _shut(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _lines(self, data: bytes) -> Iterator[Hint]:
        *whole, self._pending = (self._pending + data).split(b"\n")
        for line in whole:
            hint = _hint(line)
            if hint is not None:
                yield hint


def _hint(line: bytes) -> Hint | None:
    try:
        body = json.loads(line)
        health = body.pop("health")
        return Hint(health=None if health is None else Health(health), **body)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
