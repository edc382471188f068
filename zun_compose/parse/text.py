"""Text to tree: YAML as compose files use it, with the place of every entry.

Decides what a plain scalar is (YAML 1.2 words, Go's number spellings), and refuses duplicate keys,
tags that mean nothing here, alias bombs and bottomless nesting. Reads no file.
"""

from __future__ import annotations

import io
import re
from typing import Any

import yaml

from zun_compose.parse.tree import Faults, Map, Place, Seq, mark_of

DEPTH = 200
"""How deep a file may nest."""

ALIASED = 100_000
"""How many entries aliases may add, beyond as many as the file itself has."""

_PLAIN = "plain"
_TEXT = "text"
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
_INTEGER = re.compile(r"[-+]?(?:0[xX](?P<hex>[0-9a-fA-F_]+)|0[oO]?(?P<oct>[0-7_]+)|0[bB](?P<bin>[01_]+)|(?P<dec>[0-9][0-9_]*))")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:[Tt\s]+\d{1,2}:\d{2}:\d{2}.*)?")
_SUSPECT = re.compile(rb"[\[{?]|- -|:[ ]+-[ ]|^[ ]{300}", re.MULTILINE)


class Timestamp(str):
    """A plain scalar that YAML takes for a date: no attribute accepts one."""

    __slots__ = ()


class _Resolver:
    """Keeps the library from guessing types by YAML 1.1: tells plain scalars from quoted ones only."""

    def descend_resolver(self, parent: Any, index: Any) -> None:
        """Do nothing: tags do not depend on the path."""

    def ascend_resolver(self) -> None:
        """Do nothing: tags do not depend on the path."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """Name the sort of a node that has no tag."""
        return _PLAIN if kind is yaml.ScalarNode and implicit[0] else _TEXT


if hasattr(yaml, "CParser"):
    from yaml import CParser

    class _Loader(CParser, _Resolver):  # type: ignore[misc]
        def __init__(self, stream: io.BytesIO) -> None:
            CParser.__init__(self, stream)
            _Resolver.__init__(self)

else:  # pragma: no cover - PyYAML built without libyaml
    from yaml.composer import Composer
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class _Loader(Reader, Scanner, Parser, Composer, _Resolver):  # type: ignore[no-redef]
        def __init__(self, stream: io.BytesIO) -> None:
            Reader.__init__(self, stream)
            Scanner.__init__(self)
            Parser.__init__(self)
            Composer.__init__(self)
            _Resolver.__init__(self)


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
        faults.add("encoding", "the file is not UTF-8", mark_of(_point(name, line, column)), "save it as UTF-8")
        return []
    try:
        if len(_SUSPECT.findall(content)) > DEPTH:
            _measure(text, name, faults)
        return _documents(text, name, faults)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        faults.add("yaml", f"not YAML: {what}", mark_of(mark), _advice(text, mark))
    except yaml.YAMLError as error:
        position = getattr(error, "position", None)
        mark = None
        if isinstance(position, int):
            before = text[:position]
            mark = _point(name, before.count("\n") + 1, position - before.rfind("\n"))
        faults.add("yaml", f"not YAML: {getattr(error, 'reason', 'unreadable')}", mark_of(mark or _point(name, 1, 1)))
    except (_Refused, RecursionError):
        if not faults.found:
            faults.add("too_deep", "nested too deep", mark_of(_point(name, 1, 1)))
    return []


def _point(name: str, line: int, column: int) -> Any:
    from zun_compose.errors import Mark

    return Mark(name, line, column)


def _advice(text: str, mark: Any) -> str:
    if mark is not None:
        lines = text.splitlines()
        if mark.line < len(lines) and "\t" in lines[mark.line][: len(lines[mark.line]) - len(lines[mark.line].lstrip())]:
            return "indent with spaces: YAML allows no tabs there"
    return ""


def _documents(text: str, name: str, faults: Faults) -> list[Any]:
    stream = _Named(text.encode("utf-8"), name)
    loader: Any = _Loader(stream)
    found = []
    try:
        while loader.check_node():
            node = loader.get_node()
            found.append(_Builder(faults).document(node))
    finally:
        dispose = getattr(loader, "dispose", None)
        if dispose is not None:
            dispose()
    return [document for document in found if document is not None]


def _measure(text: str, name: str, faults: Faults) -> None:
    """Walk the events only, so that bottomless nesting is refused before anything recurses over it."""
    depth = 0
    for event in yaml.parse(_Named(text.encode("utf-8"), name), Loader=_Loader):  # type: ignore[arg-type]
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH:
                faults.add("too_deep", f"nested more than {DEPTH} levels deep", mark_of(event.start_mark))
                raise _Refused
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Builder:
    """Turns the nodes of one document into a tree."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.seen: set[int] = set()
        self.open: set[int] = set()
        self.aliased = 0
        self.own = 0

    def document(self, node: yaml.Node) -> Any:
        return self.build(node, False)

    def build(self, node: Any, aliased: bool) -> Any:
        if isinstance(node, yaml.ScalarNode):
            if aliased:
                self.count(node)
            return self.scalar(node)
        identity = id(node)
        if identity in self.open:
            self.faults.add("anchor_cycle", "an anchor contains itself", mark_of(node.start_mark))
            raise _Refused
        if len(self.open) > DEPTH:
            self.faults.add("too_deep", f"nested more than {DEPTH} levels deep", mark_of(node.start_mark))
            raise _Refused
        again = aliased or identity in self.seen
        self.seen.add(identity)
        self.open.add(identity)
        if again:
            self.count(node)
        else:
            self.own += 1
        try:
            if node.tag not in (_TEXT, _PLAIN):
                self.tag(node)
            if isinstance(node, yaml.SequenceNode):
                return self.sequence(node, again)
            return self.mapping(node, again)
        finally:
            self.open.discard(identity)

    def count(self, node: Any) -> None:
        self.aliased += 1
        if self.aliased > ALIASED:
            self.faults.add("alias_bomb", "aliases expand to too much", mark_of(node.start_mark))
            raise _Refused

    def tag(self, node: Any) -> None:
        if node.tag not in _TAGS and node.tag not in ("!reset", "!override"):
            self.faults.add("tag", f'unknown tag "{node.tag}"', mark_of(node.start_mark))

    def scalar(self, node: Any) -> Any:
        value: str = node.value
        if node.tag == _PLAIN:
            if value[:1] in _SPECIAL:
                return plain(value)
            return None if not value else value
        if node.tag == _TEXT:
            return value
        self.tag(node)
        if node.tag in ("!reset", "!override"):
            return plain(value) if node.style is None else value
        kind = node.tag.rpartition(":")[2]
        if kind in ("str", "binary", "!"):
            return value
        typed = plain(value)
        if kind == "float" and isinstance(typed, int):
            return float(typed)
        return typed

    def sequence(self, node: yaml.SequenceNode, aliased: bool) -> Seq:
        result = Seq((), node.start_mark)
        for item in node.value:
            if item.tag == "!reset":
                continue
            result.append(self.build(item, aliased))
            result.marks.append(item.start_mark)
        return result

    def mapping(self, node: yaml.MappingNode, aliased: bool) -> Map:
        result = Map(node.start_mark)
        merges: list[Any] = []
        for key_node, value_node in node.value:
            key = self.key(key_node)
            if key is None:
                continue
            if key == _MERGE and key_node.tag in (_PLAIN, "tag:yaml.org,2002:merge"):
                merges.append(value_node)
                continue
            place = Place(key_node.start_mark, value_node.start_mark)
            if key in result.places:
                first = mark_of(result.places[key].key)
                self.faults.add(
                    "duplicate_key",
                    f'duplicate key "{key}"',
                    mark_of(key_node.start_mark),
                    f"first at line {first.line}" if first else "",
                )
                continue
            result.places[key] = place
            if value_node.tag == "!reset":
                result.reset += (key,)
                continue
            if value_node.tag == "!override":
                result.override += (key,)
            result[key] = self.build(value_node, aliased)
        for merge in merges:
            self.merge(result, merge, aliased)
        return result

    def merge(self, result: Map, node: Any, aliased: bool) -> None:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                self.faults.add("merge_key", "<< needs a mapping or a list of mappings", mark_of(source.start_mark))
                continue
            built = self.build(source, aliased)
            for key, value in built.items():
                if key not in result and key not in result.reset:
                    result.take(key, value, built)

    def key(self, node: Any) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self.faults.add("key", "a key must be a string", mark_of(node.start_mark))
            return None
        if node.tag == _PLAIN:
            if node.value[:1] in _SPECIAL and node.value != _MERGE:
                value = plain(node.value)
                if not isinstance(value, str):
                    self.faults.add("key", f'a key must be a string: "{node.value}"', mark_of(node.start_mark), "put it in quotes")
                    return None
            elif not node.value:
                self.faults.add("key", "a key must be a string, this one is empty", mark_of(node.start_mark))
                return None
        text: str = node.value
        return text


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
                if not digits:
                    return value
                number = int(digits, base) if len(digits) < 100 else 1 << 80
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
