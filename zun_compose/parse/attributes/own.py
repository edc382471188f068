"""The rules of our own words: readiness probes, things outside the stack, what edges say beyond the rest.

probes.py and bind_service.py know from here which words there are, and judge what needs more than a rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from zun_compose.model import Condition
from zun_compose.parse.attributes.shapes import Entry, Group, matching, rule, text
from zun_compose.parse.rules import ARRAY, BOOLEAN, INTEGER, NULL, NUMBER, OBJECT, STRING, Rule

CONDITIONS = tuple(map(str, Condition))
_CONDITIONS = (*(word.removeprefix("service_") for word in CONDITIONS), *CONDITIONS)
_GATE = text(words=_CONDITIONS)
_SPAN = rule(NUMBER, STRING, kind="span")
_PORT = rule(INTEGER, STRING, kind="port_number", minimum=1, maximum=65535)
_STATUS = rule(INTEGER, STRING, kind="status", minimum=100, maximum=999)
_HOST = matching(r"^[A-Za-z0-9._:%-]+$", "a host name or an address")

_TIMING: Group = {
    "interval": _SPAN,
    "timeout": _SPAN,
    "deadline": _SPAN,
    "successes": rule(INTEGER, STRING, kind="positive", minimum=1),
}

TIMING_WORDS = tuple(_TIMING)

_ANSWER: Group = {
    "path": matching(r"^/[^\s\x00-\x1f]*$", "a path that starts with /"),
    "scheme": text(words=("http", "https")),
    "method": matching(r"^[A-Za-z]{1,16}$", "an HTTP method"),
    "status": {
        "": rule(INTEGER, STRING, ARRAY, kind="status", minimum=100, maximum=999, filled=True),
        "[]": _STATUS,
    },
    "headers": {
        "": rule(OBJECT, names=re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")),
        ".*": rule(STRING, NUMBER, BOOLEAN, NULL),
    },
    "body": text(kind="filled"),
}
HTTP_WORDS = ("host", "port", *_ANSWER)
TCP_WORDS = ("host", "port")


def _asked(*, outside: bool) -> Group:
    """Return the rules of the probes that speak to a port: only those of things outside name a host."""
    which = "outside" if outside else "own"
    host: Group = {"host": _HOST} if outside else {}
    # A port alone says nothing of where it is.
    types = (STRING, OBJECT) if outside else (INTEGER, STRING, OBJECT)
    place = rule(*types, kind=f"{which}_place", minimum=1, maximum=65535, required=(*host, "port"))
    url = rule(*types, kind=f"{which}_url", minimum=1, maximum=65535, required=tuple(host) or ("port",))
    return {"tcp": {"": place, **host, "port": _PORT}, "http": {"": url, **host, "port": _PORT, **_ANSWER}}


_OWN_KINDS: Group = {
    "listening": {
        "": rule(BOOLEAN, INTEGER, STRING, ARRAY, kind="true_or_port", minimum=1, maximum=65535),
        "[]": _PORT,
    },
    **_asked(outside=False),
    "exec": {"": rule(STRING, ARRAY, kind="line", filled=True), "[]": rule(STRING, NUMBER)},
    "log": text(kind="filled"),
}


def _probes(kinds: Group, *types: str, **rest: object) -> dict[str, Entry]:
    """Return the rules of one probe, or a list of them; `types` are what both may be besides."""
    inner = {**kinds, **_TIMING}
    one = rule(*types, OBJECT, one_of=tuple(kinds), words=rest.get("words", ()))
    return {"": rule(*types, OBJECT, ARRAY, one_of=tuple(kinds), **rest), "[]": {"": one, **inner}, **inner}


PROBE_KINDS = tuple(_OWN_KINDS)
PROBE_WORDS = (*PROBE_KINDS, *_TIMING)
READINESS: Group = _probes(_OWN_KINDS, STRING, words=("listening",), merge="replace")
_PORTABLE = rule(NULL, STRING, OBJECT, ARRAY, words=("listening",), merge="replace", one_of=tuple(_OWN_KINDS))
PORTABLE_READINESS: Group = {**READINESS, "": _PORTABLE}
_OUTSIDE_KINDS = _asked(outside=True)
_OUTSIDE_PROBES = _probes(_OUTSIDE_KINDS)

_ORIGINS: Group = {"readiness": _OUTSIDE_PROBES, "x-readiness": _OUTSIDE_PROBES, **_OUTSIDE_KINDS}
EXTERNAL_KINDS = tuple(_ORIGINS)
EXTERNAL_WORDS = (*EXTERNAL_KINDS, *_TIMING)

_STACK: Group = {
    "gate": _GATE,
    "externals": {
        "": rule(OBJECT),
        ".*": {"": rule(OBJECT, one_of=EXTERNAL_KINDS), **_ORIGINS, **_TIMING},
    },
}
STACK_WORDS = tuple(_STACK)
STACK: Group = {"": rule(OBJECT, NULL), **_STACK}

CPU_POLICIES = ("shared", "dedicated")
IMAGE_DRIVERS = ("docker", "glance")

_SERVICE: Group = {
    "job": rule(BOOLEAN),
    "once": rule(BOOLEAN),
    "gate": _GATE,
    "fate": {"": rule(OBJECT), ".**": rule(STRING)},
    "hints": {"": rule(OBJECT), ".*": rule(STRING, NUMBER, BOOLEAN)},
    "availability_zone": text(kind="filled"),
    "host": text(kind="filled"),
    "cpu_policy": text(words=CPU_POLICIES),
    "image_driver": text(words=IMAGE_DRIVERS),
    "auto_heal": rule(BOOLEAN),
    "auto_remove": rule(BOOLEAN),
}
SERVICE_WORDS = tuple(_SERVICE)
SERVICE: Group = {"": rule(OBJECT, NULL), **_SERVICE}

BOUNDS: Mapping[str, Rule] = {
    "timeout": rule(STRING, NUMBER, kind="seconds", minimum=0),
    "retries": rule(STRING, INTEGER, kind="count", minimum=0),
    "replicas": rule(STRING, INTEGER, kind="replicas", minimum=1),
}
_PORTABLE_BOUNDS: Group = {f"x-{name}": entry for name, entry in BOUNDS.items()}

EDGE: Group = {"x-condition": rule(STRING, NULL, words=_CONDITIONS), **_PORTABLE_BOUNDS}
EDGE_WORDS = tuple(EDGE)

_READY = ("ready", str(Condition.READY))

_OUTSIDE_EDGE: Group = {
    "condition": text(words=_READY),
    "x-condition": rule(STRING, NULL, words=_READY),
    **BOUNDS,
    **_PORTABLE_BOUNDS,
    "required": rule(BOOLEAN),
    "restart": rule(BOOLEAN),
}
OUTSIDE_EDGE_WORDS = tuple(_OUTSIDE_EDGE)

OUTSIDE: Group = {
    "": rule(NULL, STRING, ARRAY, OBJECT),
    "[]": text(),
    ".*": {"": rule(OBJECT, NULL), **_OUTSIDE_EDGE},
}
