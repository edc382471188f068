"""What strings look like, as regular expressions that editors understand too (ECMA 262)."""

from __future__ import annotations

from collections.abc import Mapping

_UNITS = "(?:ns|us|µs|μs|ms|s|m|h|d|w)"
_DECIMAL = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_SPAN = f"(?:{_DECIMAL}{_UNITS})+"
_EXPONENT = "(?:[eE][+-]?[0-9]+)?"
_NUMBER = rf"[+-]?(?:[0-9_]+(?:\.[0-9_]*)?|\.[0-9_]+){_EXPONENT}"
_SECONDS = rf"\+?(?:{_SPAN}|{_DECIMAL}{_EXPONENT})"
_PORT = "0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_PORTS = "[0-9]{1,5}(?:-[0-9]{1,5})?"
_HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._%-]+)"
_SCHEME = "(?:[hH][tT][tT][pP][sS]?://)?"
_REST = r"(?:[/?#]\S*)?"
_PROTOCOL = "(?:[tT][cC][pP]|[uU][dD][pP]|[sS][cC][tT][pP])?"


def _any_case(*words: str) -> str:
    return "|".join(
        "".join(f"[{char}{char.upper()}]" if char.isalpha() else char for char in word) for word in words
    )


CASTS: Mapping[str, str] = {
    "bool": _any_case("true", "false", "yes", "no", "on", "off", "y", "n"),
    "int": "[-+]?[0-9]{1,19}",
    "float": _NUMBER,
}
"""Strings that become what the attribute wants; by the rule's `cast`."""

KINDS: Mapping[str, str] = {
    "amount": "[-+]?[0-9]{1,18}",
    "cores": _NUMBER,
    "count": "[0-9]{1,9}",
    "duration": f"[+-]?(?:0|{_SPAN})",
    "filled": r"[\s\S]+",
    "host": r"[^=:]+(?:=[\s\S]*|:[^=]*)",
    "line": r"\s*\S[\s\S]*",
    "mode": r"\s*(?:0o)?[+-]?(?:0[oO])?[0-7_]+\s*",
    "outside_place": f"{_HOST}:{_PORT}",
    "outside_url": f"{_SCHEME}{_HOST}(?::{_PORT})?{_REST}",
    "own_place": f":?{_PORT}",
    "own_url": f"{_SCHEME}:{_PORT}{_REST}",
    "port": rf"(?:[^/]*:)?{_PORTS}(?:/{_PROTOCOL})?",
    "port_number": _PORT,
    "ports": "[0-9]+(?:-[0-9]+)?(?:/.*)?",
    "positive": "0*[1-9][0-9]{0,8}",
    "quantity": f"{_any_case('all')}|[-+]?[0-9]{{1,18}}",
    "replicas": "any|all|0*[1-9][0-9]{0,8}",
    "restart": "(?:no|always|on-failure(?::[0-9]{1,9})?|unless-stopped)?",
    "restart_condition": "any|none|no|always|on-failure|unless-stopped",
    "seconds": _SECONDS,
    "size": rf"\+?{_DECIMAL}(?:[eE][-+]?[0-9]{{1,3}})? ?(?:[kKmMgGtTpP](?:[iI]?[bB])?|[bB])?",
    "span": f"(?=.*[1-9]){_SECONDS}",
    "status": r"[0-9]{3}(?:\s*-\s*[0-9]{3})?",
    "true_or_port": _PORT,
}
"""Strings that the readers of an attribute take; by the rule's `kind`."""

WHOLE = r"[+-]?[0-9]+(?:\.0*)?"
"""Strings that become a whole number where any number is read."""
