"""The dependency graph of a stack: what comes before what, what goes wrong with it, how to draw it.

Pure: no I/O, no clock. networkx is imported here only, and only to explain a cycle or to reduce a
drawing: what every `up` needs runs on the standard library, because importing networkx takes longer than a
whole `up` with nothing to do.
"""

from __future__ import annotations

from zun_compose.graph.export import FORMATS, as_dict, as_json, dot, mermaid, text
from zun_compose.graph.order import check, closure, dependents, generations, order
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
