"""The state folder: which file holds what, and the records in it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event
from urllib.parse import quote, urlsplit, urlunsplit

from zun_compose.driver import EngineInfo
from zun_compose.errors import StateError
from zun_compose.state import files, lock
from zun_compose.state.records import (
    ReadyRecord,
    Remembered,
    ready_as_json,
    ready_from_json,
    remembered_as_json,
    remembered_from_json,
)

STACK_FORMAT = 1
READY_FORMAT = 1


class StateStore:
    """State files under `root` (default: $XDG_STATE_HOME/zun-compose, else ~/.local/state/zun-compose).

    Nothing is created before the first write. `command` names our own command in lock files, such as
    "zun-compose up"; never give arguments, they can hold secrets. `address` is where the engine was
    reached, for whoever remembers without knowing. Safe from several threads and processes.
    All methods raise StateError.
    """

    def __init__(
        self, root: Path | None = None, *, command: str = "zun-compose", address: str | None = None
    ) -> None:
        self._given = root
        self._command = command
        self._address = address

    @property
    def root(self) -> Path:
        """The folder that holds all files."""
        return self._given if self._given is not None else _default_root()

    def lock(
        self,
        engine_id: str,
        stack: str,
        *,
        wait: bool = True,
        on_wait: Callable[[str], None] | None = None,
        cancel: Event | None = None,
    ) -> AbstractContextManager[None]:
        """Hold the lock of one stack on one engine inside a with block; the death of the process releases it.

        `on_wait` is told once who holds it ("waiting for zun-compose up (pid 123)"). Raises StateError
        `state.locked` when it is held and `wait` is False, Cancelled when `cancel` is set meanwhile.
        """
        path = self._file("locks", engine_id, stack, "lock")
        return lock.hold(path, self._command, wait=wait, on_wait=on_wait, cancel=cancel)

    def remember(
        self,
        stack: str,
        driver: str,
        engine: EngineInfo,
        address: str | None,
        working_dir: str,
        scale: Mapping[str, int] | None = None,
    ) -> None:
        """Keep where `stack` was brought up. Nothing is written if it is known already.

        `address` None stands for the one that the store was made with, `scale` None for what is kept already.
        """
        address = address or self._address
        known = self.recall(stack)
        if scale is None:
            scale = known.scale if known is not None and known.engine_id == engine.id else {}
        record = Remembered(
            stack=stack,
            driver=driver,
            engine_id=engine.id,
            engine_name=engine.name,
            address=None if address is None else without_password(address),
            working_dir=working_dir,
            scale=scale,
        )
        if known != record:
            files.write(self._stack_file(stack), remembered_as_json(record), STACK_FORMAT)

    def recall(self, stack: str) -> Remembered | None:
        """Return where `stack` was last brought up, if that is known."""
        path = self._stack_file(stack)
        body = files.read(path, STACK_FORMAT)
        if body is None:
            return None
        try:
            return remembered_from_json(body)
        except (KeyError, TypeError, ValueError) as error:
            raise files.broken(path, "an entry is missing or has the wrong type") from error

    def scale(self, stack: str, engine_id: str) -> Mapping[str, int]:
        """Return the numbers of containers that the user gave when `stack` was last brought up there."""
        known = self.recall(stack)
        return known.scale if known is not None and known.engine_id == engine_id else {}

    def forget(self, stack: str, engine_id: str) -> None:
        """Drop all that is known of `stack` on that engine; what another engine holds of it is kept."""
        known = self.recall(stack)
        if known is not None and known.engine_id == engine_id:
            files.delete(self._stack_file(stack))
        files.delete(self._file("ready", engine_id, stack, "json"))

    def record_ready(
        self,
        engine_id: str,
        stack: str,
        readings: Mapping[str, ReadyRecord],
        *,
        existing: Collection[str] | None = None,
    ) -> None:
        """Add seen readiness by container id.

        An earlier moment of the same start and condition is kept. Where `existing` is given, records
        of other containers are dropped.
        """
        path = self._file("ready", engine_id, stack, "json")
        # `up` holds the stack's lock but `wait` does not: both read, change and write this file.
        with lock.hold(path.with_suffix(".lock"), self._command):
            before = self.ready(engine_id, stack)
            after = {key: value for key, value in before.items() if existing is None or key in existing}
            for container, record in readings.items():
                after[container] = _earlier(before.get(container), record)
            if after != before:
                records = {key: ready_as_json(value) for key, value in after.items()}
                files.write(path, {"stack": stack, "containers": records}, READY_FORMAT)

    def ready(self, engine_id: str, stack: str) -> Mapping[str, ReadyRecord]:
        """Return seen readiness by container id."""
        path = self._file("ready", engine_id, stack, "json")
        body = files.read(path, READY_FORMAT)
        if body is None:
            return {}
        try:
            return {str(key): ready_from_json(value) for key, value in body["containers"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise files.broken(path, "an entry is missing or has the wrong type") from error

    def _stack_file(self, stack: str) -> Path:
        return self.root / "stacks" / f"{_safe(stack)}.json"

    def _file(self, kind: str, engine_id: str, stack: str, suffix: str) -> Path:
        engine = hashlib.sha256(engine_id.encode()).hexdigest()[:16]
        return self.root / kind / f"{engine}-{_safe(stack)}.{suffix}"


def without_password(address: str) -> str:
    """Return an engine address without the password that a URL may carry."""
    parts = urlsplit(address)
    if parts.password is None:
        return address
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{host}" if parts.username else host))


def _earlier(known: ReadyRecord | None, seen: ReadyRecord) -> ReadyRecord:
    if known is None or (known.started_at, known.condition) != (seen.started_at, seen.condition):
        return seen
    return min(known, seen, key=lambda record: record.ready_since)


def _safe(name: str) -> str:
    """Return a file name for any stack name: readable where it can be, never a path, never too long."""
    # quote leaves the dot alone, and "." and ".." are folders.
    quoted = quote(name, safe="").replace(".", "%2E")
    if 0 < len(quoted) <= 100:
        return quoted
    return f"%{hashlib.sha256(name.encode()).hexdigest()}"


def _default_root() -> Path:
    # The XDG Base Directory Specification: a relative path is to be ignored.
    given = os.environ.get("XDG_STATE_HOME", "")
    if given and Path(given).is_absolute():
        return Path(given) / "zun-compose"
    try:
        return Path.home() / ".local" / "state" / "zun-compose"
    except RuntimeError as error:
        message = "cannot tell where state files go: there is no home folder; set XDG_STATE_HOME"
        raise StateError(message, code="state.unusable") from error
