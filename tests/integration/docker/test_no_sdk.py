"""With an engine at a Unix socket the SDK and its HTTP library, slow to import, stay out of the program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.engines import api
from tests.integration.docker.conftest import IMAGE, Bench
from zun_compose import labels

pytestmark = pytest.mark.docker

SDK = ("docker", "requests", "urllib3", "charset_normalizer")
PROGRAM = f"""
import sys
from zun_compose.cli.main import run
code = run(sys.argv[1:])
print("loaded:", *(name for name in {SDK!r} if name in sys.modules), file=sys.stderr)
sys.exit(code)
"""
STACK = f"""
services:
  app:
    image: {IMAGE}
    init: true
    command: [sleep, "100"]
    depends_on: {{db: {{condition: service_healthy}}}}
  db:
    image: {IMAGE}
    init: true
    command: [sleep, "100"]
    healthcheck: {{test: [CMD, "true"], interval: 1s}}
"""


@pytest.fixture
def stack(bench: Bench, tmp_path: Path) -> Path:
    """A folder with a stack, which the bench removes."""
    folder = tmp_path / "stack"
    folder.mkdir()
    (folder / "compose.yaml").write_text(f"name: {bench.stack}\n{STACK}")
    return folder


def test_no_command_loads_it(bench: Bench, stack: Path, tmp_path: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "DOCKER_"))},
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "DOCKER_CONFIG": str(tmp_path),
        "DOCKER_HOST": bench.url,
    }
    for words in ("up -d", "ps", "up -d", "exec app true", "logs", "restart app", "down -t 0"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *words.split()],
            cwd=stack,
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines()[-1].strip() == "loaded:", words
        filters = quote(json.dumps({"label": [f"{labels.PROJECT}={bench.stack}"]}))
        standing = api.ask(bench.url, "GET", f"/containers/json?filters={filters}")
        assert len(standing) == (0 if words.startswith("down") else 2), words
