"""Build a stack of N services in Python, plan it on the memory driver, and print time and memory as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time

from zun_compose.drivers.memory import connect
from zun_compose.engine import Engine
from zun_compose.model import Condition, Dependency, Expose, Service, Stack


def build(size: int) -> Stack:
    """Return a stack whose services each depend on up to two earlier ones: a wide tree with short chains."""
    services: dict[str, Service] = {}
    for number in range(size):
        earlier = dict.fromkeys(
            ([f"s{number // 2}"] if number else []) + ([f"s{number - 1}"] if number % 10 else [])
        )
        services[f"s{number}"] = Service(
            name=f"s{number}",
            image="busybox",
            command=("serve",),
            expose=(Expose(first=8080, last=8080),),
            dependencies=tuple(
                Dependency(on=name, condition=Condition.LISTENING) for name in earlier if name != f"s{number}"
            ),
        )
    return Stack(name="big", services=services)


def main() -> None:
    """Plan once."""
    size = int(sys.argv[1])
    stack = build(size)
    engine = Engine(connect())
    began, worked = time.monotonic(), time.process_time()
    plan = engine.plan(stack)
    seconds, work = time.monotonic() - began, time.process_time() - worked
    if len(plan.steps) < size:
        sys.exit(f"{len(plan.steps)} steps for {size} services: that is no plan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "work": work, "mebibytes": peak, "steps": len(plan.steps)}))


if __name__ == "__main__":
    main()
