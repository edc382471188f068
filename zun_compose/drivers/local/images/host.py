"""The pseudo image "host": the machine's own root, read-only underneath. There is nothing to store."""

from __future__ import annotations

import hashlib
import platform
import sys
from functools import cache
from pathlib import Path

from zun_compose.drivers.local.images.records import ImageConfig, StoredImage

NAME = "host"
REFERENCE = f"{NAME}:latest"
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_RELEASES = ("/etc/os-release", "/usr/lib/os-release")


@cache
def host_image() -> StoredImage:
    """Return the machine as an image. Its id changes with its release and its Python only."""
    release = next((Path(name).read_bytes() for name in _RELEASES if Path(name).is_file()), b"")
    own = f"{platform.machine()}\0{sys.base_prefix}\0{sys.version}".encode()
    digest = hashlib.sha256(b"\0".join((b"host", release, own))).hexdigest()
    # A Python outside the usual places is on the path first, so that "python3" means the one we run on.
    folder = f"{sys.base_prefix}/bin"
    path = _PATH if folder in _PATH else (folder, *_PATH)
    return StoredImage(
        id=f"sha256:{digest}",
        references=(REFERENCE,),
        config=ImageConfig(environment={"PATH": ":".join(path)}),
        host=True,
    )


def is_host(reference: str) -> bool:
    """Whether a name stands for the machine itself."""
    return reference in (NAME, REFERENCE)
