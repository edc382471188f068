"""Decides what happens next. Pure: see `machine`."""

from zun_compose.schedule.lines import Phase
from zun_compose.schedule.machine import ATTEMPTS, Schedule
from zun_compose.schedule.messages import (
    Action,
    Asked,
    Broke,
    CancelRequested,
    Checked,
    Hinted,
    Input,
    Launch,
    Report,
    Saw,
    Succeeded,
    Sweep,
    Swept,
    Tell,
    Withdrawn,
)

__all__ = [
    "ATTEMPTS",
    "Action",
    "Asked",
    "Broke",
    "CancelRequested",
    "Checked",
    "Hinted",
    "Input",
    "Launch",
    "Phase",
    "Report",
    "Saw",
    "Schedule",
    "Succeeded",
    "Sweep",
    "Swept",
    "Tell",
    "Withdrawn",
]
