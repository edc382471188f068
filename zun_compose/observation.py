"""Looks at the whole world of a stack: what plans and status start from. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from zun_compose.capability import Verdict, in_glance, told
from zun_compose.container import Observed
from zun_compose.contents import Contents
from zun_compose.driver import Capable, Driver, ImageIds, Images, Networks, Renames, VirtualTime, Volumes
from zun_compose.errors import NotFound
from zun_compose.model import Service, Stack
from zun_compose.plan.divergence import image_of
from zun_compose.plan.resources import used_networks, used_volumes
from zun_compose.plan.steps import Plan, Verb
from zun_compose.plan.world import World
from zun_compose.record import replace

_ONE_BY_ONE = 3
_AT_ONCE = 8

_T = TypeVar("_T")
_R = TypeVar("_R")


def observe(driver: Driver, stack: Stack | str, contents: Contents | None = None) -> World:
    """Observe what there is of a stack; with a whole Stack also its images, files and externals.

    Raises DriverError, and SpecError for configs and secrets that cannot be read.
    """
    name = stack if isinstance(stack, str) else stack.name
    whole = None if isinstance(stack, str) else stack
    services = [] if whole is None else list(whole.services.values())
    engine = driver.engine()
    with _aside(driver) as ask:
        containers = ask(lambda: tuple(driver.list(name)))
        networks = ask(lambda: tuple(driver.networks(name)) if isinstance(driver, Networks) else ())
        volumes = ask(lambda: tuple(driver.volumes(name)) if isinstance(driver, Volumes) else ())
        images = ask(lambda: {} if whole is None else _images(driver, whole, services))
        findings = ask(
            lambda: () if whole is None or not isinstance(driver, Capable) else tuple(driver.findings(whole))
        )
        externals = ask(lambda: frozenset(() if whole is None else _externals(driver, whole, services)))
        return World(
            engine=engine,
            containers=containers(),
            networks=networks(),
            volumes=volumes(),
            images=images(),
            file_digests={} if whole is None or contents is None else contents.digests(whole, services),
            externals=externals(),
            refused=told(vain := findings(), Verdict.REFUSES),
            lacking=told(vain, Verdict.IGNORES),
            can_rename=isinstance(driver, Renames),
            has_networks=isinstance(driver, Networks),
            has_volumes=isinstance(driver, Volumes),
            has_images=isinstance(driver, Images),
        )


@contextmanager
def _aside(driver: Driver) -> Iterator[Callable[[Callable[[], _T]], Callable[[], _T]]]:
    """Let reads run side by side where the driver's time is real; each gets a call that has its answer."""
    if isinstance(driver, VirtualTime):

        def at_once(read: Callable[[], _T]) -> Callable[[], _T]:
            answer = read()
            return lambda: answer

        yield at_once
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            yield lambda read: pool.submit(read).result
        except BaseException:
            # nobody asks for the answers any more
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def planned(driver: Driver, world: World, make: Callable[[World], Plan]) -> tuple[World, Plan]:
    """Plan, and look closer at the containers that the plan removes before it is final.

    What they mount need not be in a summary, and their anonymous volumes are to be kept or to go with them.
    """
    plan = make(world)
    leaving = {step.handle for step in plan.steps if step.verb is Verb.REMOVE}
    vague = [
        seen for seen in world.containers if seen.id in leaving and not seen.detailed and not seen.mounts
    ]
    if not vague:
        return world, plan
    close = {seen.id: seen for seen in details(driver, vague)}
    world = replace(world, containers=tuple(close.get(seen.id, seen) for seen in world.containers))
    return world, make(world)


def details(driver: Driver, containers: Sequence[Observed]) -> list[Observed]:
    """Inspect containers side by side; those that are gone meanwhile are left out."""

    def inspect(seen: Observed) -> Observed | None:
        if seen.detailed:
            return seen
        try:
            return driver.inspect(seen.id)
        except NotFound:
            return None

    return [seen for seen in side_by_side(driver, inspect, containers) if seen is not None]


def side_by_side(driver: Driver, work: Callable[[_T], _R], things: Sequence[_T]) -> list[_R]:
    """Do the same call for several things, a few at once where the driver's time is real; order is kept."""
    if len(things) <= 1:
        return [work(thing) for thing in things]
    with _aside(driver) as ask:
        asked = [ask(partial(work, thing)) for thing in things]
        return [answer() for answer in asked]


def _images(driver: Driver, stack: Stack, services: Iterable[Service]) -> dict[str, str]:
    references = dict.fromkeys(image_of(stack, service) for service in services)
    if isinstance(driver, ImageIds):
        return dict(driver.image_ids(references))
    if not isinstance(driver, Images):
        return {}
    # the plan refuses them; an engine would not know what to make of such a name
    references = {one: None for one in references if not in_glance(one)}
    if len(references) > _ONE_BY_ONE:
        all_here = driver.images()
        known = {
            reference: all_here[full]
            for reference in references
            if (full := reference if reference in all_here else f"{reference}:latest") in all_here
        }
    else:
        known = {}
    for reference in references:
        if reference not in known:
            image = driver.image(reference)
            if image is not None:
                known[reference] = image.id
    return known


def _externals(driver: Driver, stack: Stack, services: Sequence[Service]) -> Iterable[str]:
    if isinstance(driver, Networks):
        for network in used_networks(stack, services):
            if network.external and driver.network(network.name) is not None:
                yield f"network:{network.name}"
    if isinstance(driver, Volumes):
        for volume in used_volumes(stack, services):
            if volume.external and driver.volume(volume.name) is not None:
                yield f"volume:{volume.name}"
