"""Records: the frozen values that all parts hand each other, and the few that may change.

They are msgspec's structs, since those need no code generation at import and are made in a tenth of a
dataclass' time (docs/adr/0008-records.md). Everything of msgspec that the package uses comes from here.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

from msgspec import Struct, field

if TYPE_CHECKING:
    # The same meaning, but mypy knows this one and checks the names and types of the changes.
    from dataclasses import replace
else:
    from msgspec.structs import replace

__all__ = ["Mutable", "Record", "as_dict", "defaults", "field", "replace"]


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Record(Struct, frozen=True):
    """A frozen value, equal to those of its own class with equal fields.

    `unshown` names the fields whose values must not get into a log or a traceback: its repr leaves them out.
    """

    unshown: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:
        # What mypy's `replace` asks of its argument; never there when the program runs.
        __dataclass_fields__: ClassVar[dict[str, Any]]

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return the fields that may be shown."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name not in self.unshown]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__qualname__}({shown})"


class Mutable(Struct):
    """A value with fields that change while one owner works on it."""


@cache
def defaults(kind: type[Record]) -> tuple[tuple[str, Any], ...]:
    """Return the fields of a record's class in order, with their defaults; what has none equals nothing."""
    given = kind.__struct_defaults__
    required = len(kind.__struct_fields__) - len(given)
    rows = []
    for name, default in zip(kind.__struct_fields__, (*[object()] * required, *given), strict=True):
        factory = getattr(default, "factory", None)
        rows.append((name, default if factory is None else factory()))
    return tuple(rows)


def as_dict(record: Record) -> dict[str, Any]:
    """Return the fields by name, and so on for each record within."""
    return {name: _plain(getattr(record, name)) for name in record.__struct_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return as_dict(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(part) for part in value)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return value
