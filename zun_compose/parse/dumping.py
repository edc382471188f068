"""Plain data to YAML that reads back as the same data, here and in docker compose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from zun_compose.parse.scalars import plain

_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_OLD_WORDS = frozenset(("y", "n", "yes", "no", "on", "off"))


class _Dumper(_Base):  # type: ignore[misc]
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: Any, value: str) -> Any:
    style = None
    if not isinstance(plain(value), str) or value.lower() in _OLD_WORDS or value == "":
        style = '"'
    elif "\n" in value:
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _string)


def to_yaml(data: Mapping[str, Any]) -> str:
    """Return the data as block-style YAML in its own order."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 16, indent=2))
