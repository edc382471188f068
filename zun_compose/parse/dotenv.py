"""The text of .env files and of a service's env_file: names, quotes, escapes, variables. Pure.

No fault holds a value.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from zun_compose.errors import Mark
from zun_compose.parse.excerpt import Page
from zun_compose.parse.interpolate import Invalid, Missing, expand
from zun_compose.parse.tree import Faults

_EXPORT = re.compile(r"export[\t\n\f\r ]+")
_BLANK = "\t\v\f\r \u0085\u00a0"
_SPACE = _BLANK + "\n\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_COMMENT = " #"
_ESCAPE = re.compile(r"\\(?:0([0-9]{0,3})|([abcfnrtv\"\\$]))", re.ASCII)
# Faults of one kind after which a file is not read further.
_FAULTS = 100
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
# Interpolation takes it for a plain dollar sign.
_ESCAPES["$"] = "$$"


class _Layers(Mapping[str, str]):
    """What a file may refer to: the environment first, then its own lines so far, then earlier files."""

    def __init__(self, outer: Mapping[str, str], own: Mapping[str, str], earlier: Mapping[str, str]) -> None:
        self.layers = (outer, own, earlier)

    def __getitem__(self, name: str) -> str:
        for layer in self.layers:
            value = layer.get(name)
            if value is not None:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(set().union(*self.layers))

    def __len__(self) -> int:
        return len(set().union(*self.layers))


def read(
    content: bytes,
    name: str,
    outer: Mapping[str, str],
    faults: Faults,
    earlier: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the variables of a file in its order; a name without "=" is taken from `outer`, or left out.

    Lines may refer to `outer`, which wins, to lines before them and to `earlier`, what other files said.
    """
    faults.pages.add(name, Page(content, assignments=True))
    reader = _Reader(_decode(content, name, faults), name, outer, faults, earlier)
    return reader.read()


def _decode(content: bytes, name: str, faults: Faults) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Often it is but a comment that somebody wrote in another encoding: no reason to refuse the file.
        faults.warn(f"{name} is not UTF-8, what cannot be read of it is replaced")
        return content.decode("utf-8-sig", "replace")


def raw(content: bytes, name: str, outer: Mapping[str, str], faults: Faults) -> dict[str, str]:
    """Return the variables of a file whose values are taken as they stand (format: raw)."""
    found: dict[str, str] = {}
    wrong = 0
    for number, line in enumerate(_decode(content, name, faults).split("\n"), 1):
        line = line.removesuffix("\r").lstrip(_SPACE)
        if not line or line.startswith("#"):
            continue
        key, separator, value = line.partition("=")
        if not key:
            wrong += 1
            if wrong > _FAULTS:
                break
            faults.add("env_file", "a variable needs a name", Mark(name, number, 1))
        elif " " in key or "\t" in key:
            faults.add("env_file", "a variable name may not hold blanks", Mark(name, number, 1))
        elif separator:
            found[key] = value
        elif key in outer:
            found[key] = outer[key]
    return found


class _Reader:
    """Reads statement by statement. What follows a closing quote on its line is a statement of its own."""

    def __init__(
        self,
        text: str,
        name: str,
        outer: Mapping[str, str],
        faults: Faults,
        earlier: Mapping[str, str] | None,
    ) -> None:
        self.text = text
        self.name = name
        self.faults = faults
        self.outer = outer
        self.found: dict[str, str] = {}
        self.layers = _Layers(outer, self.found, earlier or {})
        self.position = 0

    def read(self) -> dict[str, str]:
        while self._skip():
            if not self._statement():
                # Only the first fault of a file is sure: a stray quote shifts all that follows.
                break
        return self.found

    def _skip(self) -> bool:
        """Go to the next statement, over blanks and comments."""
        while True:
            while self.text[self.position : self.position + 1] in _SPACE:
                if self.position >= len(self.text):
                    return False
                self.position += 1
            if self.text[self.position] != "#":
                return True
            self.position = self._line_end(self.position)

    def _line_end(self, start: int) -> int:
        end = self.text.find("\n", start)
        return len(self.text) if end < 0 else end

    def _blanks(self) -> None:
        while self.position < len(self.text) and self.text[self.position] in _BLANK:
            self.position += 1

    def _fault(self, what: str, hint: str = "", at: int | None = None) -> bool:
        position = self.position if at is None else at
        line = self.text.count("\n", 0, position) + 1
        column = position - self.text.rfind("\n", 0, position)
        self.faults.add("env_file", what, Mark(self.name, line, column), hint)
        return False

    def _set(self, name: str, value: str) -> bool:
        self.found[name] = value
        return True

    def _statement(self) -> bool:
        if _EXPORT.match(self.text, self.position):
            self.position += len("export")
            self._blanks()
        start = end = self.position
        while end < len(self.text) and self.text[end] not in "=:\n":
            char = self.text[end]
            if char not in _BLANK and char not in "_.-[]" and unicodedata.category(char)[0] not in "LN":
                return self._fault(
                    "a variable name may not hold this character", "lines look like NAME=value"
                )
            end += 1
        bare = self.text[end : end + 1] in ("", "\n")
        name = self.text[start:end].rstrip(_SPACE)
        if not name and not bare:
            return self._fault("a variable needs a name", "lines look like NAME=value")
        if " " in name:
            return self._fault("a variable name may not hold a blank", "lines look like NAME=value")
        self.position = end + 1
        if bare:
            return name not in self.outer or self._set(name, self.outer[name])
        self._blanks()
        if self.text[self.position : self.position + 1] in ("'", '"'):
            return self._quoted(name)
        end = self._line_end(self.position)
        value = self.text[self.position : end].partition(_COMMENT)[0].rstrip(_SPACE)
        return self._expanded(name, value, end + 1)

    def _quoted(self, name: str) -> bool:
        start, quote = self.position, self.text[self.position]
        position = start + 1
        chars: list[str] = []
        while position < len(self.text):
            char = self.text[position]
            following = self.text[position + 1 : position + 2]
            if char == "\\" and following:
                # Only the quote itself loses its backslash here.
                chars.append(following if following == quote else char + following)
                position += 2
                continue
            position += 1
            if char == quote:
                value = "".join(chars)
                if quote == "'":
                    self.position = position
                    return self._set(name, value)
                return self._expanded(name, _ESCAPE.sub(_escaped, value), position)
            chars.append(char)
        return self._fault("a quoted value has no end", at=start)

    def _expanded(self, name: str, value: str, end: int) -> bool:
        start, self.position = self.position, end
        try:
            return self._set(name, expand(value, self.layers, self._unset))
        except (Invalid, Missing) as error:
            return self._fault(
                str(error), "put the value in single quotes to keep its dollar signs", at=start
            )

    def _unset(self, name: str) -> None:
        self.faults.warn(f'the variable "{name}" is not set and counts as empty')


def _escaped(match: re.Match[str]) -> str:
    digits, letter = match[1], match[2]
    if letter is not None:
        return _ESCAPES.get(letter, match[0])
    octal = re.fullmatch("[0-3][0-7]{2}", digits)
    return chr(int(digits, 8)) if octal else f"\\{digits}"
