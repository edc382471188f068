"""The shapes that a stack file is held in between its text and the model, and the faults found in it.

Values are plain Python scalars; mappings and lists remember where each entry came from. All phases
change one such tree in place. Nothing here reads a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Any, NamedTuple

from zun_compose.errors import Fault, Mark, SpecError
from zun_compose.parse.excerpt import Pages, masked

Path = tuple[str | int, ...]

_QUOTED = re.compile(r'"([^"]*)"')
_PARTS = re.compile(r"[:/=,@\s]+")
_TELLING = 4  # characters that make a value known anywhere; a shorter one must stand alone
_LOOKS = 2_000_000  # values looked for in quotations; after that no fault quotes anything
_DEEPEST = 1 << 10
_GUESSES = 10_000
_LONG = 500
_SECTION = 2
# Faults about a key or the form of a line: the value beside it may be anybody's.
_VEILED = frozenset(("duplicate_key", "key", "merge", "merge_key", "name", "unknown_key"))


class Place(NamedTuple):
    """Where an entry stands: marks of its key and of its value, as the YAML library gives them."""

    key: Any
    value: Any


class Map(dict[str, Any]):
    """A mapping of the file. `places` has the origin of each key.

    `reset` holds keys tagged `!reset`, `override` keys tagged `!override`: both empty what lower
    layers said when this mapping is merged over them.
    """

    __slots__ = ("mark", "override", "places", "reset")

    def __init__(self, mark: Any = None) -> None:
        super().__init__()
        self.mark = mark
        self.places: dict[str, Place] = {}
        self.reset: tuple[str, ...] = ()
        self.override: tuple[str, ...] = ()

    def take(self, key: str, value: Any, other: dict[str, Any]) -> None:
        """Set a key to `value`, with the place that `other` has for it."""
        self[key] = value
        if isinstance(other, Map):
            place = other.places.get(key)
            if place is not None:
                self.places[key] = place


class Seq(list[Any]):
    """A list of the file; `marks` runs parallel to the items where its length is the same."""

    __slots__ = ("mark", "marks")

    def __init__(self, items: Iterable[Any] = (), mark: Any = None, marks: list[Any] | None = None) -> None:
        super().__init__(items)
        self.mark = mark
        self.marks: list[Any] = marks if marks is not None else []


class Duration(int):
    """Nanoseconds."""

    __slots__ = ()

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return self / 1_000_000_000


class Size(int):
    """Bytes."""

    __slots__ = ()


def clone(value: Any) -> Any:
    """Return a deep copy of a tree; scalars and places are shared."""
    if isinstance(value, Map):
        copy = Map(value.mark)
        for key, item in value.items():
            copy[key] = clone(item) if isinstance(item, dict | list) else item
        copy.places = dict(value.places)
        copy.reset, copy.override = value.reset, value.override
        return copy
    if isinstance(value, Seq):
        return Seq([clone(item) for item in value], value.mark, list(value.marks))
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clone(item) for item in value]
    return value


def without(root: Any, paths: Iterable[Path]) -> None:
    """Take out what stands at these paths, so that the rest can be read; whole sections become empty."""
    # Longest first, and the ends of lists before their beginnings: so earlier paths stay true.
    for path in sorted(set(paths), key=lambda path: [str(part).zfill(9) for part in path], reverse=True):
        holder = root
        for part in path[:-1]:
            holder = holder.get(part) if isinstance(holder, dict) else _item(holder, part)
        if not path:
            continue
        if isinstance(holder, dict) and path[-1] in holder:
            if len(path) <= _SECTION:
                holder[path[-1]] = Map()
            else:
                del holder[path[-1]]
        elif isinstance(holder, list) and isinstance(path[-1], int) and path[-1] < len(holder):
            del holder[path[-1]]


def _item(holder: Any, index: Any) -> Any:
    known = isinstance(holder, list) and isinstance(index, int) and index < len(holder)
    return holder[index] if known else None


def mark_of(raw: Any) -> Mark | None:
    """Turn the YAML library's mark into ours."""
    if raw is None:
        return None
    if isinstance(raw, Mark):
        return raw
    return Mark(raw.name, raw.line + 1, raw.column + 1)


def locate(root: Any, path: Path, *, key: bool = False) -> Mark | None:
    """Return the place of the innermost part of `path` that came from a file.

    With `key` the place of the last key itself, not of its value.
    """
    found = getattr(root, "mark", None)
    node = root
    for depth, part in enumerate(path):
        raw = None
        if isinstance(node, Map) and isinstance(part, str):
            place = node.places.get(part)
            if place is not None:
                raw = place.key if key and depth == len(path) - 1 else place.value
            node = node.get(part)
        elif isinstance(node, dict):
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int):
            if isinstance(node, Seq) and len(node.marks) == len(node) and part < len(node):
                raw = node.marks[part]
            node = node[part] if part < len(node) else None
        if raw is None:
            raw = getattr(node, "mark", None)
        found = raw if raw is not None else found
    return mark_of(found)


def spell(path: Path) -> str:
    """Write a path the way people do: services.web.ports[0]."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _short(text: str) -> str:
    """Cut what a file can make as long as itself."""
    return text if len(text) <= _LONG else f"{text[: _LONG // 2]} … {text[-_LONG // 2 :]}"


def printable(text: str) -> str:
    """Return text with escapes in place of what would move a terminal's cursor or break the line."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def near(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return a hint that names what was probably meant, or nothing; `cutoff` is how alike, up to 1."""
    matches = get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f'did you mean "{matches[0]}"?' if matches else ""


class Faults:
    """Collects what is wrong with a tree, and warnings, until somebody asks for the error.

    `pages` are the files that were read, for the excerpts. `written` has strings that variables went into,
    as the file spells them, `values` what each variable stood for: no fault quotes what came of them.
    """

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self._warnings: dict[str, None] = {}
        self.paths: list[Path] = []
        self.pages = Pages()
        self.written: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self._looks = 0
        self._depths: dict[Fault, int] = {}
        self._veiled: set[Fault] = set()
        self._guesses = 0
        self._seen: set[tuple[str, str, Mark | None]] = set()

    def add(
        self,
        code: str,
        what: str,
        mark: Mark | None = None,
        hint: str = "",
        *,
        depth: int = _DEEPEST,
        veiled: bool = False,
    ) -> None:
        """Note one fault; the same fault at the same place counts once.

        Of faults at one place the one with the greatest `depth` is the most specific; what is wrong with
        the text itself comes before what follows from it. The excerpt of a `veiled` fault shows no value.
        """
        if self.written or self.values:
            what = _QUOTED.sub(self._as_written, what)
        what = masked(what)
        what, hint = printable(_short(what)), printable(_short(hint))
        identity = (code, what, mark)
        if identity in self._seen:
            return
        self._seen.add(identity)
        fault = Fault(code=f"spec.{code}", what=what, mark=mark, hint=hint)
        self.found.append(fault)
        self._depths[fault] = depth
        if veiled or code in _VEILED:
            self._veiled.add(fault)

    def _as_written(self, quoted: re.Match[str]) -> str:
        text = quoted[1]
        if text in self.written:
            return f'"{self.written[text]}"'
        self._looks += len(self.values)
        if self._looks > _LOOKS:
            return '"…"'
        # Longest first: a value may be a part of another.
        for value in sorted((value for value in self.values if value in text), key=len, reverse=True):
            if len(value) >= _TELLING:
                text = text.replace(value, self.values[value])
            else:
                alone = rf"(?<![\w$]){re.escape(value)}(?!\w)"
                text = re.sub(alone, lambda _, spelt=self.values[value]: spelt, text)
        return f'"{text}"'

    def went_in(self, value: str, spelt: str) -> None:
        """Note what a variable stood for, and how it is spelt: no fault quotes it, not even in parts."""
        for part in (value, *_PARTS.split(value)):
            if part == value or len(part) >= _TELLING:
                self.values.setdefault(part, spelt)

    def at(
        self,
        root: Any,
        path: Path,
        code: str,
        what: str,
        hint: str = "",
        *,
        key: bool = False,
        veiled: bool = False,
    ) -> None:
        """Note a fault at a path of a tree."""
        self.paths.append(path)
        self.add(code, what, locate(root, path, key=key), hint, depth=len(path), veiled=veiled)

    def take(self, other: Faults, chosen: Iterable[Fault]) -> None:
        """Note faults that were found by `other`, as they stand there."""
        for fault in chosen:
            self.found.append(fault)
            self._depths[fault] = other._depths.get(fault, 0)
            if fault in other._veiled:
                self._veiled.add(fault)
        self.pages.update(other.pages)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What stops nothing, in order of appearance."""
        return tuple(self._warnings)

    def warn(self, message: str) -> None:
        """Note something that stops nothing, once."""
        self._warnings[message] = None

    def near(self, word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
        """Guess what was meant, for the first faults only: each name that is looked at costs."""
        names = list(islice(known, _GUESSES - self._guesses))
        self._guesses += len(names)
        if not names or len(word) > 100:
            return ""
        return near(word, names, cutoff=cutoff)

    def check(self) -> None:
        """Raise SpecError if anything was found: file by file, from top to bottom.

        Of faults at one place the most specific comes first.
        """
        if not self.found:
            return
        files: dict[str, int] = {}
        for fault in self.found:
            if fault.mark is not None:
                files.setdefault(fault.mark.file, len(files))

        def place(fault: Fault) -> tuple[int, int, int, int]:
            mark = fault.mark
            depth = -self._depths.get(fault, 0)
            return (files[mark.file], mark.line, mark.column, depth) if mark else (len(files), 0, 0, depth)

        ordered = sorted(self.found, key=place)
        raise SpecError(tuple(self.pages.quoted(ordered, frozenset(self._veiled))))
