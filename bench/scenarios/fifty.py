"""Fifty services that need nothing of each other: what a tool adds to the engine's own work."""

from __future__ import annotations

from pathlib import Path

from bench.contenders import OURS, PEER, Contender, Failed
from bench.floor import FLOOR, Part, floor
from bench.results import Bar, Result, Row, ratio
from bench.session import Session


def fifty(session: Session) -> Result:
    """Up, up with nothing to do, down."""
    sleeper = {"image": "busybox", "init": True, "command": ["sleep", "3600"]}
    file = session.write("fifty", {f"s{number:02}": sleeper for number in range(50)})

    def timed(contender: Contender, file: Path) -> dict[str, float]:
        up = contender.must(file, ["up", "-d"])
        chosen: dict[str, str | list[str] | bool] | None = {
            "label": f"com.docker.compose.project={contender.stack('fifty')}"
        }
        running = len(session.engine.containers.list(filters=chosen, sparse=True))
        if running != 50:
            raise Failed(f"{contender.name} left {running} containers running, not 50")
        again = contender.must(file, ["up", "-d"])
        down = contender.must(file, ["down"])
        return {"up": up.seconds, "again": again.seconds, "down": down.seconds}

    found = session.alternate(file, timed)
    bare = [Part(command=("sleep", "3600"))] * 50
    floors = [floor(session.engine, [bare]) for _ in range(session.runs)]
    up = Row(what="`up -d`", samples={**found["up"], FLOOR: floors})
    again = Row(what="`up -d` with nothing to do", samples=found["again"])
    down = Row(what="`down`", samples=found["down"])
    return Result(
        scenario="fifty",
        intent="Fifty independent services.",
        rows=[up, again, down],
        bars=[
            Bar(what="up, ours / docker compose", value=ratio(up, OURS, PEER), limit=1.05),
            Bar(what="nothing to do, ours / docker compose", value=ratio(again, OURS, PEER), limit=6.0),
            Bar(what="down, ours / docker compose", value=ratio(down, OURS, PEER), limit=1.0),
        ],
    )
