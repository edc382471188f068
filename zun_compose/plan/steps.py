"""What a plan is made of: steps with one cause each, gates on edges, and the fleet they lead to.

A plan is data. Making or printing one changes nothing; the schedule runs over its steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from zun_compose.errors import Mark
from zun_compose.model import Build, Condition, Mount
from zun_compose.record import Record, field


class Verb(StrEnum):
    """What a step does."""

    PULL = "pull"
    BUILD = "build"
    CREATE_NETWORK = "create-network"
    CREATE_VOLUME = "create-volume"
    CREATE = "create"
    STOP = "stop"
    REMOVE = "remove"
    RENAME = "rename"
    START = "start"
    WAIT = "wait"
    REMOVE_NETWORK = "remove-network"
    REMOVE_VOLUME = "remove-volume"
    REMOVE_IMAGE = "remove-image"


class Gate(Record, kw_only=True):
    """An edge's condition that must hold before a step may run.

    `dependent` is "" for what `--wait` asks. `timeout` seconds count from the start of the
    dependency's container; None is the default deadline.
    """

    dependent: str
    dependency: str
    condition: Condition
    timeout: float | None = None
    retries: int | None = None
    replicas: int | None = None
    required: bool = True
    external: bool = False
    mark: Mark | None = None

    def __str__(self) -> str:
        name = f"{self.dependency}: {self.condition.value}"
        return f"{self.dependent} -> {name}" if self.dependent else name


class Step(Record, kw_only=True):
    """One call to the engine (or one wait), with its one cause.

    `needs` are ids of steps that must have succeeded, `after` of steps that must have ended either way.
    `handle` names the container meant: the engine's id of an existing one, or the name of one that this
    plan creates. `name` is the new name for rename, and the name to create under.
    `mounts` are carried over anonymous volumes (create). `grace` seconds are for stop. `optional`
    failures do not fail the operation.
    """

    id: str
    verb: Verb
    subject: str
    cause: str
    service: str | None = None
    number: int = 0
    handle: str = ""
    name: str = ""
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    mounts: tuple[Mount, ...] = ()
    platform: str | None = None
    build: Build | None = None
    grace: float | None = None
    volumes: bool = False
    optional: bool = False

    def __str__(self) -> str:
        line = f"{self.verb.value} {self.subject}: {self.cause}"
        if self.gates:
            line += f" [{', '.join(str(gate) for gate in self.gates)}]"
        return line

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; no values of environment or secrets are in a step."""
        data: dict[str, Any] = {
            "id": self.id,
            "verb": self.verb.value,
            "subject": self.subject,
            "cause": self.cause,
        }
        if self.service is not None:
            data["service"] = self.service
        if self.needs:
            data["needs"] = list(self.needs)
        if self.after:
            data["after"] = list(self.after)
        if self.gates:
            data["gates"] = [_gate_dict(gate) for gate in self.gates]
        return data


class Member(Record, kw_only=True):
    """One container of the fleet that a plan leads to.

    `fresh` ones are created by the plan; `runs` tells whether it runs already and is not started by it.
    """

    handle: str
    service: str
    number: int
    name: str
    fresh: bool = False
    runs: bool = False


class Plan(Record, kw_only=True):
    """Ordered steps, and per service the containers that are there once they are done."""

    stack: str
    steps: tuple[Step, ...] = ()
    fleet: Mapping[str, tuple[Member, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to change (waits change nothing)."""
        return all(step.verb is Verb.WAIT for step in self.steps)

    def __str__(self) -> str:
        return "\n".join(str(step) for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form: format, stack, empty, steps, warnings."""
        return {
            "format": 1,
            "stack": self.stack,
            "empty": self.empty,
            "steps": [step.as_dict() for step in self.steps],
            "warnings": list(self.warnings),
        }


def _gate_dict(gate: Gate) -> dict[str, Any]:
    data: dict[str, Any] = {
        "dependency": gate.dependency,
        "condition": gate.condition.value,
        "required": gate.required,
    }
    for key in ("timeout", "retries", "replicas"):
        value = getattr(gate, key)
        if value is not None:
            data[key] = value
    return data
