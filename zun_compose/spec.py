"""Turns a declared service into what a driver is asked to create. Pure: file contents come in as bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zun_compose import __version__
from zun_compose import labels as names
from zun_compose.container import ContainerSpec, FileContent, Join
from zun_compose.model import Condition, FileMount, FileObject, Mount, MountType, Service, Stack
from zun_compose.plan.digest import config_hash, label_set, service_digests
from zun_compose.record import replace

_STANDARD = {
    Condition.STARTED: "service_started",
    Condition.HEALTHY: "service_healthy",
    Condition.COMPLETED_SUCCESSFULLY: "service_completed_successfully",
    Condition.COMPLETED: "service_completed_successfully",
}


def specify(
    stack: Stack,
    service: Service,
    *,
    name: str,
    number: int,
    image: str,
    image_id: str,
    salt: str,
    file_digests: Mapping[str, str],
    container_of: Callable[[str], str],
    read: Callable[[FileObject], bytes],
    bind_files: bool,
    final_name: str | None = None,
    carried: tuple[Mount, ...] = (),
    oneoff: bool = False,
) -> ContainerSpec:
    """Resolve names, labels, mounts and files of one container.

    `container_of` gives the engine's id of a service's first container (shared namespaces). `read`
    gives the content of a config or secret; with `bind_files` those that are host files are mounted
    instead, unless owner or mode are asked for and a copy can have them. `final_name` is the name after
    a replacement.
    """
    digests = service_digests(stack, service, image_id=image_id, files=file_digests, salt=salt)
    mounts, files = _files(stack, service, read, bind_files=bind_files)
    return ContainerSpec(
        name=name,
        stack=stack.name,
        service=service,
        number=number,
        image=image,
        labels={
            **service.labels,
            **_compose_labels(stack, service, number, image_id, oneoff=oneoff),
            **label_set(digests, salt),
        },
        joins=_joins(stack, service, final_name or name, oneoff=oneoff),
        network_mode=_shared(service.network_mode, container_of),
        pid_mode=_shared(service.pid, container_of),
        ipc_mode=_shared(service.ipc, container_of),
        mounts=(*_mounts(stack, service, carried), *mounts),
        volumes_from=tuple(_volumes_from(entry, container_of) for entry in service.volumes_from),
        files=files,
        oneoff=oneoff,
    )


def coming(
    stack: Stack, service: Service, *, name: str, number: int, final_name: str | None
) -> ContainerSpec:
    """Return what is known of a container before it is its turn to be created: name, service and networks."""
    return ContainerSpec(
        name=name,
        stack=stack.name,
        service=service,
        number=number,
        image="",
        labels={},
        joins=_joins(stack, service, final_name or name, oneoff=False),
    )


def network_labels(stack: Stack, key: str, digests: Mapping[str, str], salt: str) -> dict[str, str]:
    """Return all labels of a network that we create."""
    return {
        **stack.networks[key].labels,
        names.PROJECT: stack.name,
        names.NETWORK: key,
        names.VERSION: __version__,
        **label_set(digests, salt),
    }


def volume_labels(stack: Stack, key: str, digests: Mapping[str, str], salt: str) -> dict[str, str]:
    """Return all labels of a volume that we create."""
    return {
        **stack.volumes[key].labels,
        names.PROJECT: stack.name,
        names.VOLUME: key,
        names.VERSION: __version__,
        **label_set(digests, salt),
    }


def _compose_labels(
    stack: Stack,
    service: Service,
    number: int,
    image_id: str,
    *,
    oneoff: bool,
) -> dict[str, str]:
    edges = ",".join(
        f"{edge.on}:{_STANDARD.get(edge.condition, 'service_started')}:{str(edge.restart).lower()}"
        for edge in service.dependencies
        if not edge.external
    )
    labels = {
        names.PROJECT: stack.name,
        names.SERVICE: service.name,
        names.NUMBER: str(number),
        names.ONEOFF: "True" if oneoff else "False",
        names.VERSION: __version__,
        names.WORKING_DIR: stack.working_dir,
        names.CONFIG_FILES: ",".join(stack.files),
        names.CONFIG_HASH: config_hash(stack, service),
        names.DEPENDS_ON: edges,
    }
    if image_id:
        labels[names.IMAGE] = image_id
    return labels


def _joins(stack: Stack, service: Service, name: str, *, oneoff: bool) -> tuple[Join, ...]:
    joins = []
    ordered = sorted(service.networks or (), key=lambda attachment: -attachment.priority)
    for attachment in ordered:
        own = () if oneoff else (name, service.name)
        aliases = tuple(dict.fromkeys((*own, *attachment.aliases)))
        joins.append(
            Join(network=stack.networks[attachment.network].name, aliases=aliases, attachment=attachment)
        )
    return tuple(joins)


def _mounts(stack: Stack, service: Service, carried: tuple[Mount, ...]) -> tuple[Mount, ...]:
    kept = {mount.target for mount in carried}
    resolved = []
    for mount in service.mounts:
        if mount.type is MountType.VOLUME and mount.source is not None:
            volume = stack.volumes.get(mount.source)
            resolved.append(replace(mount, source=volume.name) if volume is not None else mount)
        elif mount.source is not None or mount.target not in kept:
            resolved.append(mount)
    return (*resolved, *carried)


def _shared(mode: str | None, container_of: Callable[[str], str]) -> str | None:
    """Turn "service:NAME" into "container:ID"."""
    if mode is not None and mode.startswith("service:"):
        return f"container:{container_of(mode.removeprefix('service:'))}"
    return mode


def _volumes_from(entry: str, container_of: Callable[[str], str]) -> str:
    if entry.startswith("container:"):
        return entry.removeprefix("container:")
    service, _, mode = entry.partition(":")
    return f"{container_of(service)}:{mode}" if mode else container_of(service)


def _files(
    stack: Stack, service: Service, read: Callable[[FileObject], bytes], *, bind_files: bool
) -> tuple[tuple[Mount, ...], tuple[FileContent, ...]]:
    mounts, files = [], []
    uses = [(stack.configs[use.source], use, 0o444) for use in service.configs]
    uses += [(stack.secrets[use.source], use, 0o444) for use in service.secrets]
    for thing, use, mode in uses:
        # what cannot be put in is mounted, whatever owner and mode it has; the reader warned of that
        if thing.file is not None and bind_files and (use.plain or service.closed_to(use.target)):
            mount = Mount(
                type=MountType.BIND,
                source=thing.file,
                target=use.target,
                read_only=True,
                create_host_path=False,
            )
            mounts.append(mount)
        else:
            files.append(_content(use, read(thing), mode))
    return tuple(mounts), tuple(files)


def _content(use: FileMount, content: bytes, mode: int) -> FileContent:
    return FileContent(
        target=use.target,
        content=content,
        uid=int(use.uid or 0),
        gid=int(use.gid or 0),
        mode=mode if use.mode is None else use.mode,
    )
