"""The text of .env files and of a service's env_file: names, quotes, escapes, variables. Pure.

No fault holds a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from zun_compose.errors import Mark
from zun_compose.parse.interpolate import Invalid, Missing, expand
from zun_compose.parse.tree import Faults

_NAME = re.compile(r"[A-Za-z0-9_.\-\[\]]+")
_ESCAPE = re.compile(r"\\([abfnrtvx0-9\\\"$]|.)", re.DOTALL)
_COMMENT = re.compile(r"\s#")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}


class _Layers(Mapping[str, str]):
    """What a file may refer to: the environment first, then its own lines so far."""

    def __init__(self, outer: Mapping[str, str], own: Mapping[str, str | None]) -> None:
        self.outer = outer
        self.own = own

    def __getitem__(self, name: str) -> str:
        value = self.outer.get(name)
        if value is None:
            value = self.own.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter({*self.outer, *self.own})

    def __len__(self) -> int:
        return len({*self.outer, *self.own})


def read(content: bytes, name: str, outer: Mapping[str, str], faults: Faults) -> dict[str, str]:
    """Return the variables of a file in its order; a name without "=" is taken from `outer`, or left out."""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        faults.add("encoding", "the file is not UTF-8", Mark(name, 1, 1), "save it as UTF-8")
        return {}
    return _Reader(text, name, outer, faults).read()


def raw(content: bytes, name: str, outer: Mapping[str, str], faults: Faults) -> dict[str, str]:
    """Return the variables of a file whose values are taken as they stand (format: raw)."""
    found: dict[str, str] = {}
    text = content.decode("utf-8-sig", "replace")
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        key, separator, value = line.lstrip().partition("=")
        if not key:
            faults.add("env_file", "a variable needs a name", Mark(name, number, 1))
        elif separator:
            found[key] = value
        elif key.strip() in outer:
            found[key.strip()] = outer[key.strip()]
    return found


class _Reader:
    def __init__(self, text: str, name: str, outer: Mapping[str, str], faults: Faults) -> None:
        self.text = text
        self.name = name
        self.faults = faults
        self.outer = outer
        self.found: dict[str, str] = {}
        self.layers = _Layers(outer, self.found)
        self.position = 0

    def read(self) -> dict[str, str]:
        while self.position < len(self.text):
            start = self.position
            end = self._line_end(start)
            line = self.text[start:end]
            stripped = line.strip()
            if not stripped or stripped.startswith("#"):
                self.position = end + 1
                continue
            self.position = start + len(line) - len(line.lstrip())
            self._entry(end)
        return self.found

    def _line_end(self, start: int) -> int:
        end = self.text.find("\n", start)
        return len(self.text) if end < 0 else end

    def _fault(self, what: str, hint: str = "") -> None:
        line = self.text.count("\n", 0, self.position) + 1
        column = self.position - self.text.rfind("\n", 0, self.position)
        self.faults.add("env_file", what, Mark(self.name, line, column), hint)

    def _entry(self, end: int) -> None:
        line = self.text[self.position : end]
        if line.startswith(("export ", "export\t")):
            self.position += len(line) - len(line[7:].lstrip())
            line = line[7:].lstrip()
        match = _NAME.match(line)
        name = match[0] if match else ""
        rest = line[len(name) :]
        bare = rest.lstrip(" \t")
        if not name or (bare and bare[0] not in "=:" and not bare.startswith("#")):
            self._fault("a variable name may not hold this character", "lines look like NAME=value")
            self.position = end + 1
            return
        if not bare or bare[0] == "#":
            if name in self.outer:
                self.found[name] = self.outer[name]
            self.position = end + 1
            return
        self.position += len(line) - len(bare) + 1
        value = self._value()
        if value is not None:
            self.found[name] = value

    def _value(self) -> str | None:
        end = self._line_end(self.position)
        start = (
            self.position
            + len(self.text[self.position : end])
            - len(self.text[self.position : end].lstrip(" \t"))
        )
        quote = self.text[start : start + 1]
        if quote not in ("'", '"'):
            value = self.text[self.position : end]
            comment = _COMMENT.search(value)
            if comment is not None:
                value = value[: comment.start()]
            result = self._expand(value.strip())
            self.position = end + 1
            return result
        close = self._quote_end(start, quote)
        if close < 0:
            self._fault("a quoted value has no end")
            self.position = len(self.text)
            return None
        value = self.text[start + 1 : close]
        value = (self._expand(_unescape(value)) or "") if quote == '"' else value.replace("\\'", "'")
        self.position = self._line_end(close) + 1
        return value

    def _quote_end(self, start: int, quote: str) -> int:
        position = start + 1
        while True:
            position = self.text.find(quote, position)
            if position < 0:
                return -1
            if self.text[position - 1] != "\\":
                return position
            position += 1

    def _expand(self, value: str) -> str | None:
        try:
            return expand(value, self.layers, self._unset)
        except (Invalid, Missing) as error:
            self._fault(str(error), "put the value in single quotes to keep its dollar signs")
            return None

    def _unset(self, name: str) -> None:
        self.faults.warn(f'the variable "{name}" is not set and counts as empty')


def _unescape(value: str) -> str:
    if "\\" not in value:
        return value
    return _ESCAPE.sub(_escaped, value)


def _escaped(match: re.Match[str]) -> str:
    letter = match[1]
    if letter == "$":
        return "$$"
    return _ESCAPES.get(letter, match[0])
