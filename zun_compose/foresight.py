"""What an engine says beforehand of a plan: it is asked once, before anything is made."""

from __future__ import annotations

from zun_compose.driver import Changes, Driver, Foresees
from zun_compose.errors import SpecError
from zun_compose.model import Stack
from zun_compose.plan.steps import Plan, Verb


def refuse_foreseen(driver: Driver, stack: Stack, plan: Plan) -> None:
    """Raise SpecError for what the engine would refuse of a plan, such as more than a quota leaves.

    A plan that makes nothing is not asked about.
    """
    if not isinstance(driver, Foresees):
        return
    changes = changes_of(stack, plan)
    if changes.containers or changes.networks or changes.volumes:
        faults = driver.objections(changes)
        if faults:
            raise SpecError(faults)


def changes_of(stack: Stack, plan: Plan) -> Changes:
    """Return what a plan of `up` makes and takes away."""
    by_verb = {verb: [step for step in plan.steps if step.verb is verb] for verb in Verb}
    return Changes(
        stack=stack.name,
        containers=tuple(
            (stack.services[step.service or ""], tuple(mount.target for mount in step.mounts))
            for step in by_verb[Verb.CREATE]
        ),
        leaving=tuple(step.handle for step in by_verb[Verb.REMOVE]),
        networks=tuple(stack.networks[step.handle] for step in by_verb[Verb.CREATE_NETWORK]),
        networks_leaving=tuple(step.handle for step in by_verb[Verb.REMOVE_NETWORK]),
        volumes=tuple(stack.volumes[step.handle] for step in by_verb[Verb.CREATE_VOLUME]),
    )
