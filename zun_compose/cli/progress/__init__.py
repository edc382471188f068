"""Rendering typed events on stderr. Each renderer is loaded when it is chosen."""

from __future__ import annotations

import os
import sys

from zun_compose.cli.progress.flight import Tracking
from zun_compose.cli.settings import ProgressMode

__all__ = ["Tracking", "renderer"]


def renderer(mode: ProgressMode, *, color: bool | None = None) -> Tracking:
    """Return the renderer for a mode; auto is tty where stderr is a terminal, else plain."""
    match _settled(mode):
        case ProgressMode.TTY:
            from zun_compose.cli.progress.terminal import TerminalProgress

            return TerminalProgress(color=color)
        case ProgressMode.JSON:
            from zun_compose.cli.progress.lines import JsonProgress

            return JsonProgress()
        case ProgressMode.QUIET:
            return Tracking()
        case _:
            from zun_compose.cli.progress.lines import PlainProgress

            return PlainProgress()


def _settled(mode: ProgressMode) -> ProgressMode:
    if mode is not ProgressMode.AUTO:
        return mode
    terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return ProgressMode.TTY if terminal else ProgressMode.PLAIN
