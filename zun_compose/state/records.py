"""The two kinds of records that state files hold, and their JSON forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zun_compose.model import Condition
from zun_compose.record import Record, field


class Remembered(Record, kw_only=True):
    """Where a stack was last brought up.

    `engine_id` decides whether an engine is the same one; `engine_name` and `address` are for people
    and for finding it again (`address` None: wherever the driver's own settings point to).
    `working_dir` is the stack's project directory then. `scale` holds the numbers of containers that the
    user gave over what the file says; an older zun-compose neither reads nor keeps them.
    """

    stack: str
    driver: str
    engine_id: str
    engine_name: str
    address: str | None
    working_dir: str
    scale: Mapping[str, int] = field(default_factory=dict)


class ReadyRecord(Record, kw_only=True):
    """That a container was seen to reach `condition`.

    `started_at` is the engine's word for the container's start: the record counts only as long as it
    is unchanged. `ready_since` is seconds since the epoch on our clock.
    """

    started_at: str | None
    ready_since: float
    condition: Condition


def remembered_as_json(record: Remembered) -> dict[str, Any]:
    """Return the JSON form of a remembered engine."""
    scale = {"scale": dict(record.scale)} if record.scale else {}
    return {
        **scale,
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
        scale={_text(name): _count(number) for name, number in body.get("scale", {}).items()},
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


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("not a number of containers")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value
