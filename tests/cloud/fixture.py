"""The cloud for tests: `cloud` is a session's fixture; what it has to start it stops again, and nothing else.

A cloud that is up stays up. One that is down is brought up, which takes half a minute, or some minutes where
the virtual environment has to be made, and taken down at the end with its state kept.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cloud import access, assembly, packages, rest, settings
from tests.cloud.errors import CloudError
from tests.cloud.settings import Settings
from tests.engines.require import missing

ROOT = Path(__file__).parent.parent.parent
NAME = "openstack"
# From nothing, on a slow machine.
PATIENCE = 1500


class Cloud(NamedTuple):
    """A cloud that is up, with users "admin" and "demo"; `programs` is the folder of its `openstack`."""

    settings: Settings
    clouds_yaml: Path
    programs: Path

    def session(self, user: str = "admin") -> rest.Session:
        """Return plain calls to its services as a user."""
        return rest.Session(self.settings, user)

    def environment(self, user: str = "admin") -> dict[str, str]:
        """Return what makes SDKs and clients of this user's processes find it."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        return {
            **clean,
            "OS_CLIENT_CONFIG_FILE": str(self.clouds_yaml),
            "OS_CLOUD": user,
            "PATH": f"{self.programs}:{os.environ['PATH']}",
        }


def command(*arguments: str, patience: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    """Run the cloud's command as its users do: processes that it starts are then no children of the tests."""
    return subprocess.run(
        [sys.executable, "-m", "tests.cloud", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )


def running(known: Settings | None) -> set[str]:
    """Return the names of the processes that run."""
    return {line.name for line in assembly.status(known) if line.up} if known else set()


def prerequisites() -> Settings | None:
    """Return what is settled of a cloud here; skips or fails where none can be."""
    if os.geteuid() != 0:
        missing(NAME, "it takes root")
    try:
        known = settings.load(settings.folder())
        lacking = assembly.missing_packages(known)
    except CloudError as error:
        missing(NAME, str(error))
    if lacking:
        missing(NAME, f"packages are missing: {packages.apt_line(lacking)}")
    return known


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """A cloud with all its services up."""
    before = running(prerequisites())
    done = command("up")
    known = settings.load(settings.folder())
    started = sorted(running(known) - before)
    try:
        if done.returncode != 0 or known is None:
            missing(NAME, f"it did not come up: {done.stderr.strip()}")
        yield Cloud(known, access.clouds_yaml(known), known.bin)
    finally:
        if started:
            ended = command("down", *(started if before else ()), patience=300)
            if ended.returncode != 0:
                pytest.fail(f"the cloud did not go down: {ended.stderr.strip()}", pytrace=False)
