"""Mounts of a container -> HostConfig's Binds and Mounts, which differ in what they can say. Pure.

A bind in Binds makes a missing host folder, one in Mounts refuses it; SELinux labels exist only in Binds,
colons in paths, sub-paths and volume labels only in Mounts.
"""

from __future__ import annotations

from typing import Any, assert_never

from zun_compose.container import ContainerSpec
from zun_compose.errors import Unsupported
from zun_compose.model import Mount, MountType

Api = tuple[int, int]
Body = dict[str, Any]


def binds_and_mounts(spec: ContainerSpec, api: Api) -> tuple[list[str], list[Body]]:
    """Return the entries of Binds and of Mounts. Raises Unsupported for what this API cannot carry."""
    binds: list[str] = []
    mounts: list[Body] = []
    for mount in spec.mounts:
        if mount.type is MountType.BIND and _as_bind(mount, api, spec):
            binds.append(_bind_text(mount))
        else:
            mounts.append(_mount_body(mount, api, spec))
    return binds, mounts


def _as_bind(mount: Mount, api: Api, spec: ContainerSpec) -> bool:
    colon = ":" in f"{mount.source}{mount.target}"
    if not mount.create_host_path or colon:
        if mount.selinux:
            raise _unsupported("volumes.bind.selinux without create_host_path", spec)
        if colon and mount.create_host_path and api < (1, 42):
            raise _unsupported(f'a colon in the path of the bind mount on "{mount.target}"', spec)
        return False
    return True


def _bind_text(mount: Mount) -> str:
    options = [
        "ro" if mount.read_only else "rw",
        *(word for word in (mount.selinux, mount.propagation, mount.consistency) if word),
    ]
    return f"{mount.source}:{mount.target}:{','.join(options)}"


def _mount_body(mount: Mount, api: Api, spec: ContainerSpec) -> Body:
    made: Body = {"Type": str(mount.type), "Target": mount.target, "ReadOnly": mount.read_only}
    if mount.source:
        made["Source"] = mount.source
    if mount.consistency:
        made["Consistency"] = mount.consistency
    match mount.type:
        case MountType.BIND:
            made["BindOptions"] = _bind_options(mount)
        case MountType.VOLUME:
            made["VolumeOptions"] = _volume_options(mount, api, spec)
        case MountType.TMPFS:
            made.pop("Source", None)
            made["TmpfsOptions"] = _tmpfs_options(mount)
        case MountType.IMAGE:
            if api < (1, 48):
                raise _unsupported("volumes of type image", spec, "1.48")
            made["ReadOnly"] = True
            made["ImageOptions"] = {"Subpath": mount.subpath or ""}
        case MountType.NPIPE | MountType.CLUSTER:
            raise _unsupported(f"volumes of type {mount.type}", spec)
        case _:
            assert_never(mount.type)
    return made


def _bind_options(mount: Mount) -> Body:
    options: Body = {}
    if mount.propagation:
        options["Propagation"] = mount.propagation
    if mount.create_host_path:
        options["CreateMountpoint"] = True
    return options


def _volume_options(mount: Mount, api: Api, spec: ContainerSpec) -> Body:
    options: Body = {"NoCopy": mount.nocopy}
    if mount.volume_labels:
        options["Labels"] = dict(mount.volume_labels)
    if mount.subpath:
        if api < (1, 45):
            raise _unsupported("volumes.volume.subpath", spec, "1.45")
        options["Subpath"] = mount.subpath
    return options


def _tmpfs_options(mount: Mount) -> Body:
    options: Body = {}
    if mount.tmpfs_size is not None:
        options["SizeBytes"] = mount.tmpfs_size
    if mount.tmpfs_mode is not None:
        options["Mode"] = mount.tmpfs_mode
    return options


def _unsupported(attribute: str, spec: ContainerSpec, version: str = "") -> Unsupported:
    cause = f"needs API {version} or later" if version else "cannot be carried"
    return Unsupported(f'service "{spec.service.name}": {attribute} {cause} on this docker engine')
