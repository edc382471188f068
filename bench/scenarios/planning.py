"""Planning alone, on the simulated engine, each size in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median

from bench.contenders import OURS, ROOT
from bench.results import Bar, Result, Row
from bench.session import Session

SIZES = (100, 1_000, 10_000)


def planning(session: Session) -> Result:
    """Plan stacks of growing size."""
    found = {size: [_plan(size) for _ in range(session.runs)] for size in SIZES}
    seconds = {size: [float(one["seconds"]) for one in runs] for size, runs in found.items()}
    work = {size: [float(one["work"]) for one in runs] for size, runs in found.items()}
    resident = {size: [float(one["mebibytes"]) for one in runs] for size, runs in found.items()}
    rows = [Row(what=f"plan {size:,} services", samples={OURS: seconds[size]}) for size in SIZES]
    rows += [Row(what=f"the same, processor time, {size:,}", samples={OURS: work[size]}) for size in SIZES]
    rows += [
        Row(what=f"peak resident, {size:,}", samples={OURS: resident[size]}, unit="MiB") for size in SIZES
    ]
    # By processor time: what else the machine does weighs unevenly on short and long runs.
    growth = median(work[10_000]) / median(work[1_000])
    return Result(
        scenario="planning",
        intent="`Engine(memory driver).plan(stack)` of stacks that were built in Python; each needs up "
        "to two others. Time is that of the call, memory the whole process's at its peak.",
        rows=rows,
        bars=[
            Bar(what="10,000 services", value=median(seconds[10_000]), limit=3.0, unit=" s"),
            Bar(what="10,000 / 1,000, processor time", value=growth, limit=12.0),
            Bar(what="10,000 services, resident", value=median(resident[10_000]), limit=120.0, unit=" MiB"),
        ],
    )


def _plan(size: int) -> dict[str, float]:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.plan_once", str(size)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(ran.stdout))
