"""Networks, volumes and images that the containers of a plan stand on."""

from __future__ import annotations

from collections.abc import Iterable

from zun_compose.errors import Fault, SpecError
from zun_compose.model import Build, Network, Service, Stack, Volume
from zun_compose.options import PullPolicy, UpOptions
from zun_compose.plan.divergence import image_of, network_changes, volume_changes
from zun_compose.plan.steps import Step, Verb
from zun_compose.plan.world import World
from zun_compose.record import replace


def used_networks(stack: Stack, services: Iterable[Service]) -> list[Network]:
    """Return the declared networks that these services join, in file order."""
    if not stack.networks:
        return []
    keys = {attachment.network for service in services for attachment in service.networks or ()}
    return [network for key, network in stack.networks.items() if key in keys]


def used_volumes(stack: Stack, services: Iterable[Service]) -> list[Volume]:
    """Return the declared volumes that these services mount, in file order."""
    if not stack.volumes:
        return []
    keys = {mount.source for service in services for mount in service.mounts}
    return [volume for key, volume in stack.volumes.items() if key in keys]


def changed_networks(stack: Stack, services: Iterable[Service], world: World) -> dict[str, tuple[str, ...]]:
    """Return keys of existing networks whose declaration changed, with the attributes that did."""
    seen = {network.name: network for network in world.networks}
    found = {}
    for network in used_networks(stack, services):
        if not network.external and network.name in seen:
            changes = network_changes(network, dict(seen[network.name].labels))
            if changes:
                found[network.key] = changes
    return found


def network_steps(stack: Stack, services: Iterable[Service], world: World) -> list[Step]:
    """Return a step for each network that is not there; raises SpecError for missing external ones."""
    seen = {network.name for network in world.networks}
    steps, faults = [], []
    for network in used_networks(stack, services):
        if network.external:
            if f"network:{network.name}" not in world.externals:
                what = f'network "{network.name}" is declared external but does not exist'
                hint = "create it first, or drop external"
                faults.append(Fault(code="plan.external_missing", what=what, mark=network.mark, hint=hint))
        elif network.name not in seen:
            steps.append(network_step(network, "does not exist"))
    if faults:
        raise SpecError(faults)
    return steps


def network_step(network: Network, cause: str) -> Step:
    """Return the step that creates a network."""
    verb = Verb.CREATE_NETWORK
    return Step(
        id=f"{verb.value} {network.key}", verb=verb, subject=network.name, cause=cause, handle=network.key
    )


def volume_steps(stack: Stack, services: Iterable[Service], world: World) -> list[Step]:
    """Return a step for each volume that is not there.

    Raises SpecError for missing external ones, and for existing ones whose options changed: `up`
    never replaces a volume.
    """
    seen = {volume.name: volume for volume in world.volumes}
    verb = Verb.CREATE_VOLUME
    steps, faults = [], []
    for volume in used_volumes(stack, services):
        if volume.external:
            if f"volume:{volume.name}" not in world.externals:
                what = f'volume "{volume.name}" is declared external but does not exist'
                hint = "create it first, or drop external"
                faults.append(Fault(code="plan.external_missing", what=what, mark=volume.mark, hint=hint))
        elif volume.name not in seen:
            identity = f"{verb.value} {volume.key}"
            step = Step(
                id=identity, verb=verb, subject=volume.name, cause="does not exist", handle=volume.key
            )
            steps.append(step)
        elif changes := volume_changes(volume, dict(seen[volume.name].labels)):
            what = (
                f'volume "{volume.name}" exists with other options '
                f"(changed: {', '.join(changes)}), and up never replaces a volume"
            )
            hint = "restore the options, name another volume, or remove it yourself"
            faults.append(Fault(code="plan.volume_changed", what=what, mark=volume.mark, hint=hint))
    if faults:
        raise SpecError(faults)
    return steps


def image_steps(
    stack: Stack, services: Iterable[Service], world: World, options: UpOptions, *, fresh: bool
) -> list[Step]:
    """Return the pulls and builds; `fresh` False leaves out those that are only refreshes.

    Raises SpecError where an image is missing and may not be pulled.
    """
    steps: dict[str, Step] = {}
    faults = []
    for service in services:
        reference = image_of(stack, service)
        present = reference in world.images
        if not world.has_images or reference in steps or service.replicas == 0:
            continue
        policy = options.pull.value if options.pull is not None else service.pull_policy or "missing"
        if service.build is not None and policy in ("missing", "build", "if_not_present", "never"):
            cause = "asked to build" if options.build or policy == "build" else "does not exist"
            if present and not (fresh and cause == "asked to build"):
                continue
            if options.no_build:
                what = f'image "{reference}" of service "{service.name}" is not built, and --no-build is set'
                faults.append(Fault(code="plan.not_built", what=what, mark=service.mark))
                continue
            steps[reference] = Step(
                id=f"build {reference}",
                verb=Verb.BUILD,
                subject=reference,
                cause=cause,
                service=service.name,
                build=_build(service.build, service.platform),
                platform=service.platform,
            )
            continue
        always = policy == PullPolicy.ALWAYS.value
        if present and not (fresh and always):
            continue
        if policy == PullPolicy.NEVER.value:
            what = f'image "{reference}" of service "{service.name}" is not here, and is never pulled'
            faults.append(
                Fault(code="plan.image_missing", what=what, mark=service.mark, hint="pull or load it first")
            )
            continue
        steps[reference] = Step(
            id=f"pull {reference}",
            verb=Verb.PULL,
            subject=reference,
            cause="pull policy is always" if present else "is not here",
            service=service.name,
            platform=service.platform,
        )
    if faults:
        raise SpecError(faults)
    return list(steps.values())


def _build(build: Build, platform: str | None) -> Build:
    """Return the build for the one platform that the service runs on, if it says which."""
    return build if platform is None else replace(build, platforms=(platform,))
