"""The lines that faults point at, as they stand in their file, less what may be secret, with a caret below.

Left out, with `…` in its place: all that stands under the keys in `HIDDEN` and under `x-...` keys, whatever
an alias brings there, defaults of variables, logins and queries of URLs, and the values of lines whose fault
is about their key or their form, since such a line may be an entry of `environment` that slipped out of its
place.
Of env files only names are shown. Reads no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from zun_compose.errors import Fault, Mark

HIDDEN = frozenset(
    (
        "annotations",
        "args",
        "body",
        "command",
        "content",
        "dockerfile_inline",
        "driver_opts",
        "entrypoint",
        "environment",
        "headers",
        "labels",
        "options",
        "ssh",
        "test",
    )
)
"""Keys below a service or another named thing whose values no excerpt shows."""

QUOTED = 20
"""How many faults of a stack get an excerpt: nobody reads more, and a hostile file has thousands."""

WIDTH = 100
"""Columns of a terminal that an excerpt may take, its line number not counted."""

_OWN = frozenset(("x-readiness", "x-replicas", "x-retries", "x-timeout", "x-zun"))
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_KEY = re.compile(
    r"\s*(?:- +)*"
    r"(?:([\"'])[^\"']{1,100}\1|[^\s\"'#:{}\[\],=&*!|>-][^\s\"'#:{}\[\],=]{0,100})\s*:(?=\s|$)"
)
_ENTRY = re.compile(r"\s*(?:- +)?[\"']?[A-Za-z_][A-Za-z0-9_.-]{0,100}[:=]")
_COLON = re.compile(r"\s*:(?:\s+|$)")
_BULLETS = re.compile(r"\s*(?:-\s+)*")
_ASSIGNED = re.compile(r"\s*(?:export\s+)?[A-Za-z0-9_.\-\[\]]+\s*[=:]\s*")
_DEFAULT = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*:?[-+]([^}]+)")
_LOGIN = re.compile(r"://([^@\s/]+)@")
_QUERY = re.compile(r"/[^\s?\"'{}/]*\?([^\s\"'{}\[\],#]+)")
_ENDLESS = 1 << 60
_GONE = "…"
_TAB = 4


class Span(NamedTuple):
    """A stretch of a file that stays hidden, from 0; `entries` tells that it is a mapping or a list."""

    line: int
    column: int
    end_line: int
    end_column: int
    entries: bool


def hidden(key: str, depth: int) -> bool:
    """Tell whether what stands under a key may be secret; `depth` is that of its mapping, 1 at the top."""
    # At depth 2 stand the names that users give to services and the like; at 1 what slipped out of a service.
    return (depth != 2 and key in HIDDEN) or (key[:2] == "x-" and key not in _OWN)


def masked(text: str) -> str:
    """Return words of a fault without defaults of variables, and logins and queries of URLs."""
    for pattern in (_DEFAULT, _LOGIN, _QUERY):
        text = pattern.sub(lambda match: match[0].replace(match[1], _GONE), text)
    return text


class Page:
    """One file: its bytes, and what to leave out. `broken` is set where it was not YAML to its end."""

    def __init__(self, content: bytes, *, assignments: bool = False) -> None:
        self.content = content
        self.assignments = assignments
        self.spans: list[Span] = []
        self.broken = False
        self._lines: list[str] | None = None

    def hide(self, start: Any, end: Any, entries: bool) -> None:
        """Leave out what stands between two marks of the YAML library; without an end all that follows."""
        end_line, end_column = (end.line, end.column) if end is not None else (_ENDLESS, 0)
        self.spans.append(Span(start.line, start.column, end_line, end_column, entries))

    def quote(self, mark: Mark, *, veiled: bool) -> str:
        """Return the line that `mark` points at and one with a caret, or nothing if it is not to be shown."""
        if self._lines is None:
            self._lines = _BREAK.split(self.content.decode("utf-8-sig", "replace"))
        if not 0 < mark.line <= len(self._lines):
            return ""
        line = self._lines[mark.line - 1]
        if self.assignments:
            name = _ASSIGNED.match(line)
            if name is None or mark.column - 1 < name.end():
                return ""
            gaps = [(name.end(), len(line))]
        else:
            gaps = sorted(self._gaps(line, mark.line - 1, veiled=veiled or self.broken))
        return _drawn(line, mark.line, mark.column - 1, gaps)

    def _gaps(self, line: str, number: int, *, veiled: bool) -> Iterator[tuple[int, int]]:
        for span in self.spans:
            if not span.line <= number <= span.end_line:
                continue
            end = span.end_column if number == span.end_line else len(line)
            yield _revealed(line, number, span), end
        if veiled:
            key = _KEY.match(line) or _BULLETS.match(line)
            yield (key.end() if key else 0), len(line)
        for pattern in (_DEFAULT, _LOGIN, _QUERY):
            for match in pattern.finditer(line):
                yield match.span(1)


def _revealed(line: str, number: int, span: Span) -> int:
    """Return where the value begins on a line of a hidden stretch."""
    if number == span.line:
        colon = _COLON.match(line, span.column)
        return colon.end() if colon else span.column
    entry = (_ENTRY.match(line) if span.entries else None) or _BULLETS.match(line)
    return entry.end() if entry else 0


def _drawn(line: str, number: int, column: int, gaps: list[tuple[int, int]]) -> str:
    """Return the line as a terminal can show it, and the caret's line; `gaps` are sorted."""
    cells: list[tuple[str, int]] = []
    left = max(0, column - WIDTH)
    right = min(len(line), column + WIDTH)
    position, caret, width = left, 0, 0
    for start, end in [*gaps, (right, right)]:
        while position < min(start, right) or (position < min(end, right) and line[position].isspace()):
            caret = len(cells) if position <= column else caret
            cells.append(_cell(line[position], width))
            width += cells[-1][1]
            position += 1
        if position < end:
            caret = len(cells) if position <= column else caret
            cells.append((_GONE, 1))
            width += 1
            position = end
    if column >= position:
        caret = len(cells)
    text, indent = _trimmed(cells, caret, cut=(left > 0, right < len(line)))
    gutter = str(number)
    return f"{gutter} | {text}\n{' ' * len(gutter)} | {' ' * indent}^"


def _cell(char: str, width: int) -> tuple[str, int]:
    """Return how a terminal shows a character that stands after `width` columns, and in how many."""
    import unicodedata

    if char == "\t":
        blanks = _TAB - width % _TAB
        return " " * blanks, blanks
    if not char.isprintable():
        # Whatever moves the cursor, colours, or turns the direction round.
        return "\N{MIDDLE DOT}", 1
    if unicodedata.combining(char):
        return char, 0
    return char, 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _trimmed(cells: list[tuple[str, int]], caret: int, *, cut: tuple[bool, bool]) -> tuple[str, int]:
    """Cut a long line around its caret; returns the text and the caret's column in it.

    `cut` tells whether the line goes on before and after the cells.
    """
    first, last = 0, len(cells)
    before = sum(width for _, width in cells[:caret])
    while before > WIDTH * 2 // 3:
        before -= cells[first][1]
        first += 1
    total = sum(width for _, width in cells[first:])
    while total > WIDTH and last > caret + 1:
        last -= 1
        total -= cells[last][1]
    text = "".join(char for char, _ in cells[first:last])
    if first or cut[0]:
        text, before = _GONE + text, before + 1
    return text.rstrip() + (_GONE if last < len(cells) or cut[1] else ""), before


class Pages:
    """The files of a stack by the name that marks give them."""

    def __init__(self) -> None:
        self._pages: dict[str, Page] = {}

    def add(self, name: str, page: Page) -> None:
        """Keep a file in place of an earlier one of that name; what was an env file once is shown as one."""
        page.assignments = page.assignments or (name in self._pages and self._pages[name].assignments)
        self._pages[name] = page

    def update(self, other: Pages) -> None:
        """Keep what `other` keeps too."""
        self._pages.update(other._pages)

    def quoted(self, faults: Iterable[Fault], veiled: frozenset[Fault] = frozenset()) -> Iterator[Fault]:
        """Give the first `QUOTED` faults their excerpts, the others an empty one.

        `veiled` are those whose line shows no value.
        """
        for index, fault in enumerate(faults):
            page = self._pages.get(fault.mark.file) if fault.mark is not None and index < QUOTED else None
            text = page.quote(fault.mark, veiled=fault in veiled) if page and fault.mark is not None else ""
            yield fault._replace(excerpt=text)
