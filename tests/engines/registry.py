"""A real image registry on the loopback address: Debian's docker-registry as a plain process."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import api, dockerd
from tests.engines.require import missing

START = 30.0
USER = "fruit"
PASSWORD = "mango"
# bcrypt of PASSWORD at its lowest cost: the registry takes no other kind
_HASH = "$2b$05$abcdefghijklmnopqrstuuYTY.f6IvLHMg97wSJ.0mUCRdCNvpG3y"


class Registry:
    """One registry; with `login` it asks for USER and PASSWORD."""

    def __init__(self, engine: str, *, login: bool = False) -> None:
        self._engine = engine
        self._home = Path(tempfile.mkdtemp(prefix="zun-compose-registry-"))
        self._login = login
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"

    def start(self) -> None:
        """Start it and wait until it listens. Raises LookupError if it does not."""
        program = shutil.which("docker-registry")
        if program is None:
            raise LookupError("docker-registry is missing: run tests/engines/provision")
        settings = {
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": f"{self._home}/data"}},
            "http": {"addr": self.address},
        }
        if self._login:
            (self._home / "users").write_text(f"{USER}:{_HASH}\n")
            settings["auth"] = {"htpasswd": {"realm": "tests", "path": f"{self._home}/users"}}
        # JSON is YAML too
        (self._home / "config.yml").write_text(json.dumps(settings))
        command = [program, "serve", f"{self._home}/config.yml"]
        inside = dockerd.namespace()
        if inside is not None:
            command = ["nsenter", f"--net=/proc/{inside}/ns/net", "--", *command]
        log = self._home / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
            )
        deadline = time.monotonic() + START
        while "listening on" not in log.read_text(errors="replace"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                words = log.read_text(errors="replace").splitlines()[-3:]
                self.stop()
                raise LookupError("docker-registry did not come up: " + " | ".join(words))
            time.sleep(0.05)

    def push(self, image: str, name: str) -> str:
        """Put an image of the engine into the registry; returns its reference there, not kept locally."""
        repository = f"{self.address}/{name}"
        api.ask(self._engine, "POST", f"/images/{image}/tag?repo={repository}&tag=latest")
        who = {"username": USER, "password": PASSWORD, "serveraddress": self.address}
        header = base64.urlsafe_b64encode(json.dumps(who).encode()).decode()
        told = api.ask(
            self._engine, "POST", f"/images/{repository}/push?tag=latest", headers={"X-Registry-Auth": header}
        )
        if told.get("error"):
            raise OSError(f"push of {repository}: {told['error']}")
        api.ask(self._engine, "DELETE", f"/images/{repository}:latest")
        return f"{repository}:latest"

    def stop(self) -> None:
        """Stop it and remove its folder."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(10)
        shutil.rmtree(self._home, ignore_errors=True)


def _running(engine: str, *, login: bool) -> Iterator[Registry]:
    made = Registry(engine, login=login)
    try:
        made.start()
    except (LookupError, OSError) as error:
        missing("registry", str(error))
    yield made
    made.stop()


@pytest.fixture(scope="session")
def registry(docker_engine: str) -> Iterator[Registry]:
    """A registry that serves everybody."""
    yield from _running(docker_engine, login=False)


@pytest.fixture(scope="session")
def private_registry(docker_engine: str) -> Iterator[Registry]:
    """A registry that asks who is there."""
    yield from _running(docker_engine, login=True)
