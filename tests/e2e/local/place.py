"""One stack on the local driver, in a folder and a state of its own.

What a test asserts of processes comes from the kernel, of data from the files that services wrote; what
`ps` says is compared with both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.local.kernel import MARK, Process, Traces, marked
from tests.e2e.site import Running, Workplace, program, until

SLEEP = ("sleep", "3600")
SETTLED = 3.0  # seconds: helpers end by themselves once what they help has ended


@dataclass(kw_only=True)
class Place(Workplace):
    """A stack and its traces. `before` comes in front of the command: another user's, say."""

    before: Sequence[str] = ()
    options: Sequence[str] = ("--driver", "local")
    program: Sequence[str] = field(default_factory=program)
    traces: Traces = field(init=False)

    def __post_init__(self) -> None:
        self.traces = Traces(self.home)

    @property
    def home(self) -> Path:
        """Where the driver keeps what it knows."""
        return self.state / "zun-compose" / "local"

    def stack(self, services: Mapping[str, Mapping[str, Any]], **top: Any) -> None:
        """Write the stack file (JSON is YAML): each service runs on the image host and carries its mark."""
        written = {
            name: {
                "image": "host",
                "init": True,
                "command": SLEEP,
                **declared,
                "environment": {MARK: f"{self.name}/{name}", **declared.get("environment", {})},
            }
            for name, declared in services.items()
        }
        text = json.dumps({"name": self.name, "services": written, **top}, indent=1)
        (self.folder / "compose.yaml").write_text(text)

    def begin(self, *arguments: str, command: Sequence[str] | None = None) -> Running:
        return super().begin(*arguments, command=command or [*self.before, *self.program, *self.options])

    # What the kernel says.

    def processes(self, service: str) -> list[Process]:
        """Return a service's processes, the eldest first."""
        return marked(f"{self.name}/{service}")

    def process(self, service: str) -> Process:
        """Return the eldest process of a service, which has to run."""
        found = self.processes(service)
        assert found, f"{service} does not run"
        return found[0]

    def pid(self, service: str) -> int:
        """Return the eldest process's pid of a service, 0 if none runs."""
        found = self.processes(service)
        return found[0].pid if found else 0

    # What zun-compose says.

    def ps(self) -> dict[str, dict[str, Any]]:
        """Return the rows of `ps` by the container's name without the stack's."""
        rows = self.run("ps", "-a", "--format", "json").rows()
        return {str(row["Name"]).removeprefix(f"{self.name}-"): row for row in rows}

    def states(self) -> dict[str, str]:
        return {name: str(row["State"]) for name, row in self.ps().items()}

    def logs(self, service: str) -> str:
        return self.run("logs", "--no-log-prefix", service).out

    def inside(self, service: str, *command: str, expect: int = 0) -> str:
        """Run a command in a service's container."""
        return self.run("exec", "-T", service, *command, expect=expect).out

    def record(self, container: str) -> dict[str, Any]:
        """Return the driver's own record of a container, by the name without the stack's."""
        folder = self.home / "names" / f"{self.name}-{container}"
        return dict(json.loads((self.home / "containers" / folder.readlink() / "state.json").read_text()))

    # The end.

    def down(self, *more: str) -> None:
        """Take the stack down with its volumes, and see that nothing is left of it."""
        self.run("down", "-v", "-t", "1", *more)
        self.gone()

    def gone(self) -> None:
        """Fails if anything of the stack is left."""
        try:
            until(lambda: not self.traces.left(), "nothing is left", limit=SETTLED)
        except AssertionError:
            raise AssertionError(f"left: {json.dumps(self.traces.left(), indent=1)}") from None

    def clear(self) -> None:
        """End the stack after the test, whatever became of it."""
        self.end_commands()
        self.begin("down", "-v", "-t", "0").end()
        self.traces.reap(frozenset(one.process.pid for one in self._begun))
