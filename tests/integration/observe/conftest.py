"""A real engine, seen through the few calls that observers need, and real network namespaces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from zun_compose.container import ExecResult, LogLine, Observed, PortKey, State
from zun_compose.driver import EngineInfo
from zun_compose.errors import DriverTimeout, NotFound
from zun_compose.sighting import SocketReading

PREFIX = "zc-observe"
INFO = EngineInfo(id="test", driver="cli", name="test")


class Cli:
    """The docker command as a driver: inspect, exec and logs are all that observers call."""

    name = "cli"

    def __init__(self) -> None:
        self.executed: list[tuple[str, ...]] = []

    def inspect(self, container: str) -> Observed:
        done = docker("inspect", "--type", "container", container, check=False)
        if done.returncode:
            raise NotFound(container)
        seen = json.loads(done.stdout)[0]
        state = seen["State"]
        return Observed(
            id=seen["Id"],
            name=seen["Name"].lstrip("/"),
            service=seen["Name"].lstrip("/"),
            number=1,
            state=State(state["Status"]),
            detailed=True,
            pid=state["Pid"] or None,
            started_at=state["StartedAt"],
            finished_at=state["FinishedAt"],
            runtime=seen["HostConfig"]["Runtime"],
            network_mode=seen["HostConfig"]["NetworkMode"],
            addresses={
                name: network["IPAddress"]
                for name, network in seen["NetworkSettings"]["Networks"].items()
                if network["IPAddress"]
            },
        )

    def execute(
        self,
        container: str,
        command: Sequence[str],
        *,
        timeout: float,
        environment: Mapping[str, str] | None = None,
        **_: object,
    ) -> ExecResult:
        self.executed.append(tuple(command))
        options = [word for name in environment or {} for word in ("-e", name)]
        try:
            done = subprocess.run(
                ["docker", "exec", *options, container, *command],
                env={**os.environ, **(environment or {})},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DriverTimeout(container) from error
        return ExecResult(exit_code=done.returncode, output=done.stdout)

    def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        until: float | None = None,
        timestamps: bool = False,
    ) -> Iterator[LogLine]:
        options = ["--timestamps"]
        options += [] if tail is None else ["--tail", str(tail)]
        options += [] if since is None else ["--since", f"{since:.9f}"]
        done = docker("logs", *options, container, check=False)
        if done.returncode:
            raise NotFound(container)
        for line in done.stdout.splitlines():
            at, _, text = line.partition(" ")
            yield LogLine(text=text, at=at if timestamps else None)


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=check, timeout=60)


@pytest.fixture(scope="session")
def _engine() -> None:
    try:
        done = docker("image", "inspect", "busybox:latest", check=False)
    except OSError as error:
        pytest.skip(f"no docker command: {error}")
    if done.returncode:
        pytest.skip(f"no engine with busybox answers: {done.stderr.strip()[:200]}")


Run = Callable[..., Observed]


@pytest.fixture
def driver(_engine: None) -> Cli:
    return Cli()


@pytest.fixture
def run(driver: Cli) -> Iterator[Run]:
    """Start a container of busybox: run("sh", "-c", "...", options=["--network", "host"])."""
    made: list[str] = []

    def start(*command: str, options: Sequence[str] = (), only_create: bool = False) -> Observed:
        name = f"{PREFIX}-{uuid.uuid4().hex[:10]}"
        made.append(name)
        docker("create", "--name", name, *options, "busybox:latest", *command)
        if not only_create:
            docker("start", name)
        return driver.inspect(name)

    yield start
    for name in reversed(made):
        docker("rm", "-f", "-v", name, check=False)


def until(look: Callable[[], SocketReading], port: int, protocol: str = "tcp") -> SocketReading:
    """Look until the port listens; fails with the last reading after 20 s."""
    deadline = time.monotonic() + 20
    while True:
        reading = look()
        if PortKey(port, protocol) in reading.listening:
            return reading
        if time.monotonic() > deadline:
            pytest.fail(f"{port}/{protocol} never listened: {reading}")
        time.sleep(0.02)


SERVER = """
import socket, sys
kept = []
def tcp(family, address, port, only6=None):
    s = socket.socket(family, socket.SOCK_STREAM)
    if only6 is not None:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only6)
    s.bind((address, port)); s.listen(); kept.append(s)
def udp(family, address, port, peer=None):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind((address, port))
    if peer: s.connect(peer)
    kept.append(s)
four, six = socket.AF_INET, socket.AF_INET6
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Child:
    """A python process in a network namespace of its own, told line by line what to bind."""

    def __init__(self, *, namespaced: bool = True) -> None:
        wrap = ["unshare", "--net"] if namespaced else []
        self.process = subprocess.Popen(
            [*wrap, sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer("ready")
        self.pid = self.process.pid
        if namespaced:
            # A fresh namespace has its loopback down, which is enough to bind but not to connect.
            subprocess.run(
                ["nsenter", "-t", str(self.pid), "-n", "ip", "link", "set", "lo", "up"],
                check=True,
                timeout=10,
            )

    def do(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        self._answer("done")

    def _answer(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture
def child() -> Iterator[Child]:
    if os.geteuid() != 0:
        pytest.skip("only root may make network namespaces")
    made = Child()
    yield made
    made.end()
