"""The demo's stack and the README's example do what is said of them; without gates the demo's stack fails."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.site import Site
from tests.engines.require import missing

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "templates" / "demo"
PRICES = {"apple": 3, "pear": 4, "quince": 9}
ASK = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/').read().decode())"


@pytest.fixture(scope="session")
def host_image(docker_engine: str) -> None:
    """The image `host`, made from this machine's Python as the demo makes it."""
    subprocess.run([sys.executable, str(ROOT / "scripts" / "docker-image")], check=True, timeout=100)


def declared() -> dict[str, Any]:
    stack = yaml.safe_load((DEMO / "compose.yaml").read_text())
    assert isinstance(stack, dict)
    return stack


def settle(site: Site, stack: dict[str, Any]) -> None:
    """Put the demo into a site, on a port of its own choice, so that runs do not meet."""
    shutil.copytree(DEMO / "app", site.folder / "app")
    stack["services"]["front"]["ports"] = ["127.0.0.1::8080"]
    (site.folder / "compose.yaml").write_text(yaml.safe_dump({**stack, "name": site.name}, sort_keys=False))


@pytest.mark.docker
@pytest.mark.usefixtures("host_image")
def test_the_demo_serves_what_its_job_wrote(site: Site) -> None:
    settle(site, declared())
    site.run("up", "-d", "--wait")
    reply = json.loads(site.inside("front", "python3", "-c", ASK))
    assert reply["prices"] == PRICES
    assert reply["names"]["apple"] == "Boskoop"
    assert len(site.containers("app")) == 2
    site.run("status")
    site.run("down", "-v")
    assert site.left() == {}


@pytest.mark.docker
@pytest.mark.usefixtures("host_image")
def test_without_its_gates_the_demo_fails(site: Site) -> None:
    """What the demo shows is the gates' work: its programs never try twice."""
    stack = declared()
    for service in stack["services"].values():
        service["depends_on"] = list(service.get("depends_on", {}))
    settle(site, stack)
    site.environment["DEMO_LOADING"] = "100"  # seconds: longer than any engine takes to start the next
    site.run("up", "-d", "--wait", expect=1)
    dead = {name for name, state in site.states().items() if state == "exited"}
    assert "migrate-1" in dead, "it came before the store listened"
    assert site.container("migrate")["State"]["ExitCode"] == 1


@pytest.mark.docker
@pytest.mark.usefixtures("host_image")
def test_a_dead_migration_is_named_with_its_last_words(site: Site) -> None:
    settle(site, declared())
    site.environment["DEMO_MIGRATION"] = "stock"
    ran = site.run("up", "-d", "--wait", expect=1)
    for word in ("app -> migrate", "3", "no such table, giving up"):
        assert word in ran.err
    assert not site.containers("front"), "what never started is not left"


@pytest.mark.docker
def test_the_example_of_the_readme_comes_up(site: Site) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    site.put("compose.yaml", block)
    site.run("-n", site.name, "up", "-d", "--wait")
    assert site.states() == {
        "db-1": "running",
        "front-1": "running",
        "migrate-1": "exited",
        "web-1": "running",
    }
    shown = {
        row["Service"]: row["Readiness"]
        for row in site.run("-n", site.name, "ps", "-a", "--format", "json").rows()
    }
    assert shown == {"db": "ready", "front": "ready", "migrate": "completed", "web": "ready"}
    site.run("-n", site.name, "down", "-v")
    assert site.left() == {}


@pytest.mark.peer
def test_docker_compose_takes_all_templates_and_the_readme(tmp_path: Path) -> None:
    """Our own keys are in their portable spelling there."""
    made = subprocess.run(
        [str(ROOT / "bench" / "peer")], capture_output=True, text=True, timeout=100, check=False
    )
    if made.returncode != 0:
        missing("peer", made.stderr.strip())
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    example = tmp_path / "compose.yaml"
    example.write_text(block)
    stacks = [(example,), *((path,) for path in sorted((ROOT / "templates").glob("*/compose.yaml")))]
    assert (DEMO / "compose.yaml",) in stacks
    for files in (*stacks, (DEMO / "compose.yaml", DEMO / "no-isolation.yaml")):
        named = [word for file in files for word in ("-f", str(file))]
        ran = subprocess.run(
            [made.stdout.strip(), *named, "config", "--quiet"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, f"{files}: {ran.stderr}"
