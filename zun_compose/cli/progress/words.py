"""Events in words: the stable wording that plain progress prints and the terminal repeats."""

from __future__ import annotations

from typing import assert_never

from zun_compose.events import (
    Event,
    Finished,
    GateFailed,
    GateOpened,
    GateWaiting,
    ImageProgress,
    Planned,
    Progress,
    ServiceChanged,
    StepDone,
    StepFailed,
    StepSkipped,
    StepStarted,
    Unsteady,
    Warned,
)
from zun_compose.model import Condition

_TO_BE = {
    Condition.STARTED: "to be started",
    Condition.LISTENING: "to listen",
    Condition.HEALTHY: "to be healthy",
    Condition.READY: "to be ready",
    Condition.COMPLETED: "to complete",
    Condition.COMPLETED_SUCCESSFULLY: "to complete successfully",
}
_IS = {
    Condition.STARTED: "is started",
    Condition.LISTENING: "listens",
    Condition.HEALTHY: "is healthy",
    Condition.READY: "is ready",
    Condition.COMPLETED: "completed",
    Condition.COMPLETED_SUCCESSFULLY: "completed successfully",
}
_DONE = {
    "pull": "pulled",
    "build": "built",
    "create": "created",
    "create-network": "created network",
    "create-volume": "created volume",
    "stop": "stopped",
    "remove": "removed",
    "rename": "renamed",
    "start": "started",
    "kill": "killed",
    "remove-network": "removed network",
    "remove-volume": "removed volume",
    "remove-image": "removed image",
}
_DOING = {
    "pull": "pulling",
    "build": "building",
    "create": "creating",
    "create-network": "creating network",
    "create-volume": "creating volume",
    "stop": "stopping",
    "remove": "removing",
    "rename": "renaming",
    "start": "starting",
    "kill": "killing",
    "remove-network": "removing network",
    "remove-volume": "removing volume",
    "remove-image": "removing image",
}
# Long enough for a user to wonder; the others are told when they are done.
_SLOW = frozenset({"pull", "build"})
# A wait is told by its gates.
_SILENT = frozenset({"wait"})


def to_be(condition: str) -> str:
    """Return "to be healthy" for service_healthy."""
    return _TO_BE.get(Condition(condition), condition) if condition in set(Condition) else condition


def holds(condition: str) -> str:
    """Return "is healthy" for service_healthy."""
    return _IS.get(Condition(condition), condition) if condition in set(Condition) else condition


def doing(verb: str) -> str:
    """Return "creating" for create."""
    return _DOING.get(verb, verb)


def done(verb: str) -> str:
    """Return "created" for create."""
    return _DONE.get(verb, verb)


def duration(seconds: float) -> str:
    """Return seconds in as many digits as they deserve: "0.21s", "12.3s", "4m 05s"."""
    if seconds < 10:
        return f"{seconds:.2f}s"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


def clean(text: str) -> str:
    """Return a container's words without control characters, which could drive the terminal."""
    return "".join(
        character if character.isprintable() or character == "\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def waiting(progress: GateWaiting) -> str:
    """Return what a gate waits for and why it is not open."""
    reason = f": {progress.reason}" if progress.reason else ""
    return f"waits for {progress.dependency} {to_be(progress.condition)}{reason}"


def gate_failure(progress: GateFailed) -> list[str]:
    """Return the edge and the reason, then exit code, last answer and last log lines, indented."""
    edge = f"{progress.dependent} -> {progress.dependency}" if progress.dependent else progress.dependency
    how = "was not reached in time" if progress.timed_out else "will not be reached"
    head = f"{edge}: {progress.condition} {how}: {progress.reason}"
    lines = [head if progress.required else f"warning: {head} (not required)"]
    if progress.exit_code is not None:
        lines.append(f"    exit code: {progress.exit_code}")
    if progress.answer:
        lines.append(f"    last answer: {clean(progress.answer)}")
    if progress.log:
        lines.append(f"    last log lines of {progress.dependency}:")
        lines.extend(f"      | {clean(line)}" for line in progress.log)
    return lines


def lines(event: Event) -> list[str]:
    """Return the lines that plain progress prints for an event; none for what does not matter there."""
    return _told(event.progress)


def _told(progress: Progress) -> list[str]:  # noqa: C901 - one case an event type, nothing more
    match progress:
        case Planned():
            return [] if progress.steps else ["nothing to do"]
        case StepStarted():
            return [_started(progress)] if progress.verb in _SLOW or progress.attempt > 1 else []
        case StepDone():
            if progress.verb in _SILENT:
                return []
            return [f"{done(progress.verb)} {progress.subject} ({duration(progress.seconds)})"]
        case StepFailed():
            again = "" if progress.retry_in is None else f"; again in {duration(progress.retry_in)}"
            return [f"failed to {progress.verb} {progress.subject}: {progress.error}{again}"]
        case StepSkipped():
            return [f"skipped {progress.verb} {progress.subject}: {progress.cause}"]
        case GateWaiting():
            # "(stack)" stands where --wait asks and no service does.
            left = "" if progress.deadline_in is None else f" (at most {duration(progress.deadline_in)} more)"
            return [f"{progress.dependent or '(stack)'} {waiting(progress)}{left}"]
        case GateOpened():
            target = f": {progress.dependent} may start" if progress.dependent else ""
            return [
                f"{progress.dependency} {holds(progress.condition)} after {duration(progress.waited)}{target}"
            ]
        case GateFailed():
            return gate_failure(progress)
        case ServiceChanged():
            return []
        case Unsteady():
            return [f"unsteady {progress.service}: {progress.detail}"]
        case ImageProgress():
            # Bytes would be a line each; a line of a build is what the user waits for.
            return (
                [] if progress.total or progress.current else [f"{progress.image}: {clean(progress.status)}"]
            )
        case Warned():
            return [f"warning: {progress.message}"]
        case Finished():
            return [f"{progress.outcome} in {duration(progress.seconds)}"]
        case _:
            assert_never(progress)


def _started(progress: StepStarted) -> str:
    attempt = f" (attempt {progress.attempt})" if progress.attempt > 1 else ""
    return f"{doing(progress.verb)} {progress.subject}{attempt}"
