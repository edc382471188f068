"""Text to tree: YAML as compose files use it, with the place of every entry.

Decides what a plain scalar is (YAML 1.2 words, Go's number spellings), and refuses duplicate keys,
tags that mean nothing here, alias bombs and bottomless nesting. Reads no file.
"""

from __future__ import annotations

import io
import re
from typing import Any

import yaml

from zun_compose.errors import Mark
from zun_compose.parse.tree import Faults, Map, Place, Seq, clone, mark_of

DEPTH = 200
"""How deep a file may nest."""

ALIASED = 100_000
"""How many entries the aliases of a document may add."""

_OPEN: Any = object()
_MERGE = "<<"
_TAGS = {
    "tag:yaml.org,2002:str",
    "tag:yaml.org,2002:int",
    "tag:yaml.org,2002:float",
    "tag:yaml.org,2002:bool",
    "tag:yaml.org,2002:null",
    "tag:yaml.org,2002:seq",
    "tag:yaml.org,2002:map",
    "tag:yaml.org,2002:binary",
    "!",
}
_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    ".inf": float("inf"),
    ".Inf": float("inf"),
    ".INF": float("inf"),
    "+.inf": float("inf"),
    "+.Inf": float("inf"),
    "+.INF": float("inf"),
    "-.inf": float("-inf"),
    "-.Inf": float("-inf"),
    "-.INF": float("-inf"),
    ".nan": float("nan"),
    ".NaN": float("nan"),
    ".NAN": float("nan"),
}
_SPECIAL = frozenset("0123456789+-.~nNtTfF")
_INTEGER = re.compile(
    r"[-+]?(?:0[xX](?P<hex>[0-9a-fA-F_]+)|0[oO]?(?P<oct>[0-7_]+)|0[bB](?P<bin>[01_]+)|(?P<dec>0|[1-9][0-9_]*))"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:[Tt\s]+\d{1,2}:\d{2}:\d{2}.*)?")


class Timestamp(str):
    """A plain scalar that YAML takes for a date: no attribute accepts one."""

    __slots__ = ()


if yaml.__with_libyaml__:
    from yaml.cyaml import CParser as _Parser  # type: ignore[attr-defined]
else:  # pragma: no cover - PyYAML built without libyaml
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class _Parser(Reader, Scanner, Parser):  # type: ignore[no-redef]
        def __init__(self, stream: io.BytesIO) -> None:
            Reader.__init__(self, stream)
            Scanner.__init__(self)
            Parser.__init__(self)


class _Named(io.BytesIO):
    """Bytes with the name that marks shall show."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


class _Refused(Exception):
    """A fault that ends the reading of this file; it was noted already."""


def read(content: bytes, name: str, faults: Faults) -> list[Any]:
    """Return the documents of a file (empty ones left out). Faults are noted, not raised."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        faults.add("encoding", "the file is not UTF-8", Mark(name, line, column), "save it as UTF-8")
        return []
    try:
        return _documents(text, name, faults)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        faults.add("yaml", f"not YAML: {what}", mark_of(mark), _advice(text, mark))
    except yaml.YAMLError as error:
        position = getattr(error, "position", None)
        before = text[:position] if isinstance(position, int) else ""
        place = Mark(name, before.count("\n") + 1, len(before) - before.rfind("\n"))
        faults.add("yaml", f"not YAML: {getattr(error, 'reason', 'unreadable')}", place)
    except (_Refused, RecursionError):
        if not faults.found:
            faults.add("too_deep", "nested too deep", Mark(name, 1, 1))
    return []


def _advice(text: str, mark: Any) -> str:
    if mark is not None:
        lines = text.splitlines()
        if (
            mark.line < len(lines)
            and "\t" in lines[mark.line][: len(lines[mark.line]) - len(lines[mark.line].lstrip())]
        ):
            return "indent with spaces: YAML allows no tabs there"
    return ""


def _documents(text: str, name: str, faults: Faults) -> list[Any]:
    parser: Any = _Parser(_Named(text.encode("utf-8"), name))
    found = []
    try:
        while not isinstance(event := parser.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                found.append(_Builder(parser, faults).value(parser.get_event(), 0))
    finally:
        dispose = getattr(parser, "dispose", None)
        if dispose is not None:
            dispose()
    return [document for document in found if document is not None]


class _Builder:
    """Turns the events of one document into a tree, so that nothing recurses deeper than allowed."""

    def __init__(self, parser: Any, faults: Faults) -> None:
        self.next = parser.get_event
        self.faults = faults
        self.anchors: dict[str, Any] = {}
        self.aliased = 0

    def value(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            scalar = self.scalar(event)
            if event.anchor is not None:
                self.anchors[event.anchor] = scalar
            return scalar
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        if depth >= DEPTH:
            self.faults.add("too_deep", f"nested more than {DEPTH} levels deep", mark_of(event.start_mark))
            raise _Refused
        if event.tag is not None:
            self.tag(event)
        if event.anchor is not None:
            self.anchors[event.anchor] = _OPEN
        built: Any
        if isinstance(event, yaml.SequenceStartEvent):
            built = self.sequence(event, depth + 1)
        else:
            built = self.mapping(event, depth + 1)
        if event.anchor is not None:
            self.anchors[event.anchor] = built
        return built

    def alias(self, event: Any) -> Any:
        if event.anchor not in self.anchors:
            self.faults.add("anchor", f'unknown anchor "{event.anchor}"', mark_of(event.start_mark))
            raise _Refused
        value = self.anchors[event.anchor]
        if value is _OPEN:
            self.faults.add(
                "anchor_cycle", f'the anchor "{event.anchor}" contains itself', mark_of(event.start_mark)
            )
            raise _Refused
        if not isinstance(value, dict | list):
            return value
        self.aliased += weight(value, ALIASED - self.aliased)
        if self.aliased > ALIASED:
            self.faults.add("alias_bomb", "aliases expand to too much", mark_of(event.start_mark))
            raise _Refused
        return clone(value)

    def tag(self, event: Any) -> None:
        if event.tag not in _TAGS and event.tag not in ("!reset", "!override"):
            self.faults.add("tag", f'unknown tag "{event.tag}"', mark_of(event.start_mark))

    def scalar(self, event: Any) -> Any:
        value: str = event.value
        tag = event.tag
        if tag is None:
            if not event.implicit[0]:
                return value
            if not value:
                return None
            return plain(value) if value[0] in _SPECIAL else value
        self.tag(event)
        if tag in ("!reset", "!override"):
            return plain(value) if event.style is None else value
        kind = tag.rpartition(":")[2]
        if kind in ("str", "binary", "!"):
            return value
        typed = plain(value)
        return float(typed) if kind == "float" and isinstance(typed, int) else typed

    def sequence(self, start: Any, depth: int) -> Seq:
        result = Seq((), start.start_mark)
        marks = result.marks
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            value = self.value(event, depth)
            if getattr(event, "tag", None) == "!reset":
                continue
            result.append(value)
            marks.append(event.start_mark)
        return result

    def mapping(self, start: Any, depth: int) -> Map:
        result = Map(start.start_mark)
        places = result.places
        merges: list[Any] = []
        while not isinstance(key_event := self.next(), yaml.MappingEndEvent):
            key = self.key(key_event, depth)
            event = self.next()
            if key == _MERGE and getattr(key_event, "implicit", (False,))[0]:
                merges.append((event.start_mark, self.value(event, depth)))
                continue
            value = self.value(event, depth)
            if key is None:
                continue
            if key in places:
                first = mark_of(places[key].key)
                hint = f"first at line {first.line}" if first else ""
                self.faults.add(
                    "duplicate_key", f'duplicate key "{key}"', mark_of(key_event.start_mark), hint
                )
                continue
            places[key] = Place(key_event.start_mark, event.start_mark)
            tag = getattr(event, "tag", None)
            if tag is not None:
                if tag == "!reset":
                    result.reset += (key,)
                    continue
                if tag == "!override":
                    result.override += (key,)
            result[key] = value
        for mark, source in merges:
            self.merge(result, source, mark)
        return result

    def merge(self, result: Map, source: Any, mark: Any) -> None:
        for layer in source if isinstance(source, list) else [source]:
            if not isinstance(layer, Map):
                self.faults.add("merge_key", "<< needs a mapping or a list of mappings", mark_of(mark))
                continue
            for key, value in layer.items():
                if key not in result and key not in result.reset:
                    result.take(key, value, layer)

    def key(self, event: Any, depth: int) -> str | None:
        if not isinstance(event, yaml.ScalarEvent):
            value = self.value(event, depth)
            if isinstance(event, yaml.AliasEvent) and isinstance(value, str):
                return value
            self.faults.add("key", "a key must be a string", mark_of(event.start_mark))
            return None
        key = self.scalar(event)
        if event.anchor is not None:
            self.anchors[event.anchor] = key
        if isinstance(key, str):
            return key
        what = (
            f'a key must be a string: "{event.value}"'
            if event.value
            else "a key must be a string, this one is empty"
        )
        self.faults.add("key", what, mark_of(event.start_mark), "put it in quotes")
        return None


def weight(value: Any, limit: int) -> int:
    """Count the entries of a tree, giving up a little above `limit`."""
    total = 0
    waiting = [value]
    while waiting and total <= limit:
        item = waiting.pop()
        total += 1
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return total


def plain(value: str) -> Any:
    """Return what an unquoted scalar means: None, a boolean, a number or a string."""
    if value in _WORDS:
        return _WORDS[value]
    first = value[:1]
    if first not in "0123456789+-.":
        return value
    match = _INTEGER.fullmatch(value)
    if match is not None:
        for group, base in (("hex", 16), ("oct", 8), ("bin", 2), ("dec", 10)):
            digits = match[group]
            if digits is not None:
                digits = digits.replace("_", "")
                if not digits and group != "oct":
                    return value
                number = int(digits or "0", base) if len(digits) < 100 else 1 << 80
                number = -number if first == "-" else number
                # Go falls back to a float where 64 bits do not hold the number.
                return number if -(1 << 63) <= number < (1 << 64) else float(number)
    if _FLOAT.fullmatch(value):
        number_text = value.replace("_", "")
        result = float(number_text)
        return value if result in (float("inf"), float("-inf")) else result
    if len(value) < 64 and _DATE.fullmatch(value):
        return Timestamp(value)
    return value
