"""A home of the test's own, and containers in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from zun_compose import labels
from zun_compose.container import ContainerSpec, Observed, State
from zun_compose.drivers.local import connect
from zun_compose.drivers.local.driver import LocalDriver
from zun_compose.drivers.local.home import Home
from zun_compose.drivers.local.papers import Account
from zun_compose.linux.proc import start_time
from zun_compose.model import Service

T = TypeVar("T")
STACK = "bench"
_ASKED = ("joins", "mounts", "files", "network_mode", "pid_mode", "ipc_mode", "oneoff", "auto_remove")


def until(question: Callable[[], T], seconds: float = 20.0) -> T:
    """Ask until the answer is true."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"still {answer!r} after {seconds:g} s")
        time.sleep(0.01)


def gone(pid: int | None) -> bool:
    """Whether a process has ended (a zombie that its new parent does not reap counts as ended)."""
    return start_time(pid or 0) is None


class Bench:
    """A driver with short words for what tests do."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root
        self.driver: LocalDriver = connect(str(root), **settings)
        self.home = Home(root)

    def create(self, *command: str, name: str = "web", image: str = "host", **declared: Any) -> str:
        asked = {key: declared.pop(key) for key in _ASKED if key in declared}
        mode = asked.get("network_mode")
        service = Service(name=name, image=image, command=command, network_mode=mode, **declared)
        own = {labels.PROJECT: STACK, labels.SERVICE: name}
        spec = ContainerSpec(
            name=f"{STACK}-{name}-1", stack=STACK, service=service, number=1, image=image, labels=own, **asked
        )
        return self.driver.create(spec)

    def run(self, *command: str, **declared: Any) -> str:
        container = self.create(*command, **declared)
        self.driver.start(container)
        return container

    def output(self, *command: str, **declared: Any) -> str:
        """Run to its end and return what it printed."""
        container = self.run(*command, **declared)
        seen = self.ended(container)
        text = "\n".join(line.text for line in self.driver.logs(container))
        assert seen.exit_code == 0, text
        self.driver.remove(container)
        return text

    def shell(self, script: str, **declared: Any) -> str:
        return self.output("sh", "-c", script, **declared)

    def inside(self, container: str, script: str) -> str:
        result = self.driver.execute(container, ["sh", "-c", script], timeout=20)
        assert result.exit_code == 0, result.output
        return result.output.strip()

    def ended(self, container: str) -> Observed:
        until(lambda: self.driver.inspect(container).state is State.EXITED)
        return self.driver.inspect(container)

    def account(self, container: str) -> Account:
        return Account.load(self.home.place(container))

    def keeper(self) -> int:
        """The pid of the stack's keeper: the parent of its supervisors."""
        container = self.driver.list(STACK)[0].id
        supervisor = self.account(container).supervisor
        fields = Path(f"/proc/{supervisor}/stat").read_text().rpartition(")")[2].split()
        return int(fields[1])

    def empty(self) -> None:
        for seen in self.driver.list(STACK):
            self.driver.remove(seen.id, force=True, volumes=True)
        for network in self.driver.networks(STACK):
            self.driver.remove_network(network.name)
        for volume in self.driver.volumes(STACK):
            self.driver.remove_volume(volume.name)
        self.driver.close()
