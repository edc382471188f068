"""Hostile input of up to 256 KiB: an answer within a second of work, in bounded memory, never a crash."""

from __future__ import annotations

import resource
import time

import pytest

from tests.unit.parse.reading import read
from zun_compose.errors import ZunComposeError

SIZE = 256 * 1024


def many(line: str) -> str:
    """Return as many numbered lines as fit."""
    lines = []
    length = number = 0
    while length < SIZE:
        lines.append(line.replace("#", str(number)))
        length += len(lines[-1]) + 1
        number += 1
    return "\n".join(lines)


HOSTILE = {
    "unknown keys": "services:\n  a:\n    image: x\n" + many("    key#: 1"),
    "unknown services": "services:\n  a:\n    image: x\n    depends_on:\n" + many("      - s#"),
    "wrong types": "services:\n" + many("  s#: []"),
    "bad references": "services:\n" + many("  s#: {image: x, networks: [n#]}"),
    "unset variables": "x-a:\n" + many("  - $V#") + "\nservices: {}\n",
    "broken templates": "x-a:\n" + many("  - ${V#") + "\nservices: {}\n",
    "a nest of defaults": "x-a: '" + "${A:-" * (SIZE // 10) + "}" * (SIZE // 10) + "'\n",
    "port ranges": "services:\n  a:\n    image: x\n    ports:\n" + many("      - '1-6553#'"),
    "a chain of extends": "services:\n  s0: {image: x}\n" + many("  t#: {extends: t1#}"),
    "a fan of extends": "services:\n  b:\n    image: x\n    environment:\n"
    + many("      K#: v")[: SIZE // 2].rpartition("\n")[0]
    + "\n"
    + many("  s#: {extends: b}")[: SIZE // 2].rpartition("\n")[0],
    "aliases": "x-a: &a [1,2,3,4,5,6,7,8,9]\nx-b:\n" + many("  - [*a, *a]"),
    "merge keys": "x-a: &a {"
    + ",".join(f"k{n}: 1" for n in range(2000))
    + "}\nx-b:\n"
    + many("  - {<<: *a}"),
    "flow brackets": "a: " + "[" * SIZE,
    "dashes": "- " * (SIZE // 2),
    "anchors": many("x-#: &a# v"),
    "duplicate keys": many("x-a: #"),
    "documents": many("---\nx-#: 1"),
    "long numbers": "services: {a: {image: x, mem_limit: " + "9" * 5000 + "g, scale: " + "9" * 5000 + "}}",
    "long scalar": "services: {a: {image: " + "x" * SIZE + "}}",
    "tags": many("x-#: !t#  v"),
    "regex": "services: {a: {image: x, x-readiness: {log: '" + "(" * 5000 + "'}}}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_answered_quickly(name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    try:
        read(HOSTILE[name])
    except ZunComposeError as error:
        explanation = str(error)
    else:
        explanation = "read"
    # Twice the bar: this machine may be busy, and what grows faster than the input is off by far more.
    assert time.process_time() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
    assert explanation


def test_env_files_cannot_grow_without_bound():
    text = "A=0123456789\n" + "".join(
        f"A{n}=$A{n - 1 if n else ''}$A{n - 1 if n else ''}\n" for n in range(40)
    )
    started = time.process_time()
    with pytest.raises(ZunComposeError, match="expands to too much"):
        read("services: {a: {image: x}}", files={".env": text})
    assert time.process_time() - started < 1


def test_large_variables_cannot_fill_memory():
    text = "x-a:\n" + many("  - $BIG") + "\nservices: {a: {image: x}}\n"
    with pytest.raises(ZunComposeError, match="expand to too much"):
        read(text, environment={"BIG": "x" * 100_000})
