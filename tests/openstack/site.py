"""A stack on the cloud, judged by the engine under Zun: Zun's labels are its containers' labels there."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import DockerClient

from tests.e2e.site import SERVICE, Running, Site, Workplace
from tests.openstack.conftest import IMAGE
from zun_compose import labels

# Seconds that one command may take on a cloud that other tests use too.
LIMIT = 300.0


@dataclass(kw_only=True)
class CloudSite(Site):
    """A stack that zun-compose brings up on Zun. What its tests assert is asked of the host's engine."""

    image: str = IMAGE
    late: float = 6.0
    patience: float = 8.0
    limit: float = LIMIT
    _touched: bool = False

    def begin(self, *arguments: str, command: Sequence[str] | None = None) -> Running:
        self._touched = True
        chosen = () if command is not None else ("--driver", "zun")
        return super().begin(*chosen, *arguments, command=command)

    def short(self, seen: Mapping[str, Any]) -> str:
        told = seen["Config"]["Labels"]
        return f"{told[SERVICE]}-{told[labels.NUMBER]}"

    def clear(self) -> None:
        """Take it down, whatever is left of it."""
        self.end_commands()
        if self._touched:
            self.run("down", "-v", "-t", "0")
            self._touched = False


Open = Callable[..., CloudSite]


@contextmanager
def sites(folder: Path, engine: DockerClient, environment: Mapping[str, str]) -> Iterator[Open]:
    """Make sites below a folder; what they leave is removed at the end."""
    made: list[CloudSite] = []

    def make(hint: str, **more: Any) -> CloudSite:
        name = f"zct-{hint}-{uuid.uuid4().hex[:6]}"
        home = folder / name
        home.mkdir()
        site = CloudSite(
            folder=home,
            name=name,
            state=folder / "state",
            environment=dict(environment),
            engine=engine,
            **more,
        )
        made.append(site)
        return site

    yield make
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(CloudSite.clear, made))


@contextmanager
def workplace(hint: str, tmp_path: Path, environment: Mapping[str, str]) -> Iterator[Workplace]:
    """Have a place to run the program from; its stack is taken down at the end."""
    folder = tmp_path / "stack"
    folder.mkdir()
    made = Workplace(folder, f"zc{hint}{os.getpid()}", tmp_path / "state", dict(environment))
    yield made
    made.begin("--driver", "zun", "down", "-v", "-t", "1").end(limit=LIMIT)
    made.end_commands()


def zun(place: Workplace, *words: str, expect: int = 0) -> str:
    """Return all that a command of the zun driver says."""
    return place.run("--driver", "zun", *words, expect=expect, limit=LIMIT).said
