"""Reads the contents of configs and secrets from this machine: bounded, once, never shown."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping

from zun_compose.errors import Fault, SpecError
from zun_compose.model import FileObject, Service, Stack
from zun_compose.parse.disk import Disk


class Contents:
    """Contents by file object, kept for one operation. Safe from several threads."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def read(self, thing: FileObject) -> bytes:
        """Return the content; raises SpecError if the file is missing, unreadable or too large."""
        if thing.content is not None:
            return thing.content.encode()
        if thing.file is None:
            what = f'"{thing.key}" has no content that could be read here'
            raise SpecError([Fault(code="plan.no_content", what=what, mark=thing.mark)])
        with self._lock:
            if thing.file not in self._kept:
                self._kept[thing.file] = _read(thing.file, thing)
            return self._kept[thing.file]

    def digests(self, stack: Stack, services: Iterable[Service]) -> Mapping[str, str]:
        """Return a digest of the content of each config and secret that these services use."""
        found = {}
        for service in services:
            for kind, uses, things in (
                ("configs", service.configs, stack.configs),
                ("secrets", service.secrets, stack.secrets),
            ):
                for use in uses:
                    key = f"{kind}:{use.source}"
                    if key not in found:
                        found[key] = hashlib.sha256(self.read(things[use.source])).hexdigest()
        return found


def _read(path: str, thing: FileObject) -> bytes:
    try:
        return Disk().read(path)
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
    what = f'file "{path}" of "{thing.key}": {reason}'
    raise SpecError([Fault(code="plan.file", what=what, mark=thing.mark)])
