"""The image busybox:latest, made from this machine's static busybox, since no registry is at hand."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.engines import api

NAME = "busybox:latest"


def ensure(url: str) -> str:
    """Import the image where it is missing; returns its name. Raises OSError, LookupError."""
    if api.call(url, "GET", f"/images/{NAME}/json")[0] == 404:
        query = "fromSrc=-&repo=busybox&tag=latest&changes=CMD%20%5B%22sh%22%5D"
        api.ask(url, "POST", f"/images/create?{query}", root())
    return NAME


def program() -> Path:
    """Find a busybox that needs no libraries."""
    found = shutil.which("busybox", path="/bin:/usr/bin:/usr/local/bin")
    if found is None:
        raise LookupError("busybox is missing: apt-get install busybox-static")
    if b"ld-linux" in Path(found).read_bytes()[:4096]:
        raise LookupError(f"{found} is not static: apt-get install busybox-static")
    return Path(found)


def root() -> bytes:
    """Return the image's file system as a tar."""
    binary = program()
    applets = subprocess.run([binary, "--list"], check=True, capture_output=True, text=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder, mode in (
            ("bin", 0o755),
            ("etc", 0o755),
            ("root", 0o700),
            ("run", 0o755),
            ("tmp", 0o1777),
        ):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        for name, text in (("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("etc/group", "root:x:0:\n")):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
        tar.add(binary.resolve(), "bin/busybox", filter=_owned_by_root)
        for applet in applets:
            # one to itself would leave no program at all
            if applet != "busybox":
                entry = tarfile.TarInfo(f"bin/{applet}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(entry)
    return buffer.getvalue()


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry
