"""Why an existing container is not what the file asks for, in one cause."""

from __future__ import annotations

from zun_compose import labels as names
from zun_compose.container import Observed, State
from zun_compose.model import Network, Service, Stack, Volume
from zun_compose.plan import digest
from zun_compose.plan.world import World

_PEER = "made by docker compose"


def container_cause(stack: Stack, service: Service, seen: Observed, world: World) -> str | None:
    """Return why the container must be recreated, or None if it is as declared."""
    if seen.state in (State.DEAD, State.REMOVING):
        return f"is {seen.state.value}"
    if not names.ours(seen.labels):
        return _PEER
    scheme = seen.labels[names.SCHEME]
    if scheme != str(digest.SCHEME_NUMBER):
        return f"was made by another zun-compose, label scheme {scheme}"
    image_id = world.images.get(image_of(stack, service), "" if world.has_images else service.image or "")
    wanted = digest.service_digests(
        stack,
        service,
        image_id=image_id,
        files=world.file_digests,
        salt=seen.labels.get(names.SALT, ""),
    )
    existing = names.digests(seen.labels)
    if not image_id:
        wanted.pop("image", None)
        existing.pop("image", None)
    differs = digest.changed(existing, wanted)
    return f"changed: {', '.join(differs)}" if differs else None


def network_changes(network: Network, labels: dict[str, str]) -> tuple[str, ...]:
    """Name the attributes of a network that changed; a network not made by us never counts as changed."""
    if not names.ours(labels):
        return ()
    return digest.changed(names.digests(labels), digest.network_digests(network, labels.get(names.SALT, "")))


def volume_changes(volume: Volume, labels: dict[str, str]) -> tuple[str, ...]:
    """Name the attributes of a volume that changed; a volume not made by us never counts as changed."""
    if not names.ours(labels):
        return ()
    return digest.changed(names.digests(labels), digest.volume_digests(volume, labels.get(names.SALT, "")))


def image_of(stack: Stack, service: Service) -> str:
    """Return the image reference a service runs; built ones without a name get the stack's."""
    return service.image or f"{stack.name}-{service.name}"
