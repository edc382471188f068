"""Plans what a failed `up` undoes: all of its own work, or just what it started."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from zun_compose.plan.steps import Plan, Step, Verb
from zun_compose.record import replace

_BACK = "rolls back"


def plan_discard(plan: Plan, done: Collection[Step]) -> Plan:
    """Plan the removal of containers that this operation created and never started.

    A successor that has taken its predecessor's place stays: it carries its data.
    """
    started = {step.handle for step in done if step.verb is Verb.START}
    placed = {step.handle for step in done if step.verb is Verb.RENAME}
    carrying = {step.handle for step in done if step.verb is Verb.CREATE and step.mounts}
    steps = [
        _remove(step, "was created and never started")
        for step in done
        if step.verb is Verb.CREATE
        and step.handle not in started
        and not (step.handle in placed and step.handle in carrying)
    ]
    return Plan(stack=plan.stack, steps=tuple(steps))


def plan_stop_started(plan: Plan, done: Collection[Step]) -> Plan:
    """Plan the stop of what this operation started, last started first."""
    steps: list[Step] = []
    for step in reversed([step for step in done if step.verb is Verb.START]):
        after = (steps[-1].id,) if steps else ()
        steps.append(_counter(step, Verb.STOP, "up failed", after))
    return Plan(stack=plan.stack, steps=tuple(steps))


def plan_rollback(plan: Plan, done: Iterable[Step]) -> Plan:
    """Plan the way back: each thing done is undone, in reverse; volumes stay, they may hold data."""
    steps: list[Step] = []
    for step in reversed(list(done)):
        undo = _undo(step, (steps[-1].id,) if steps else ())
        if undo is not None:
            steps.append(undo)
    return Plan(stack=plan.stack, steps=tuple(steps))


def _undo(step: Step, after: tuple[str, ...]) -> Step | None:
    match step.verb:
        case Verb.START:
            return _counter(step, Verb.STOP, _BACK, after)
        case Verb.CREATE:
            return _remove(step, _BACK, after)
        case Verb.STOP:
            return _counter(step, Verb.START, _BACK, after)
        case Verb.RENAME:
            undo = _counter(step, Verb.RENAME, _BACK, after)
            return replace(undo, subject=step.name, name=step.subject)
        case Verb.CREATE_NETWORK:
            undo = _counter(step, Verb.REMOVE_NETWORK, _BACK, after)
            return replace(undo, handle=step.subject, optional=True)
        case _:
            return None


def _remove(step: Step, cause: str, after: tuple[str, ...] = ()) -> Step:
    return replace(_counter(step, Verb.REMOVE, cause, after), volumes=True)


def _counter(step: Step, verb: Verb, cause: str, after: tuple[str, ...]) -> Step:
    """Return a step on what `step` was about."""
    return Step(
        id=f"undo {step.id}",
        verb=verb,
        subject=step.subject,
        cause=cause,
        service=step.service,
        number=step.number,
        handle=step.handle,
        after=after,
    )
