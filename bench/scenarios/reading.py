"""`config -q`: reading alone, from the start of the program to its end. No engine is asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.contenders import OURS, PEER
from bench.results import Bar, Result, Row, ratio
from bench.session import Session

SIZES: Mapping[int, float] = {50: 7.0, 1_000: 2.0}
"""How many services, and how many times the peer's time ours may take."""


def config(session: Session) -> Result:
    """Check stacks of two sizes, services as people write them."""
    rows, bars = [], []
    for size, limit in SIZES.items():
        file = session.write(f"config-{size}", services(size), networks={"front": {}}, volumes={"data": {}})
        row = Row(what=f"`config -q`, {size:,} services", samples=_timed(session, file))
        rows.append(row)
        bars.append(
            Bar(what=f"{size:,} services, ours / docker compose", value=ratio(row, OURS, PEER), limit=limit)
        )
    return Result(
        scenario="config",
        intent="Reading and checking a stack file, interpolation included; in groups of ten each service "
        "needs the one before it.",
        rows=rows,
        bars=bars,
    )


def services(size: int) -> dict[str, Any]:
    """Return services with the attributes that most files have."""
    return {
        f"s{number:04}": {
            "image": "busybox:${TAG:-latest}",
            "command": ["sleep", "3600"],
            "restart": "unless-stopped",
            "environment": {"LEVEL": "info", "HOME_OF": "$HOME", "NUMBER": number},
            "labels": {"org.example.part": f"part-{number % 7}"},
            "ports": [f"{10_000 + number}:80"],
            "networks": ["front"],
            "volumes": ["data:/data", "./conf:/etc/conf:ro"],
            "healthcheck": {"test": ["CMD", "true"], "interval": "5s", "retries": 3},
            **({"depends_on": [f"s{number - 1:04}"]} if number % 10 else {}),
        }
        for number in range(size)
    }


def _timed(session: Session, file: Path) -> dict[str, list[float]]:
    """Let the contenders take turns. Nothing runs, so there is nothing to clear in between."""
    found: dict[str, list[float]] = {OURS: [], PEER: []}
    pair = (session.ours, session.peer)
    for number in range(session.runs):
        for contender in pair if number % 2 == 0 else reversed(pair):
            found[contender.name].append(contender.must(file, ["config", "-q"]).seconds)
    return found
