"""Words on steps and containers."""

from __future__ import annotations

from zun_compose.events import ServiceChanged, StepDone, StepFailed, StepSkipped, StepStarted
from zun_compose.plan.steps import Member
from zun_compose.schedule.lines import Line
from zun_compose.schedule.messages import Broke, Launch
from zun_compose.status import Readiness


def started(launch: Launch) -> StepStarted:
    """Say that a step was begun."""
    step = launch.step
    return StepStarted(
        step=step.id,
        verb=step.verb.value,
        subject=step.subject,
        service=step.service,
        cause=step.cause,
        attempt=launch.attempt,
    )


def done(line: Line, seconds: float) -> StepDone:
    """Say that a step succeeded."""
    step = line.step
    return StepDone(
        step=step.id, verb=step.verb.value, subject=step.subject, service=step.service, seconds=seconds
    )


def broke(line: Line, event: Broke, retry_in: float | None) -> StepFailed:
    """Say that a step failed, for good or until it is tried again."""
    step = line.step
    return StepFailed(
        step=step.id,
        verb=step.verb.value,
        subject=step.subject,
        service=step.service,
        error=event.error,
        code=event.code,
        retry_in=retry_in,
    )


def skipped(line: Line) -> StepSkipped:
    """Say that a step will not run."""
    step = line.step
    return StepSkipped(
        step=step.id, verb=step.verb.value, subject=step.subject, service=step.service, cause=line.cause
    )


def changed(member: Member, word: Readiness, detail: str) -> ServiceChanged:
    """Say how far a container is now."""
    return ServiceChanged(
        service=member.service,
        container=member.name,
        number=member.number,
        readiness=word.value,
        detail=detail,
    )
