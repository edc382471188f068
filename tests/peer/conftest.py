"""The real docker compose binary, on the stacks of the end-to-end tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import engine, make_site, site, sites, state_home
from tests.engines.dockerd import docker_engine
from tests.engines.require import missing

__all__ = ["docker_engine", "engine", "make_site", "site", "sites", "state_home"]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def docker_compose() -> list[str]:
    """The command of the peer that bench/peer installs."""
    made = subprocess.run([str(ROOT / "bench" / "peer")], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        missing("peer", f"bench/peer ended with {made.returncode}: {made.stderr.strip()[-300:]}")
    binary = made.stdout.strip()
    if not Path(binary).exists():
        missing("peer", f"there is no {binary}")
    return [binary]
