"""A Docker engine for tests: the one that answers, or else a private one that lives as long as they do.

`ensure()` serves fixtures and scripts alike; `python -m tests.engines.dockerd COMMAND...` runs a command
with DOCKER_HOST set. ZUN_COMPOSE_PRIVATE_DOCKER=1 asks for a private engine even if one answers.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import api, busybox
from tests.engines.require import missing

DEFAULT = "unix:///var/run/docker.sock"
START = 60.0
STOP = 30.0

# Where every dockerd looks for plug-ins that it does not manage itself: one that is announced there and
# answers no more, such as that of a cloud which was killed, costs 15 seconds at each list of volumes.
PLUGINS = ("/usr/lib/docker/plugins", "/etc/docker/plugins", "/run/docker/plugins")


class Private:
    """A dockerd of our own below one temporary folder.

    In a mount namespace of its own, so that it meets no plug-ins of the machine. Beside another engine it
    gets a network namespace of its own too: two engines in one namespace flush each other's iptables chains
    when they start. Its published ports are then reachable from there only.
    """

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="zun-compose-dockerd-"))
        self.url = f"unix://{self.home}/docker.sock"
        self._log = (self.home / "log").open("wb")
        self._process: subprocess.Popen[bytes] | None = None
        self._command: list[str] = []
        self.beside = False

    def start(self, *arguments: str, beside: bool | None = None) -> None:
        """Start it and wait until it answers. Raises LookupError with its last words if it does not."""
        if os.geteuid() != 0:
            raise LookupError("a private dockerd takes root")
        for program in ("dockerd", "iptables", "ip", "unshare"):
            if shutil.which(program) is None:
                raise LookupError(f"{program} is missing: run tests/engines/provision")
        self._command = [
            "dockerd",
            f"--host={self.url}",
            f"--data-root={self.home}/data",
            f"--exec-root={self.home}/exec",
            f"--pidfile={self.home}/pid",
            "--default-address-pool=base=10.213.0.0/16,size=24",
            *arguments,
        ]
        self.beside = _another_runs() if beside is None else beside
        inside = [f"if test -d {path}; then mount -t tmpfs none {path}; fi" for path in PLUGINS]
        unshare = ["unshare", "--mount", "--propagation", "slave"]
        if self.beside:
            unshare.append("--net")
            inside.append("ip link set lo up")
        script = " && ".join([*inside, 'exec "$@"'])
        self._command = [*unshare, "--", "sh", "-c", script, "sh", *self._command]
        if shutil.which("setpriv"):
            # should this process be killed, the engine must not stay behind
            self._command = ["setpriv", "--pdeathsig", "TERM", "--", *self._command]
        self._launch()

    def _launch(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + START
        while not api.answers(self.url):
            if self._process.poll() is not None or time.monotonic() > deadline:
                words = (self.home / "log").read_text(errors="replace").splitlines()[-5:]
                self.stop()
                raise LookupError("dockerd did not come up: " + " | ".join(words))
            time.sleep(0.05)

    def restart(self) -> None:
        """Stop it and start it again over the same data."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(STOP)
        self._launch()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Remove what it runs, stop it by its process id, leave nothing."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            self._empty()
            process.terminate()
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.close()
        for mount in sorted(self._mounts(), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def _empty(self) -> None:
        """Remove containers and networks, whose processes and bridges would outlive their engine."""
        try:
            for container in api.ask(self.url, "GET", "/containers/json?all=1"):
                api.call(self.url, "DELETE", f"/containers/{container['Id']}?force=1&v=1")
            api.call(self.url, "POST", "/networks/prune")
        except OSError:
            return

    def _mounts(self) -> Iterator[str]:
        for line in Path("/proc/mounts").read_text().splitlines():
            point = line.split()[1]
            if point.startswith(f"{self.home}/"):
                yield point


def _another_runs() -> bool:
    """Whether some dockerd runs in this network namespace, answering or not."""
    here = os.stat("/proc/self/ns/net")
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                there = (process / "ns/net").stat()
                same = (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
                if same and (process / "comm").read_text().strip() == "dockerd":
                    return True
    return False


def _answers(url: str) -> bool:
    """Ask an engine whether it is there; a busy machine gets time to say so."""
    deadline = time.monotonic() + START / 2
    while not api.answers(url):
        there = Path(url.removeprefix("unix://")).exists() and os.geteuid() == 0 and _another_runs()
        if not there or time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


_private: Private | None = None


def namespace() -> int | None:
    """Return a process whose network namespace is the engine's, if that is not this one."""
    return _private.pid if _private is not None and _private.beside else None


def ensure() -> str:
    """Return the URL of an engine that has busybox:latest, starting a private one where needed.

    DOCKER_HOST names it afterwards, so that everything in this process and below meets the same one.
    Raises LookupError if there is none and none can be started.
    """
    global _private
    chosen = os.environ.get("DOCKER_HOST") or DEFAULT
    if _private is None and not chosen.startswith("unix://"):
        return chosen
    if _private is None and (os.environ.get("ZUN_COMPOSE_PRIVATE_DOCKER") == "1" or not _answers(chosen)):
        engine = Private()
        atexit.register(engine.stop)
        engine.start()
        _private = engine
        chosen = engine.url
        os.environ["DOCKER_HOST"] = chosen
        os.environ.pop("DOCKER_CONTEXT", None)
    busybox.ensure(chosen)
    return chosen


@pytest.fixture(scope="session")
def docker_engine() -> str:
    """The URL of a Docker engine with busybox:latest."""
    try:
        return ensure()
    except (LookupError, OSError) as error:
        missing("docker", str(error))


@pytest.fixture(autouse=True)
def _engine_of_docker_tests(request: pytest.FixtureRequest) -> None:
    """Give every test marked docker its engine, also those that only read DOCKER_HOST."""
    if request.node.get_closest_marker("docker"):
        request.getfixturevalue("docker_engine")


def main() -> int:
    """Run a command with an engine."""
    try:
        ensure()
    except (LookupError, OSError) as error:
        sys.stderr.write(f"no docker engine: {error}\n")
        return 1
    return subprocess.run(sys.argv[1:], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
