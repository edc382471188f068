"""The two kinds of records that state files hold, and their JSON forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zun_compose.model import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Where a stack was last brought up.

    `engine_id` decides whether an engine is the same one; `engine_name` and `address` are for people
    and for finding it again (`address` None: wherever the driver's own settings point to).
    `working_dir` is the stack's project directory then.
    """

    stack: str
    driver: str
    engine_id: str
    engine_name: str
    address: str | None
    working_dir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyRecord:
    """That a container was seen to reach `condition`.

    `started_at` is the engine's word for the container's start: the record counts only as long as it
    is unchanged. `ready_since` is seconds since the epoch on our clock.
    """

    started_at: str | None
    ready_since: float
    condition: Condition


def remembered_as_json(record: Remembered) -> dict[str, Any]:
    """Return the JSON form of a remembered engine."""
    return {
        "stack": record.stack,
        "driver": record.driver,
        "engine": {"id": record.engine_id, "name": record.engine_name},
        "address": record.address,
        "working_dir": record.working_dir,
    }


def remembered_from_json(body: Mapping[str, Any]) -> Remembered:
    """Read a remembered engine; raises KeyError, TypeError or ValueError on a wrong shape."""
    engine = body["engine"]
    address = body["address"]
    if address is not None:
        address = _text(address)
    return Remembered(
        stack=_text(body["stack"]),
        driver=_text(body["driver"]),
        engine_id=_text(engine["id"]),
        engine_name=_text(engine["name"]),
        address=address,
        working_dir=_text(body["working_dir"]),
    )


def ready_as_json(record: ReadyRecord) -> dict[str, Any]:
    """Return the JSON form of one seen readiness."""
    return {
        "started_at": record.started_at,
        "ready_since": record.ready_since,
        "condition": record.condition.value,
    }


def ready_from_json(body: Mapping[str, Any]) -> ReadyRecord:
    """Read one seen readiness; raises KeyError, TypeError or ValueError on a wrong shape."""
    started_at = body["started_at"]
    return ReadyRecord(
        started_at=None if started_at is None else _text(started_at),
        ready_since=float(body["ready_since"]),
        condition=Condition(body["condition"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value
