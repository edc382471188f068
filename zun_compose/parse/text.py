"""Text to tree: YAML as compose files use it, with the place of every entry.

Refuses duplicate keys, tags that mean nothing here, alias bombs and bottomless nesting, and notes which
stretches of the file no excerpt may show. Reads no file.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import yaml

from zun_compose.errors import Fault, Mark
from zun_compose.parse.excerpt import Page, hidden
from zun_compose.parse.scalars import SPECIAL, plain
from zun_compose.parse.source import Source
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
    """Return the documents of a file. Faults are noted, not raised."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        faults.add("encoding", "the file is not UTF-8", Mark(name, line, column), "save it as UTF-8")
        return []
    page = Page(content)
    faults.pages.add(name, page)
    page.broken = True
    try:
        documents = _documents(text, name, faults, page)
        page.broken = False
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
    else:
        return documents
    return []


def quoted(found: Sequence[Fault], source: Source) -> tuple[Fault, ...]:
    """Give faults that were found after their file was read the excerpts that they lack.

    The file is read anew; what cannot be read, or is standard input, gets none.
    """
    again = Faults()
    lacking = [fault for fault in found if fault.excerpt is None]
    for name in dict.fromkeys(fault.mark.file for fault in lacking if fault.mark is not None):
        if name != "-":
            with suppress(OSError):
                read(source.read(name), name, again)
    filled = iter(again.pages.quoted(lacking))
    return tuple(next(filled) if fault.excerpt is None else fault for fault in found)


def _advice(text: str, mark: Any) -> str:
    if mark is not None:
        lines = text.splitlines()
        if (
            mark.line < len(lines)
            and "\t" in lines[mark.line][: len(lines[mark.line]) - len(lines[mark.line].lstrip())]
        ):
            return "indent with spaces: YAML allows no tabs there"
    return ""


def _documents(text: str, name: str, faults: Faults, page: Page) -> list[Any]:
    parser: Any = _Parser(_Named(text.encode("utf-8"), name))
    found = []
    try:
        while not isinstance(event := parser.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                found.append(_Builder(parser, faults, page).value(parser.get_event(), 0))
    finally:
        dispose = getattr(parser, "dispose", None)
        if dispose is not None:
            dispose()
    return found


class _Builder:
    """Turns the events of one document into a tree, so that nothing recurses deeper than allowed."""

    def __init__(self, parser: Any, faults: Faults, page: Page) -> None:
        self.next = parser.get_event
        self.faults = faults
        self.page = page
        self.anchors: dict[str, Any] = {}
        self.origins: dict[str, tuple[Any, Any, bool]] = {}
        self.aliased = 0
        self.hiding = False
        # Where the mapping or list that was read last ends.
        self.end: Any = None

    def value(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            scalar = self.scalar(event)
            if event.anchor is not None:
                self.anchors[event.anchor] = scalar
                self.origins[event.anchor] = (event.start_mark, event.end_mark, False)
            return scalar
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, depth)
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
            self.origins[event.anchor] = (event.start_mark, self.end, True)
        return built

    def alias(self, event: Any, depth: int) -> Any:
        if event.anchor not in self.anchors:
            self.faults.add("anchor", f'unknown anchor "{event.anchor}"', mark_of(event.start_mark))
            raise _Refused
        value = self.anchors[event.anchor]
        if value is _OPEN:
            self.faults.add(
                "anchor_cycle", f'the anchor "{event.anchor}" contains itself', mark_of(event.start_mark)
            )
            raise _Refused
        origin = self.origins.pop(event.anchor, None) if self.hiding else None
        if origin is not None:
            # What is secret here is so where it was written.
            self.page.hide(*origin)
        if not isinstance(value, dict | list):
            return value
        entries, levels = measured(value, ALIASED - self.aliased)
        self.aliased += entries
        if depth + levels - 1 > DEPTH:
            self.faults.add("too_deep", f"nested more than {DEPTH} levels deep", mark_of(event.start_mark))
            raise _Refused
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
            return plain(value) if value[0] in SPECIAL else value
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
        self.end = event.end_mark
        return result

    def mapping(self, start: Any, depth: int) -> Map:
        result = Map(start.start_mark)
        places = result.places
        merges: list[Any] = []
        while not isinstance(key_event := self.next(), yaml.MappingEndEvent):
            key = self.key(key_event, depth)
            event, value = self.entry(key_event, key, depth)
            if key == _MERGE and getattr(key_event, "implicit", (False,))[0]:
                if merges:
                    self.faults.add(
                        "duplicate_key",
                        'duplicate key "<<"',
                        mark_of(key_event.start_mark),
                        "<<: [*one, *two]",
                    )
                merges.append((event.start_mark, value))
                continue
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
        self.end = key_event.end_mark
        for mark, source in merges:
            self.merge(result, source, mark)
        return result

    def entry(self, key_event: Any, key: str | None, depth: int) -> tuple[Any, Any]:
        """Return the event and the value that follow a key; notes where they stand if they may be secret."""
        if key is None or self.hiding or not hidden(key, depth):
            event = self.next()
            return event, self.value(event, depth)
        self.hiding = True
        end = None
        entries = True
        try:
            event = self.next()
            value = self.value(event, depth)
            entries = isinstance(value, dict | list)
            end = event.end_mark if isinstance(event, yaml.ScalarEvent | yaml.AliasEvent) else self.end
        finally:
            # Where the file cannot be read further all the rest of it is hidden.
            self.hiding = False
            self.page.hide(key_event.end_mark, end, entries)
        return event, value

    def merge(self, result: Map, source: Any, mark: Any) -> None:
        for layer in source if isinstance(source, list) else [source]:
            if not isinstance(layer, Map):
                self.faults.add("merge_key", "<< needs a mapping or a list of mappings", mark_of(mark))
                continue
            for key, value in layer.items():
                if key not in result:
                    result.take(key, value, layer)
            # What the layer takes from lower files, it takes from them here too.
            result.reset += layer.reset
            result.override += layer.override

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


def measured(value: Any, limit: int) -> tuple[int, int]:
    """Count the entries of a tree and its levels, giving up a little above `limit` entries."""
    total = levels = 0
    row = [value]
    while row and total <= limit:
        total += len(row)
        levels += 1
        below: list[Any] = []
        for item in row:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        row = below
    return total, levels
