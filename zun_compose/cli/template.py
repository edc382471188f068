"""Go templates as far as `docker ps --format` is used with them: fields, labels and a few functions.

What is known is {{.Field}}, {{json .}}, {{.Label "name"}}, functions before their operand or behind a |, and
{{- trimming -}}. All else (range, if, variables) is refused by name before anything is printed. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zun_compose.cli.table import table
from zun_compose.errors import UsageError
from zun_compose.record import Record, field

_ACTION = re.compile(r"\{\{(- )?((?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|(?!\}\}).)*?)( -)?\}\}", re.DOTALL)
_WORD = re.compile(
    r"\s+|\"(?:\\.|[^\"\\])*\"|`[^`]*`|\||\.[A-Za-z_]\w*|\.|-?\d+|[A-Za-z_$][\w.$]*|.", re.DOTALL
)
_ESCAPES = {r"\t": "\t", r"\n": "\n", r"\r": "\r"}
_EXAMPLE = "{{.Name}}"


class Row(Record, kw_only=True):
    """What a template is filled with: fields by docker's names, and labels."""

    fields: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _title(value: Any) -> str:
    return re.sub(r"\b[a-z]", lambda letter: letter[0].upper(), _text(value))


def _join(parts: Any, separator: Any) -> str:
    return _text(separator).join(map(_text, parts)) if isinstance(parts, list) else _text(parts)


# By name: how many operands, and what is done with them; in Go's order, so what is piped in comes last.
_FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "join": (2, _join),
    "json": (1, _json),
    "lower": (1, lambda value: _text(value).lower()),
    "pad": (3, lambda value, before, after: f"{' ' * int(before)}{_text(value)}{' ' * int(after)}"),
    "print": (1, lambda value: _text(value)),
    "println": (1, lambda value: f"{_text(value)}\n"),
    "split": (2, lambda value, separator: _text(value).split(_text(separator))),
    "title": (1, _title),
    "truncate": (2, lambda value, width: _text(value)[: max(int(width), 0)]),
    "upper": (1, lambda value: _text(value).upper()),
}

Fill = Callable[[Row], Any]


class Template:
    """One template over fields with these headers, by name. Raises UsageError for what is not understood."""

    def __init__(self, text: str, headers: Mapping[str, str]) -> None:
        for written, meant in _ESCAPES.items():
            text = text.replace(written, meant)
        self._headers = headers
        self._parts: list[str | tuple[Fill, str]] = []
        end, trim = 0, False
        for match in _ACTION.finditer(text):
            before = text[end : match.start()]
            before = before.lstrip() if trim else before
            self._literal(before.rstrip() if match[1] else before)
            self._parts.append(self._pipeline(match[2].strip()))
            end, trim = match.end(), bool(match[3])
        rest = text[end:]
        self._literal(rest.lstrip() if trim else rest)

    def fill(self, row: Row) -> str:
        """Return the text for one row."""
        return "".join(part if isinstance(part, str) else _text(part[0](row)) for part in self._parts)

    @property
    def header(self) -> str:
        """The text with headers in the place of values."""
        return "".join(part if isinstance(part, str) else part[1] for part in self._parts)

    def _literal(self, text: str) -> None:
        if "{{" in text:
            raise UsageError(f'the template has a "{{{{" that nothing closes: write it as in "{_EXAMPLE}"')
        self._parts.append(text)

    def _pipeline(self, text: str) -> tuple[Fill, str]:
        words = [word for word in _WORD.findall(text) if not word.isspace()]
        stages: list[list[str]] = [[]]
        for word in words:
            if word == "|":
                stages.append([])
            else:
                stages[-1].append(word)
        fill: Fill | None = None
        header = ""
        for stage in stages:
            fill, named = self._command(stage, fill, text)
            header = header or named
        assert fill is not None
        return fill, header

    def _command(self, words: Sequence[str], piped: Fill | None, text: str) -> tuple[Fill, str]:
        """Return what one command of a pipeline gives, and the header of the field that it shows."""
        if not words:
            raise UsageError(
                f'the template\'s "{{{{{text}}}}}" lacks something: it takes the form "{_EXAMPLE}"'
            )
        name, *rest = words
        if name in (".Label", ".Labels") and rest:
            if len(rest) != 1 or piped is not None or not rest[0].startswith(('"', "`")):
                raise _unknown(" ".join(words), 'a label takes the form {{.Label "name"}}')
            label = _unquoted(rest[0])
            return lambda row: row.labels.get(label, ""), label.rpartition(".")[2].replace("-", " ").replace(
                "_", " "
            )
        if name not in _FUNCTIONS:
            if rest or piped is not None:
                raise _unknown(name, f"functions are {', '.join(_FUNCTIONS)}")
            return self._operand(name)
        count, function = _FUNCTIONS[name]
        operands = [self._operand(word) for word in rest]
        if piped is not None:
            operands.append((piped, ""))
        if len(operands) != count:
            raise UsageError(f'the template\'s function "{name}" takes {count} operands, not {len(operands)}')
        fills = [fill for fill, _ in operands]

        def call(row: Row) -> Any:
            try:
                return function(*(fill(row) for fill in fills))
            except (TypeError, ValueError):
                raise UsageError(
                    f'the template\'s "{{{{{text}}}}}" does not fit: "{name}" cannot take that'
                ) from None

        return call, next((header for _, header in operands if header), "")

    def _operand(self, word: str) -> tuple[Fill, str]:
        if word == ".":
            return lambda row: row.fields, ""
        if word.startswith("."):
            known = word[1:]
            if known not in self._headers:
                raise _unknown(word, f"fields are {', '.join(f'.{one}' for one in self._headers)}")
            return lambda row: row.fields[known], self._headers[known]
        if word.startswith(('"', "`")) and len(word) > 1:
            text = _unquoted(word)
            return lambda _: text, ""
        if word.lstrip("-").isdigit():
            number = int(word)
            return lambda _: number, ""
        raise _unknown(word, f"functions are {', '.join(_FUNCTIONS)}")


def check_form(form: str, headers: Mapping[str, str]) -> None:
    """Raise UsageError for what `formatted` would refuse, before anybody is asked for rows."""
    formatted(form, (), headers)


def formatted(form: str, rows: Sequence[Row], headers: Mapping[str, str]) -> str | None:
    """Return rows as `form` says: "json" (one object a line), a template, or "table TEMPLATE".

    None for "table" alone, which each command prints in its own way. Raises UsageError for what is none of
    them.
    """
    if form == "table":
        return None
    if form == "json":
        return "\n".join(json.dumps(row.fields, ensure_ascii=False) for row in rows)
    if "{{" not in form:
        raise UsageError(f'"{form}" is no format: it is table, json, or a template such as "{_EXAMPLE}"')
    kind, _, text = form.partition(" ")
    if kind != "table":
        template = Template(form, headers)
        return "\n".join(template.fill(row) for row in rows)
    template = Template(text, headers)
    cells = [template.header.split("\t"), *(template.fill(row).split("\t") for row in rows)]
    width = max(map(len, cells))
    header, *body = [[*line, *[""] * (width - len(line))] for line in cells]
    return table(header, body)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else _json(value)


def _unquoted(word: str) -> str:
    if word.startswith("`"):
        return word[1:-1]
    try:
        return str(json.loads(word))
    except ValueError:
        return word[1:-1]


def _unknown(word: str, hint: str) -> UsageError:
    return UsageError(f'the template\'s "{word}" is not understood: {hint}')
