"""Desired stack and observed world in, ordered steps out. Pure: nothing here calls an engine."""

from zun_compose.plan.down import plan_down
from zun_compose.plan.lifecycle import plan_remove, plan_restart, plan_start, plan_stop
from zun_compose.plan.steps import Gate, Member, Plan, Step, Verb
from zun_compose.plan.up import plan_up
from zun_compose.plan.world import World

__all__ = [
    "Gate",
    "Member",
    "Plan",
    "Step",
    "Verb",
    "World",
    "plan_down",
    "plan_remove",
    "plan_restart",
    "plan_start",
    "plan_stop",
    "plan_up",
]
