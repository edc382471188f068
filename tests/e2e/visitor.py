"""A person who comes to this repository anew: an ordinary user with a copy of it and nothing else.

What such a person leaves behind is looked up in the kernel and on the disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
# Where everybody may write; a folder of the visitor's own is in the first.
PUBLIC = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/var/lock")
SETTLED = 5.0  # seconds: processes that were told to end have then ended
_OURS = ("COMPOSE_", "DOCKER_", "MAKE", "MFLAGS", "PYTEST", "PYTHON", "VIRTUAL_ENV", "XDG_", "ZUN_COMPOSE_")


@dataclass(frozen=True)
class Ran:
    """A command that has ended, with the seconds that it took."""

    code: int
    said: str
    seconds: float


@dataclass(frozen=True)
class Visitor:
    """Somebody who works in `folder` with the user id `uid`; nobody else has that, unless it is our own."""

    folder: Path
    uid: int

    @property
    def checkout(self) -> Path:
        """Their copy of this repository."""
        return self.folder / "zun-compose"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def run(
        self, *command: str, where: str = ".", limit: float = 250.0, variables: dict[str, str] | None = None
    ) -> Ran:
        """Run a command in the copy; one that does not end fails the test."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        place = self.checkout / where
        told = {**kept, "HOME": str(self.home), "PATH": PATH, "PWD": str(place), **(variables or {})}
        began = time.monotonic()
        done = subprocess.run(
            command,
            cwd=place,
            env=told,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
            **self._identity(),
        )
        return Ran(done.returncode, done.stdout, time.monotonic() - began)

    def without_namespaces(self) -> tuple[str, ...]:
        """Return what goes before a command for the kernel to refuse it user namespaces.

        The limit is one of a user namespace of the command's own; in it the user has no privilege.
        """
        script = "echo 0 > /proc/sys/user/max_user_namespaces; "
        script += 'exec setpriv --ambient-caps=-all --inh-caps=-all "$@"'
        return ("unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", script, "sh")

    def python(self) -> bool:
        """Whether this user has a Python that the package can be installed with."""
        code = "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))"
        try:
            done = subprocess.run(
                ["python3", "-c", code], cwd="/", env={"PATH": PATH}, check=False, **self._identity()
            )
        except OSError:
            return False
        return done.returncode == 0

    def _identity(self) -> dict[str, Any]:
        return {} if self.uid == os.geteuid() else {"user": self.uid, "group": self.uid, "extra_groups": []}

    # What is left.

    def processes(self) -> dict[int, str]:
        """Return the user's processes, and those that know of the folder; zombies are none."""
        return {pid: what for pid, what in _living() if self._owns(pid) or self._known_to(pid)}

    def _owns(self, pid: int) -> bool:
        with suppress(OSError):
            return self.uid != os.geteuid() and Path(f"/proc/{pid}").stat().st_uid == self.uid
        return False

    def _known_to(self, pid: int) -> bool:
        found = b""
        for name in ("cmdline", "environ", "mountinfo"):
            with suppress(OSError):
                found += Path(f"/proc/{pid}/{name}").read_bytes()
        with suppress(OSError):
            found += os.fsencode(os.readlink(f"/proc/{pid}/cwd"))
        return os.fsencode(self.folder) in found

    def mounts(self) -> list[str]:
        """Return mounts below the folder, in our own view."""
        return [
            line for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.folder) in line
        ]

    def networks(self) -> set[str]:
        """Return the network namespaces of the user's processes, but for the machine's."""
        return {name for name in map(_network, self.processes()) if name} - {_network(os.getpid())}

    def files_elsewhere(self) -> list[str]:
        """Return the user's files outside the copy; what pip caches is left out."""
        if self.uid == os.geteuid():
            return []  # ours are everywhere
        found = subprocess.run(
            ["find", *filter(os.path.isdir, (*PUBLIC, "/home", "/var")), "-xdev", "-user", str(self.uid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.splitlines()
        kept = (str(self.checkout), str(self.home / ".cache" / "pip"))
        known = {str(self.folder), str(self.home), str(self.home / ".cache")}
        return sorted({path for path in found if not path.startswith(kept)} - known)

    def left(self, networks: Set[str] = frozenset()) -> dict[str, object]:
        """Return what is left once all have had time to end; `networks` are those that were seen."""
        deadline = time.monotonic() + SETTLED
        while True:
            everything: dict[str, object] = {
                "processes": self.processes(),
                "mounts": self.mounts(),
                "networks": sorted(networks & {_network(pid) for pid, _ in _living()}),
            }
            found = {kind: what for kind, what in everything.items() if what}
            if not found or time.monotonic() > deadline:
                elsewhere = self.files_elsewhere()
                return {**found, **({"files": elsewhere} if elsewhere else {})}
            time.sleep(0.05)


def arrive(uid: int) -> Visitor:
    """Give a user a folder with what a fresh clone of this working tree would hold."""
    folder = Path(tempfile.mkdtemp(prefix="zce2e-visitor-"))
    folder.chmod(0o755)
    visitor = Visitor(folder, uid)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = visitor.checkout / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    visitor.home.mkdir()
    if uid != os.geteuid():
        for place in (folder, *folder.rglob("*")):
            os.chown(place, uid, uid)
    return visitor


def free_uid() -> int:
    """Return a user id that nobody has: our own unless we are root."""
    if os.geteuid() != 0:
        return os.geteuid()
    taken = {int(Path(f"/proc/{pid}").stat().st_uid) for pid, _ in _living() if Path(f"/proc/{pid}").exists()}
    return next(uid for uid in range(61184 + os.getpid() % 4000, 65520) if uid not in taken)


def _living() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                if command:  # a zombie has none, nor has the kernel
                    yield int(entry.name), command.replace(b"\0", b" ").decode(errors="replace").strip()


def _network(pid: int) -> str:
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/net")
    return ""
