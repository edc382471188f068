"""Many steps at once: each when what it needs is done, those first that the longest chain waits for."""

from __future__ import annotations

import concurrent.futures
import os
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

# Starting a service is seconds of imports: more of them at once would only delay those that others wait for.
AT_ONCE = 2 * (os.cpu_count() or 1) + 2

Tell = Callable[[str, float], None]


class Step(NamedTuple):
    """`act` does the step and returns whether there was anything to do."""

    name: str
    act: Callable[[], bool]
    needs: tuple[str, ...] = ()


def carry_out(steps: Iterable[Step], tell: Tell, cancel: Callable[[], None]) -> int:
    """Do all steps; returns how many had something to do.

    `tell` is called with the name and the seconds of each that had. After a failure nothing new begins,
    `cancel` is called so that what waits gives up, and the first failure is raised: CloudError, or what
    Python raised. A need that is no step's name, and a cycle, raise ValueError.
    """
    waiting = {step.name: step for step in steps}
    _check(waiting)
    length = _longest(waiting)
    done: set[str] = set()
    acted = 0
    fault: BaseException | None = None
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        flying: dict[concurrent.futures.Future[bool], tuple[str, float]] = {}
        try:
            while flying or (waiting and fault is None):
                if fault is None:
                    able = [step for step in waiting.values() if done.issuperset(step.needs)]
                    able.sort(key=lambda step: -length[step.name])
                    for step in able[: AT_ONCE - len(flying)]:
                        flying[pool.submit(step.act)] = (step.name, time.monotonic())
                        del waiting[step.name]
                ended, _ = concurrent.futures.wait(flying, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in ended:
                    name, begun = flying.pop(future)
                    error = future.exception()
                    if error is not None:
                        # that others give up because one failed is not news
                        fault = fault or error
                        cancel()
                        continue
                    done.add(name)
                    if future.result():
                        acted += 1
                        tell(name, time.monotonic() - begun)
        except BaseException:
            cancel()
            raise
    if fault is not None:
        raise fault
    return acted


def through(steps: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, set[str]]:
    """Return, for each name with its needs, all that it needs, also through others."""
    needs = dict(steps)
    reached: dict[str, set[str]] = {}
    for name in needs:
        seen: set[str] = set()
        pending = [*needs[name]]
        while pending:
            needed = pending.pop()
            if needed not in seen:
                seen.add(needed)
                pending.extend(needs.get(needed, ()))
        reached[name] = seen
    return reached


def _longest(steps: dict[str, Step]) -> dict[str, int]:
    """Return how many steps the longest chain has that begins with each."""
    after: dict[str, list[str]] = {name: [] for name in steps}
    for step in steps.values():
        for needed in step.needs:
            after[needed].append(step.name)
    known: dict[str, int] = {}

    def length(name: str) -> int:
        if name not in known:
            known[name] = 1 + max((length(later) for later in after[name]), default=0)
        return known[name]

    return {name: length(name) for name in steps}


def _check(steps: dict[str, Step]) -> None:
    done: set[str] = set()
    left = dict(steps)
    while left:
        able = [name for name, step in left.items() if done.issuperset(step.needs)]
        if not able:
            tangled = ", ".join(f"{name} needs {' '.join(step.needs)}" for name, step in left.items())
            raise ValueError(f"these steps can never begin: {tangled}")
        done.update(able)
        for name in able:
            del left[name]
