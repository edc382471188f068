"""Plans what a failed `up` undoes: all of its own work, or just what it started."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from zun_compose.plan.steps import Plan, Step, Verb


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
        steps.append(_stop(step, "up failed", after))
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
            return _stop(step, "rolls back", after)
        case Verb.CREATE:
            return _remove(step, "rolls back", after)
        case Verb.STOP:
            return Step(
                id=f"undo {step.id}",
                verb=Verb.START,
                subject=step.subject,
                cause="rolls back",
                service=step.service,
                number=step.number,
                handle=step.handle,
                after=after,
            )
        case Verb.RENAME:
            return Step(
                id=f"undo {step.id}",
                verb=Verb.RENAME,
                subject=step.name,
                cause="rolls back",
                service=step.service,
                number=step.number,
                handle=step.handle,
                name=step.subject,
                after=after,
            )
        case Verb.CREATE_NETWORK:
            return Step(
                id=f"undo {step.id}",
                verb=Verb.REMOVE_NETWORK,
                subject=step.subject,
                cause="rolls back",
                handle=step.subject,
                after=after,
                optional=True,
            )
        case _:
            return None


def _stop(step: Step, cause: str, after: tuple[str, ...]) -> Step:
    return Step(
        id=f"undo {step.id}",
        verb=Verb.STOP,
        subject=step.subject,
        cause=cause,
        service=step.service,
        number=step.number,
        handle=step.handle,
        after=after,
    )


def _remove(step: Step, cause: str, after: tuple[str, ...] = ()) -> Step:
    return Step(
        id=f"undo {step.id}",
        verb=Verb.REMOVE,
        subject=step.subject,
        cause=cause,
        service=step.service,
        number=step.number,
        handle=step.handle,
        after=after,
        volumes=True,
    )
