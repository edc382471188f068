"""Mounts that were asked -> mounts with paths: volumes made and seeded, sources looked up."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zun_compose.container import ContainerSpec
from zun_compose.drivers.local.home import Home, write_json
from zun_compose.drivers.local.papers import Blueprint, Fixture
from zun_compose.drivers.local.removing import MadeVolumes
from zun_compose.drivers.local.seeding import seed
from zun_compose.errors import Rejected, Unsupported
from zun_compose.model import Mount, MountType
from zun_compose.record import replace


class Fixtures:
    """Resolves mounts; safe from several threads."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def of(self, spec: ContainerSpec, image: Any, volumes: MadeVolumes) -> tuple[Fixture, ...]:
        """Return all mounts of a container; names of volumes made for it are added to `volumes`.

        Raises NotFound, Rejected, Unsupported naming what cannot be mounted.
        """
        service = spec.service
        found: dict[str, Fixture] = {}
        covered = {mount.target for mount in spec.mounts} | {one.partition(":")[0] for one in service.tmpfs}
        for target in image.config.volumes:
            if target not in covered:
                mount = Mount(type=MountType.VOLUME, target=target)
                found[target] = self._volume(mount, image, volumes)
        for entry in spec.volumes_from:
            container, _, mode = entry.partition(":")
            for fixture in Blueprint.load(self._home.find(container)).mounts:
                read_only = fixture.read_only or mode == "ro"
                found[fixture.target] = replace(fixture, read_only=read_only, anonymous=False)
        for entry in service.tmpfs:
            fixture = tmpfs(entry)
            found[fixture.target] = fixture
        for mount in spec.mounts:
            found[mount.target] = self._mount(mount, spec, image, volumes)
        for device in service.devices:
            if not Path(device.source).exists():
                raise Rejected(f'service "{service.name}": there is no device "{device.source}"')
            found[device.target] = Fixture(kind="device", target=device.target, source=device.source)
        return tuple(found.values())

    def _mount(self, mount: Mount, spec: ContainerSpec, image: Any, volumes: MadeVolumes) -> Fixture:
        if mount.type is MountType.VOLUME:
            return self._volume(mount, image, volumes)
        if mount.type is MountType.TMPFS:
            return Fixture(kind="tmpfs", target=mount.target, size=mount.tmpfs_size, mode=mount.tmpfs_mode)
        if mount.type is not MountType.BIND:
            raise Unsupported(
                f'service "{spec.service.name}": the local driver has no mounts of type {mount.type}'
            )
        source = Path(mount.source or "")
        if not source.exists():
            if not mount.create_host_path:
                raise Rejected(f'service "{spec.service.name}": bind source "{source}" does not exist')
            source.mkdir(parents=True, exist_ok=True)
        return Fixture(kind="bind", target=mount.target, source=str(source), read_only=mount.read_only)

    def _volume(self, mount: Mount, image: Any, volumes: MadeVolumes) -> Fixture:
        anonymous = mount.source is None
        name = mount.source or secrets.token_hex(32)
        folder = self._home.volume(name)
        if not (folder / "data").is_dir():
            # Docker too makes volumes that nobody has made before
            made = dict(mount.volume_labels) if anonymous else {}
            if anonymous:
                # before it is there: nobody else would ever find it
                volumes.add(name)
            with self._home.locked():
                make_volume(self._home, name, made)
            if not anonymous:
                # after it: what another has made meanwhile is not ours to take back
                volumes.add(name)
        data = folder / "data"
        if image.layers and not mount.nocopy and not mount.subpath and not any(data.iterdir()):
            seed(image.layers, mount.target, data)
        if mount.subpath:
            data = data / mount.subpath
            if not data.resolve().is_relative_to(folder.resolve()) or not data.exists():
                raise Rejected(f'volume "{name}" has no folder "{mount.subpath}"')
        return Fixture(
            kind="volume",
            target=mount.target,
            source=str(data),
            volume=name,
            anonymous=anonymous,
            read_only=mount.read_only,
        )


def make_volume(home: Home, name: str, carried: Mapping[str, str], driver: str = "local") -> None:
    """Make a volume's folder; hold the home's lock. Raises FileExistsError if there is one."""
    folder = home.volume(name)
    if folder.exists():
        raise FileExistsError(folder)
    # aside: one that is there is whole, and is listed
    making = folder.with_name(f".new-{secrets.token_hex(8)}")
    making.mkdir(mode=0o700)
    (making / "data").mkdir(mode=0o755)
    write_json(making / "meta.json", {"format": 1, "name": name, "driver": driver, "labels": dict(carried)})
    making.rename(folder)


def tmpfs(entry: str) -> Fixture:
    """Read "TARGET:size=1m,mode=700". Raises Rejected."""
    target, _, options = entry.partition(":")
    size, mode = None, None
    for option in filter(None, options.split(",")):
        name, _, value = option.partition("=")
        if name == "size":
            size = size_of(value)
        elif name == "mode":
            mode = int(value, 8)
    return Fixture(kind="tmpfs", target=target, size=size, mode=mode)


def size_of(word: str) -> int | None:
    """Read a size such as "10m"; None stands for no limit. Raises Rejected."""
    number, unit = word.rstrip("kKmMgGbB"), word.lower().rstrip("b")[-1:]
    if not number.isdigit():
        raise Rejected(f'"{word}" is not a size of a tmpfs')
    return int(number) * {"k": 1024, "m": 1024**2, "g": 1024**3}.get(unit, 1) or None
