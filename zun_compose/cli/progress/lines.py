"""Progress as lines: plain words, or one JSON object an event."""

from __future__ import annotations

import json
import sys

from zun_compose.cli.progress.flight import Tracking
from zun_compose.cli.progress.words import lines
from zun_compose.cli.signals import shout
from zun_compose.events import Event, ImageProgress


class _Lines(Tracking):
    """Writes to stderr; a reader that has gone stops the talking, never the operation."""

    def __init__(self) -> None:
        super().__init__()
        self._heard = True

    def write(self, text: str) -> None:
        """Write one line at once."""
        if not self._heard:
            return
        try:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
        except OSError:
            self._heard = False


class PlainProgress(_Lines):
    """One line for each event that matters, in stable words."""

    def __init__(self) -> None:
        super().__init__()
        self._images: dict[str, str] = {}

    def show(self, event: Event) -> None:
        """Print the event's lines; a pull's status only when it changes."""
        progress = event.progress
        if isinstance(progress, ImageProgress):
            if self._images.get(progress.image) == progress.status:
                return
            self._images[progress.image] = progress.status
        for line in lines(event):
            self.write(line)


class JsonProgress(_Lines):
    """Each event as one JSON object a line."""

    def show(self, event: Event) -> None:
        """Print the event."""
        self.write(json.dumps(event.as_dict(), ensure_ascii=False, separators=(",", ":")))

    def note(self, text: str) -> None:
        """Say it as an object too: every line of stderr is one."""
        shout(said(text))

    def farewell(self) -> str:
        """Say what is in flight as an object."""
        return said(super().farewell())


def said(text: str) -> str:
    """Return a word of ours that is no event as one JSON object."""
    return json.dumps({"event": "said", "message": text}, ensure_ascii=False, separators=(",", ":"))
