"""The folder that holds all that the local driver knows: there is no daemon, so the files are the truth.

::

    version  engine  lock             the layout's number, this engine's id, the lock of names
    names/NAME -> ID                  container names; taken by being there
    containers/ID/                    see `Place`
    stacks/STACK/containers/ID        what belongs to a stack
    stacks/STACK/own.sock, host.sock  where its keepers listen; see keeper
    keepers.lock                      who starts or ends a keeper; see keepers
    journals/STACK                    what happened; see hints
    volumes/NAME/                     meta.json and data/
    networks/NAME.json
    images/                           see images.store
    proved                            on what ground the kernel let us make namespaces; see probe

Every file is replaced as a whole, so that a reader or a crash meets the old or the new one.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from zun_compose.errors import NotFound, StateError

VERSION = 1
_FOLDERS = ("names", "containers", "stacks", "journals", "volumes", "networks", "images")


def default_root(environment: Mapping[str, str]) -> Path:
    """Return where the driver's folder is by default. Raises StateError if there is no home folder."""
    # XDG Base Directory Specification: a relative path is to be ignored
    given = environment.get("XDG_STATE_HOME", "")
    if given and Path(given).is_absolute():
        return Path(given) / "zun-compose" / "local"
    try:
        return Path.home() / ".local" / "state" / "zun-compose" / "local"
    except RuntimeError as error:
        message = "cannot tell where containers go: there is no home folder; set XDG_STATE_HOME"
        raise StateError(message, code="state.unusable") from error


# What a volume is called that nobody has named, as docker has it.
ANONYMOUS = re.compile(r"[0-9a-f]{64}")


class Place:
    """The folder of one container and the files in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name

    @property
    def spec(self) -> Path:
        """All that was asked (see papers.Blueprint), written once."""
        return self.path / "spec.json"

    @property
    def state(self) -> Path:
        """How it stands (see papers.Account), written by its supervisor."""
        return self.path / "state.json"

    @property
    def name(self) -> Path:
        """Its present name."""
        return self.path / "name"

    @property
    def log(self) -> Path:
        """What it printed; older parts have .1 and .2 added."""
        return self.path / "log"

    @property
    def control(self) -> Path:
        """The supervisor's socket, while there is one."""
        return self.path / "control.sock"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives, and by whoever removes the container."""
        return self.path / "lock"

    @property
    def own_volumes(self) -> Path:
        """Names of volumes that go if it is found half made or half removed, a line each."""
        return self.path / "own-volumes"

    def hold(self) -> int | None:
        """Take the lock until the file returned is closed; None if a supervisor, a copy or a removal has it.

        Raises NotFound if the container is gone.
        """
        gone = f'container "{self.id[:12]}" does not exist'
        try:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            raise NotFound(gone) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if not self.spec.exists():
            os.close(descriptor)
            raise NotFound(gone)
        return descriptor

    @property
    def upper(self) -> Path:
        """What the container changed in its root."""
        return self.path / "upper"

    @property
    def work(self) -> Path:
        """What the kernel needs beside `upper`."""
        return self.path / "work"

    @property
    def writable(self) -> Path:
        """Folders that stand in for the writable ones of the machine's root (image host)."""
        return self.path / "writable"

    def standing_in(self, target: str) -> Path:
        """The folder of ours that lies at a writable place of the machine's root."""
        return self.writable / target.strip("/").replace("/", "-")

    @property
    def files(self) -> Path:
        """Contents of configs and secrets, by number."""
        return self.path / "files"


class Home:
    """The driver's folder; made on first use. Safe from several threads and processes.

    Raises StateError where the folder cannot be used or was made by a newer version.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self._prepare()
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            message = (
                f'cannot use the folder "{root}" for containers: {reason}; make it yours and writable, '
                "or set XDG_STATE_HOME to a folder that is"
            )
            raise StateError(message, code="state.unusable") from error

    def _prepare(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        version = self.root / "version"
        try:
            number = int(version.read_text())
        except FileNotFoundError:
            self.root.chmod(0o700)
            for name in _FOLDERS:
                (self.root / name).mkdir(mode=0o700, exist_ok=True)
            import secrets

            with self.locked():
                if not (self.root / "engine").exists():
                    write(self.root / "engine", secrets.token_hex(16).encode())
            write(version, f"{VERSION}\n".encode())
            return
        except ValueError:
            number = 0
        if number != VERSION:
            why = "was made by a newer zun-compose, which is needed" if number > VERSION else "is not ours"
            message = f'the folder "{self.root}" of the local driver {why}; nothing was changed'
            raise StateError(message, code="state.newer")

    @property
    def engine(self) -> str:
        """This engine's id: random, made once."""
        return (self.root / "engine").read_text().strip()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of names, volumes and networks; calls under it are short."""
        with flocked(self.root / "lock"):
            yield

    @property
    def proved(self) -> Path:
        """On what ground the kernel let us make namespaces; see probe."""
        return self.root / "proved"

    # containers

    def place(self, container: str) -> Place:
        """Return the folder of a container of this full id."""
        return Place(self.root / "containers" / container)

    def find(self, container: str) -> Place:
        """Return the folder of a container by id, name or the beginning of an id. Raises NotFound."""
        place = self.seek(container)
        if place is None:
            raise NotFound(f'container "{container[:12] if _hex(container) else container}" does not exist')
        return place

    def seek(self, container: str) -> Place | None:
        """Return the folder of a container by id, name or the beginning of an id, if there is one."""
        if len(container) == 64 and _hex(container):
            exact = self.place(container)
            return exact if exact.spec.exists() else None
        place = self.named(container)
        if place is None and 4 <= len(container) < 64 and _hex(container):
            found = [name for name in os.listdir(self.root / "containers") if name.startswith(container)]
            place = self.place(found[0]) if len(found) == 1 else None
        return place if place is not None and place.spec.exists() else None

    def named(self, name: str) -> Place | None:
        """Return the folder of the container that has this name."""
        try:
            place = self.place(os.readlink(self.root / "names" / safe(name)))
            # a rename that was cut short leaves two names: the container's own word decides
            return place if place.name.read_text() == name else None
        except OSError:
            return None

    def take_name(self, name: str, container: str) -> bool:
        """Give a name to a container, if it is free; hold the lock."""
        if self.named(name) is not None:
            return False
        link = self.root / "names" / safe(name)
        with suppress(FileNotFoundError):
            link.unlink()
        link.symlink_to(container)
        return True

    def drop_name(self, name: str, container: str) -> None:
        """Free a name if it is that container's; hold the lock."""
        link = self.root / "names" / safe(name)
        with suppress(OSError):
            if os.readlink(link) == container:
                link.unlink()

    def of_stack(self, stack: str) -> tuple[Place, ...]:
        """Return the folders of a stack's containers."""
        try:
            ids = sorted(os.listdir(self.stack(stack) / "containers"))
        except FileNotFoundError:
            return ()
        # one that was just being made or removed when its command was killed is not there
        found = (self.place(container) for container in ids)
        return tuple(place for place in found if place.spec.exists())

    def empty(self, stack: str) -> bool:
        """Whether a stack has no container."""
        try:
            ids = os.listdir(self.stack(stack) / "containers")
        except FileNotFoundError:
            return True
        return not any(self.place(container).spec.exists() for container in ids)

    def every(self) -> tuple[Place, ...]:
        """Return the folders of all containers."""
        ids = sorted(os.listdir(self.root / "containers"))
        return tuple(self.place(container) for container in ids if not container.startswith("."))

    # the rest

    def stack(self, stack: str) -> Path:
        """Return the folder of a stack, which may not exist."""
        return self.root / "stacks" / safe(stack)

    def journal(self, stack: str) -> Path:
        """Return the file that tells what happened in a stack, which may not exist."""
        return self.root / "journals" / safe(stack)

    def volume(self, name: str) -> Path:
        """Return the folder of a volume, which may not exist."""
        return self.root / "volumes" / safe(name)

    def network(self, name: str) -> Path:
        """Return the file of a network, which may not exist."""
        return self.root / "networks" / f"{safe(name)}.json"


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file as a whole; raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        temporary.rename(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_json(path: Path, body: Mapping[str, Any]) -> None:
    """Replace a JSON file as a whole; raises OSError."""
    write(path, json.dumps(body, separators=(",", ":")).encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what a JSON file holds; None if it is gone or not an object (torn by a crash of the machine)."""
    try:
        body = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return body if isinstance(body, dict) else None


@contextmanager
def flocked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, which stays; death releases it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def wipe(path: Path) -> None:
    """Remove a folder, whatever a container made of it; gone is success. Raises OSError."""
    try:
        remove(path)
    except PermissionError:
        from zun_compose.drivers.local.interpreter import environment
        from zun_compose.drivers.local.maps import ranges

        if not ranges():
            raise
        # files of other users, who are only known in a namespace
        words = [sys.executable, "-s", "-m", "zun_compose.drivers.local.wiping", str(path)]
        done = subprocess.run(words, env=environment(), cwd="/", capture_output=True, check=False)
        if done.returncode:
            raise


def remove(path: Path) -> None:
    """Remove a folder with all that is in it, whatever modes there are; gone is success. Raises OSError."""
    if not path.is_dir() or path.is_symlink():
        with suppress(FileNotFoundError):
            path.unlink()
        return
    # the kernel leaves a folder of mode 0 in an overlay's work folder, and containers may do the same
    for parent, folders, _ in os.walk(path):
        for name in folders:
            inner = os.path.join(parent, name)
            try:
                mode = os.lstat(inner).st_mode
                if stat.S_ISDIR(mode) and mode & 0o700 != 0o700:
                    os.chmod(inner, 0o700, follow_symlinks=True)
            except OSError:
                continue
    # not before it is needed: keepers do without
    import shutil

    # somebody else may be at the same work
    with suppress(FileNotFoundError):
        shutil.rmtree(path)


def safe(name: str) -> str:
    """Return a file name for any name: readable where it can be, never a path, never too long."""
    # quote leaves the dot alone, and "." and ".." are folders
    quoted = quote(name, safe="").replace(".", "%2E")
    if 0 < len(quoted) <= 200:
        return quoted
    import hashlib

    return f"%{hashlib.sha256(name.encode()).hexdigest()}"


def _hex(word: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in word)
