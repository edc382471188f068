"""One stack in a folder of its own: zun-compose acts on it, the engine's own API tells what came of it.

Nothing that a test asserts about containers comes from zun-compose: `Site` asks the engine, by labels.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

from docker import DockerClient
from docker.errors import APIError, NotFound

T = TypeVar("T")

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONEOFF = "com.docker.compose.oneoff"
NEVER = "0001-01-01T00:00:00Z"  # the engine's word for a start or an end that has not been
LIMIT = 90.0  # seconds: no command of these tests takes a third of it on a loaded machine
ANONYMOUS = re.compile(r"[0-9a-f]{64}")


def program() -> list[str]:
    """Return the command that runs zun-compose: the installed script, else the module."""
    script = Path(sys.executable).parent / "zun-compose"
    return [str(script)] if script.exists() else [sys.executable, "-m", "zun_compose.cli.main"]


def clean_environment(state: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return our environment without what would choose another stack or state."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
    # The module form must find this checkout from any folder.
    here = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [here, kept.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, "XDG_STATE_HOME": str(state), **(more or {})}


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A command that has ended: both outputs, and our clock when it ended."""

    code: int
    out: str
    err: str
    ended: float

    @property
    def said(self) -> str:
        return f"{self.out}\n{self.err}"

    def rows(self) -> list[dict[str, Any]]:
        """Read its output as one JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]


class Running:
    """A command that runs; in the test's process group, so that only the test signals it."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        limit: float = LIMIT,
    ) -> None:
        self.arguments = list(arguments)
        self.limit = limit
        self.process = subprocess.Popen(
            self.arguments,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, *, stdin: str | None = None, limit: float | None = None) -> Ran:
        """Wait for its end; a command that takes longer than `limit` seconds fails the test."""
        limit = self.limit if limit is None else limit
        try:
            out, err = self.process.communicate(stdin, timeout=limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise AssertionError(f"{self.arguments} did not end within {limit} s:\n{out}\n{err}") from None
        return Ran(code=self.process.returncode, out=out, err=err, ended=time.time())


@dataclass
class Workplace:
    """A stack, its folder, and the commands that act on it."""

    folder: Path
    name: str
    state: Path
    environment: dict[str, str] = field(default_factory=dict)
    _begun: list[Running] = field(default_factory=list)
    limit: float = LIMIT

    # The stack file.

    def write(self, text: str, *, file: str = "compose.yaml") -> Path:
        """Write the stack file; the stack's name goes in front."""
        path = self.folder / file
        path.write_text(f"name: {self.name}\n{dedent(text)}")
        return path

    def put(self, file: str, text: str) -> Path:
        """Write another file beside it."""
        path = self.folder / file
        path.write_text(dedent(text))
        return path

    # Commands.

    def begin(self, *arguments: str, command: Sequence[str] | None = None) -> Running:
        """Start a command and return while it runs; `command` is another program than zun-compose."""
        environment = clean_environment(self.state, self.environment)
        running = Running([*(command or program()), *arguments], self.folder, environment, self.limit)
        self._begun.append(running)
        return running

    def run(
        self,
        *arguments: str,
        expect: int = 0,
        stdin: str | None = None,
        command: Sequence[str] | None = None,
        limit: float | None = None,
    ) -> Ran:
        """Run a command that has to end with the exit code `expect`."""
        ran = self.begin(*arguments, command=command).end(stdin=stdin, limit=limit)
        assert ran.code == expect, f"{arguments} ended with {ran.code}, not {expect}:\n{ran.said}"
        return ran

    def end_commands(self) -> None:
        """Kill what still runs of the commands."""
        for running in self._begun:
            if running.process.poll() is None:
                running.process.kill()
            running.process.communicate()


@dataclass(kw_only=True)
class Site(Workplace):
    """A stack on an engine that tells by its own API what came of it.

    `image` has a shell, `interpreter` a Python. `late` is how many seconds a dependency that is late
    takes, later than any start; `patience` how many its dependent waits where that is in vain. A loaded
    machine may take `slack` seconds more than a bar says.
    """

    engine: DockerClient
    image: str = "busybox"
    interpreter: str = "zun-compose-tests-host"
    late: float = 2.0
    patience: float = 4.0
    slack: float = 9.0

    def containers(self, service: str | None = None, *, oneoff: bool = False) -> list[dict[str, Any]]:
        """Return the engine's `inspect` of the stack's containers, by name."""
        labels = [f"{PROJECT}={self.name}"] + ([f"{SERVICE}={service}"] if service else [])
        found = []
        for summary in self.engine.api.containers(all=True, filters={"label": labels}):
            try:
                seen = self.engine.api.inspect_container(summary["Id"])
            except NotFound:
                continue
            if oneoff or seen["Config"]["Labels"].get(ONEOFF, "False") == "False":
                found.append(seen)
        return sorted(found, key=lambda seen: str(seen["Name"]))

    def container(self, service: str) -> dict[str, Any]:
        """Return the one container of a service."""
        found = self.containers(service)
        assert len(found) == 1, f"{service} has {[one['Name'] for one in found]}"
        return found[0]

    def states(self) -> dict[str, str]:
        """Return each container's state by its name without the stack's."""
        return {self.short(one): str(one["State"]["Status"]) for one in self.containers()}

    def short(self, seen: Mapping[str, Any]) -> str:
        return str(seen["Name"]).removeprefix(f"/{self.name}-")

    def identities(self) -> dict[str, tuple[str, str]]:
        """Return each container's id and moment of start: what a command that does nothing leaves alone."""
        return {
            self.short(one): (str(one["Id"]), str(one["State"]["StartedAt"])) for one in self.containers()
        }

    def logs(self, service: str) -> str:
        """Return what the one container of a service has written."""
        written: bytes = self.engine.api.logs(self.container(service)["Id"])
        return written.decode(errors="replace")

    def inside(self, service: str, *command: str) -> str:
        """Run a command in a service's one container through the engine; it has to succeed."""
        identity = self.engine.api.exec_create(self.container(service)["Id"], list(command))["Id"]
        output: bytes = self.engine.api.exec_start(identity)
        code = self.engine.api.exec_inspect(identity)["ExitCode"]
        assert code == 0, f"{command} in {service} ended with {code}: {output!r}"
        return output.decode(errors="replace")

    def networks(self) -> list[str]:
        found = self.engine.api.networks(filters={"label": f"{PROJECT}={self.name}"})
        return sorted(str(one["Name"]) for one in found)

    def volumes(self) -> list[str]:
        """Return the names of the volumes that carry the stack's label."""
        found = self.engine.api.volumes(filters={"label": f"{PROJECT}={self.name}"})["Volumes"] or ()
        return sorted(str(one["Name"]) for one in found)

    def anonymous(self) -> set[str]:
        """Return the anonymous volumes that the stack's containers hold now."""
        return {name for seen in self.containers(oneoff=True) for name in anonymous_volumes(seen)}

    def has_volume(self, name: str) -> bool:
        try:
            self.engine.api.inspect_volume(name)
        except NotFound:
            return False
        return True

    def left(self) -> dict[str, list[str]]:
        """Return everything of the stack that the engine still has, one-off containers included."""
        everything = {
            "containers": [str(one["Name"]) for one in self.containers(oneoff=True)],
            "networks": self.networks(),
            "volumes": self.volumes(),
        }
        return {kind: names for kind, names in everything.items() if names}

    def clear(self) -> None:
        """Remove the stack through the engine's API, whatever zun-compose thinks of it."""
        self.end_commands()
        api = self.engine.api
        for seen in self.containers(oneoff=True):
            with forgiven():
                api.remove_container(seen["Id"], v=True, force=True)
        for network in self.networks():
            with forgiven():
                api.remove_network(network)
        for volume in self.volumes():
            with forgiven():
                api.remove_volume(volume, force=True)


def forgiven() -> AbstractContextManager[None]:
    """Clear up: what is gone already, or held by something else, is not this test's finding."""
    return suppress(APIError)


def anonymous_volumes(seen: Mapping[str, Any]) -> set[str]:
    """Return the names of a container's anonymous volumes."""
    return {
        str(mount["Name"])
        for mount in seen["Mounts"]
        if mount["Type"] == "volume" and ANONYMOUS.fullmatch(str(mount["Name"]))
    }


def moment(text: str) -> float:
    """Return an engine's time, such as 2026-01-02T03:04:05.678901234Z, in seconds since the epoch."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


def until(look: Callable[[], T], what: str, *, limit: float = 30.0) -> T:
    """Look again and again until something true comes back; fails after `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {limit} s still not: {what}"
        time.sleep(0.05)
