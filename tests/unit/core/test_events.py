"""Events: stamped in order whoever emits, ready for JSON, and named for good."""

from __future__ import annotations

import json
import threading
from typing import get_args

from zun_compose.events import Emitter, Event, GateFailed, Progress, StepStarted, Warned, kind

NAMES = {
    "planned",
    "step_started",
    "step_done",
    "step_failed",
    "step_skipped",
    "gate_waiting",
    "gate_opened",
    "gate_failed",
    "service_changed",
    "unsteady",
    "image_progress",
    "warned",
    "finished",
}


def test_names_are_stable() -> None:
    """Programs match on them: a name may be added, never changed."""
    made = {kind(one(**dict.fromkeys(one.__struct_fields__))) for one in get_args(Progress)}
    assert made >= NAMES


def test_many_threads_one_sequence() -> None:
    seen: list[Event] = []
    emit = Emitter(seen.append, clock=lambda: 5.0)

    def work() -> None:
        for _ in range(200):
            emit(Warned(message="x"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.sequence for event in seen] == list(range(1, 1_601))


def test_without_a_sink_nothing_is_lost_but_the_words() -> None:
    Emitter()(Warned(message="x"))


def test_the_json_form() -> None:
    seen: list[Event] = []
    emit = Emitter(seen.append, clock=lambda: 12.5)
    emit(StepStarted(step="start a-1", verb="start", subject="t-a-1", service="a", cause="does not exist"))
    emit(GateFailed(dependent="a", dependency="b", condition="service_ready", reason="no", log=("x", "y")))
    first, second = (json.loads(json.dumps(event.as_dict())) for event in seen)
    assert first == {
        "sequence": 1,
        "at": 12.5,
        "event": "step_started",
        "step": "start a-1",
        "verb": "start",
        "subject": "t-a-1",
        "service": "a",
        "cause": "does not exist",
        "attempt": 1,
    }
    assert second["event"] == "gate_failed"
    assert second["log"] == ["x", "y"]
