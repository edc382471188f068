"""The demo: a real stack comes up in readiness order, is looked at, is broken, and goes without a trace.

Run by `make demo`. Each step is checked; anything that is off ends the demo with exit code 1.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "templates" / "demo"
ZUN_COMPOSE = str(Path(sys.executable).parent / "zun-compose")
STACK = "zun-demo"
BROKEN = "zun-demo-broken"
PRICES = {"apple": 3, "pear": 4, "quince": 9}
LIMIT = 120.0  # seconds; no step takes a quarter of it


def free_port() -> int:
    """Return a port that nobody on this machine holds now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PORT = free_port()
ENVIRONMENT = {
    **os.environ,
    "DEMO_PORT": str(PORT),
    "XDG_STATE_HOME": str(ROOT / ".demo" / "state"),
}
for variable in [name for name in ENVIRONMENT if name.startswith("COMPOSE_")]:
    del ENVIRONMENT[variable]  # the demo shows its own stack, whatever the user's shell is set to


def title(text: str) -> None:
    """Start a chapter."""
    print(f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def fail(text: str) -> NoReturn:
    """End the demo: this is not as it should be."""
    print(f"\ndemo: {text}", file=sys.stderr, flush=True)
    sys.exit(1)


def run(*arguments: str, expect: int = 0, environment: dict[str, str] | None = None) -> str:
    """Run zun-compose as a user types it, show it, and return what it printed."""
    print(f"$ zun-compose {' '.join(arguments)}", flush=True)
    result = subprocess.run(
        [ZUN_COMPOSE, *arguments],
        cwd=FOLDER,
        env={**ENVIRONMENT, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    print(result.stdout, end="" if result.stdout.endswith("\n") else "\n", flush=True)
    if result.returncode != expect:
        fail(f"zun-compose {arguments[0]} ended with {result.returncode}, not {expect}")
    return result.stdout


def quietly(*arguments: str) -> None:
    """Run zun-compose without showing it; what it says does not matter."""
    command = [ZUN_COMPOSE, *arguments]
    subprocess.run(command, cwd=FOLDER, env=ENVIRONMENT, capture_output=True, timeout=LIMIT, check=False)


def ask_front() -> dict[str, object]:
    """Fetch what the front serves."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5) as reply:
        return dict(json.load(reply))


def leftovers() -> list[str]:
    """Return what the engine still has of our stacks, asked of the engine itself and not of zun-compose."""
    import docker

    client = docker.from_env()
    found: list[str] = []
    for stack in (STACK, BROKEN):
        chosen: dict[str, str | list[str] | bool] | None = {"label": f"com.docker.compose.project={stack}"}
        found += [str(container.name) for container in client.containers.list(all=True, filters=chosen)]
        found += [str(network.name) for network in client.networks.list(filters=chosen)]
        found += [str(volume.name) for volume in client.volumes.list(filters=chosen)]
    client.close()
    return found


def show_working() -> None:
    """Bring the stack up and look at it."""
    title("The stack comes up, each service when what it needs is there")
    began = time.monotonic()
    run("up", "-d", "--wait")
    took = time.monotonic() - began

    title("The front answers with what the job wrote, from both replicas")
    print(f"$ curl http://127.0.0.1:{PORT}/")
    replies = [ask_front() for _ in range(4)]
    print(json.dumps(replies[0]))
    if any(reply["prices"] != PRICES for reply in replies):
        fail("these are not the prices that the job wrote")
    if len({str(reply["replica"]) for reply in replies}) != 2:
        fail("only one replica answered")

    title("What runs, and how ready it is")
    run("ps", "-a")
    run("status")
    run("explain")
    print(f"(up in {took:.1f} s; the store loads for 1 s, the catalogue for 3 s, the application for 0.8 s)")


def show_broken() -> None:
    """Bring the stack up with a job that dies."""
    title("The same stack with a migration that dies: named at once, with its last words")
    broken = {"DEMO_MIGRATION": "stock", "DEMO_PORT": str(free_port())}
    said = run("-n", BROKEN, "up", "-d", "--wait", expect=1, environment=broken)
    for word in ("migrate", "app", "3", "no such table"):
        if word not in said:
            fail(f'the failure does not say "{word}"')
    run("-n", BROKEN, "explain", "app", environment=broken)


def main() -> None:
    """Show everything, and clean up whatever happens."""
    subprocess.run([sys.executable, str(ROOT / "scripts" / "docker-image")], check=True, timeout=LIMIT)
    for stack in (STACK, BROKEN):
        quietly("-n", stack, "down", "-v")
    try:
        show_working()
        show_broken()
        title("Everything goes")
        run("down", "-v")
        run("-n", BROKEN, "down", "-v")
    finally:
        for stack in (STACK, BROKEN):
            quietly("-n", stack, "down", "-v")
    if rest := leftovers():
        fail(f"this was left: {', '.join(rest)}")
    title("Nothing is left: no container, network or volume")


if __name__ == "__main__":
    main()
