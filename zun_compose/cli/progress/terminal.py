"""Live progress in a terminal. rich is loaded when there is something to show, never for a no-op."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from zun_compose.cli.progress.board import Board, Line, Look
from zun_compose.cli.progress.flight import Tracking
from zun_compose.cli.progress.words import duration, lines
from zun_compose.cli.signals import shout
from zun_compose.events import Event, Finished, GateFailed, StepFailed, Unsteady, Warned

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

_SIGNS = {
    Look.PLANNED: ("·", "dim"),
    Look.ACTIVE: ("▸", "cyan"),
    Look.WAITING: ("…", "yellow"),
    Look.STARTED: ("▸", "green"),
    Look.GOOD: ("✓", "green"),
    Look.FAILED: ("✗", "red"),
}
# What the user looks for comes first where not everything fits.
_ORDER = (Look.FAILED, Look.ACTIVE, Look.WAITING, Look.STARTED, Look.PLANNED, Look.GOOD)


class TerminalProgress(Tracking):
    """One line a service: its state, what it waits for, how long it has taken."""

    def __init__(self, *, color: bool | None = None) -> None:
        super().__init__()
        self._color = color
        self._board = Board()
        self._console: Console | None = None
        self._live: Live | None = None
        self._note = ""
        # rich redraws from a thread of its own.
        self._lock = Lock()

    def show(self, event: Event) -> None:
        """Take the event in; what must not scroll away is printed above the live lines."""
        progress = event.progress
        with self._lock:
            self._board.take(event)
        if self._live is None and self._board.worth_showing and not isinstance(progress, Finished):
            self._begin()
        if isinstance(progress, GateFailed | StepFailed | Unsteady | Warned):
            for line in lines(event):
                self._print(line)
        elif isinstance(progress, Finished):
            self._end()
            self._print(f"{progress.outcome} in {duration(progress.seconds)}")

    def note(self, text: str) -> None:
        """Show a word of ours as the last live line; before and after that as a line of its own."""
        self._note = text
        if self._live is None:
            shout(text)

    def warn(self, text: str) -> bool:
        """Print it above the live lines, if there are any."""
        if self._live is None:
            return False
        self._print(f"warning: {text}")
        return True

    def close(self) -> None:
        """Leave the last state on the screen."""
        self._end()

    def farewell(self) -> str:
        """Give the cursor back: whoever leaves at once does not come to close()."""
        return f"\x1b[?25h\n{super().farewell()}"

    def __rich__(self) -> RenderableType:
        """Draw the board; called by rich."""
        with self._lock:
            return self._draw()

    def _begin(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=sys.stderr, no_color=self._color is False or None, highlight=False)
        self._live = Live(self, console=self._console, refresh_per_second=10, redirect_stderr=False)
        self._live.start()

    def _end(self) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.stop()

    def _print(self, text: str) -> None:
        if self._console is not None:
            self._console.print(text, markup=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{text}\n")

    def _draw(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        now = time.time()
        grid = Table.grid(padding=(0, 2), expand=False)
        for _ in range(2):
            grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        grid.add_column(no_wrap=True, justify="right")
        # The last screen stays, so nothing may be missing from it.
        height = self._console.size.height - 3 if self._console is not None and self._live is not None else 0
        shown, left_out = visible(list(self._board.lines.values()), height)
        for line in shown:
            sign, style = _SIGNS[line.look]
            grid.add_row(
                Text(sign, style), Text(line.subject), Text(line.text, style), Text(line.elapsed(now), "dim")
            )
        if left_out:
            grid.add_row(Text(""), Text(f"and {left_out} more", "dim"), Text(""), Text(""))
        if self._note and self._live is not None:
            grid.add_row(Text("!", "bold"), Text(self._note.removeprefix("zun-compose: "), "bold"), "", "")
        return grid


def visible(lines: Sequence[Line], height: int) -> tuple[list[Line], int]:
    """Return the most urgent lines that fit into `height` (0: all), in order; and how many are left out."""
    if height <= 0 or len(lines) <= height:
        return list(lines), 0
    room = max(1, height - 1)
    urgent = sorted(range(len(lines)), key=lambda place: (_ORDER.index(lines[place].look), place))[:room]
    return [lines[place] for place in sorted(urgent)], len(lines) - len(urgent)
