"""What every scenario works with: the contenders, the engine, and the folder of its stack files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contenders import ROOT, Contender, Failed

if TYPE_CHECKING:
    import docker

Timed = Callable[[Contender, Path], Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run of the bench. `runs` is how often each contender takes its turn."""

    ours: Contender
    peer: Contender
    engine: docker.DockerClient
    runs: int

    def write(self, scenario: str, services: Mapping[str, Any], **top: Any) -> Path:
        """Write a stack file (JSON is YAML) and return its path."""
        folder = ROOT / ".bench" / "stacks" / scenario
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "compose.yaml"
        file.write_text(json.dumps({"services": services, **top}, indent=1))
        return file

    def alternate(
        self, file: Path, timed: Timed, *, who: Sequence[Contender] = ()
    ) -> dict[str, dict[str, list[float]]]:
        """Let the contenders take turns, changing who goes first; returns values by measure and contender."""
        chosen = tuple(who) or (self.ours, self.peer)
        found: dict[str, dict[str, list[float]]] = {}
        for contender in chosen:
            contender.clear(file)
        for number in range(self.runs):
            for contender in chosen if number % 2 == 0 else tuple(reversed(chosen)):
                values = self._turn(timed, contender, file)
                for measure, value in values.items():
                    found.setdefault(measure, {}).setdefault(contender.name, []).append(value)
                said = ", ".join(f"{measure} {value:.2f}" for measure, value in values.items())
                print(f"  {number + 1}/{self.runs} {contender.name}: {said}", file=sys.stderr, flush=True)
        return found

    def _turn(self, timed: Timed, contender: Contender, file: Path) -> Mapping[str, float]:
        """Let a contender take its turn. A turn that the peer fails is said and taken again, once."""
        try:
            return timed(contender, file)
        except Failed as error:
            if contender is self.ours:
                raise
            print(f"  taken again: {error}", file=sys.stderr, flush=True)
            contender.clear(file)
            return timed(contender, file)
        finally:
            contender.clear(file)


def listener(*, delay: float = 0.0, **more: Any) -> dict[str, Any]:
    """Return a service that listens on 8080 after `delay` seconds; `init` lets it stop at once."""
    start = "exec httpd -f -p 8080"
    command = start if delay == 0 else f"sleep {delay}; {start}"
    return {"image": "busybox", "init": True, "command": ["sh", "-c", command], **more}


def check(**times: Any) -> dict[str, Any]:
    """Return a healthcheck that is true once 8080 accepts a connection."""
    return {"test": ["CMD", "nc", "127.0.0.1", "8080", "-e", "true"], **times}


def needs(*names: str, condition: str = "service_healthy", **more: Any) -> dict[str, Any]:
    """Return a depends_on of some services, all on one condition."""
    return {name: {"condition": condition, **more} for name in names}
