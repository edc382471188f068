"""What an image is, what it says of itself, and how much of it is taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from zun_compose.container import PortKey
from zun_compose.model import Healthcheck
from zun_compose.record import Record, field

MIB = 1024 * 1024


class ImageConfig(Record, kw_only=True):
    """How a container of the image runs unless its service says otherwise (OCI image-spec, "config").

    `working_dir`, `user` and `stop_signal` are empty where the image does not say.
    """

    unshown = ("environment",)

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    user: str = ""
    exposed: tuple[PortKey, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    healthcheck: Healthcheck | None = None


class StoredImage(Record, kw_only=True):
    """One image of the store.

    `id` is the digest of its configuration ("sha256:..."). `references` are its names as Docker prints them
    ("busybox:latest"), `digests` those of the manifests it was pulled by ("busybox@sha256:..."). `layers` are
    unpacked folders, lowest first, to be stacked by overlayfs with `userxattr`. `size` is that of all
    files in bytes, `created` RFC 3339 or empty. `host` marks the machine's own root, which has no layers.
    """

    id: str
    references: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    layers: tuple[Path, ...] = ()
    config: ImageConfig = field(default_factory=ImageConfig)
    size: int = 0
    created: str = ""
    host: bool = False


class Limits(Record, kw_only=True):
    """What is refused as a bomb.

    `size` bytes and `entries` count over one layer, `depth` folders and `path` bytes over one name. A
    layer may grow to `ratio` times its compressed size (deflate itself ends at about 1032); `grace` bytes
    are never too much. `document` bytes bound a manifest, index or configuration: the OCI distribution-spec
    has registries take 4 MiB.
    """

    size: int = 64 * 1024 * MIB
    entries: int = 1_000_000
    depth: int = 128
    path: int = 4095
    ratio: int = 200
    grace: int = 64 * MIB
    document: int = 4 * MIB


LIMITS = Limits()
