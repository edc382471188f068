"""The dependency graph of a stack: what comes before what, what goes wrong with it, how to draw it.

Pure: no I/O, no clock. networkx is imported here only, and only to explain a cycle or to reduce a
drawing: what every `up` needs runs on the standard library, because importing networkx takes longer than a
whole `up` with nothing to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zun_compose.graph.order import check, closure, dependents, generations, order

if TYPE_CHECKING:
    from zun_compose.graph.export import FORMATS, as_dict, as_json, dot, mermaid, text
    from zun_compose.graph.path import Link, critical_path


__all__ = [
    "FORMATS",
    "Link",
    "as_dict",
    "as_json",
    "check",
    "closure",
    "critical_path",
    "dependents",
    "dot",
    "generations",
    "mermaid",
    "order",
    "text",
]

_LATER = {
    "FORMATS": "export",
    "as_dict": "export",
    "as_json": "export",
    "dot": "export",
    "mermaid": "export",
    "text": "export",
    "Link": "path",
    "critical_path": "path",
}


def __getattr__(name: str) -> Any:
    """Import drawings and paths on use: `up` needs neither."""
    if name not in _LATER:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
