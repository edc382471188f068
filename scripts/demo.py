"""The demo: a real stack comes up in readiness order, is looked at, is broken, and goes without a trace.

Run by `make demo`. Each step is checked; anything that is off ends the demo with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple, NoReturn

import demo_remains

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "templates" / "demo"
STATE = ROOT / ".demo" / "state"
ZUN_COMPOSE = str(Path(sys.executable).parent / "zun-compose")
STACK = "zun-demo"
BROKEN = "zun-demo-broken"
PRICES = {"apple": 3, "pear": 4, "quince": 9}
LIMIT = 120.0  # seconds; no step takes a quarter of it


class Ground(NamedTuple):
    """What the stack runs on: options of every command, options of `up`, and how many replicas there are."""

    options: tuple[str, ...]
    scaled: tuple[str, ...] = ()
    replicas: int = 2


DOCKER = Ground(("--driver", "docker"))
LOCAL = Ground(("--driver", "local"))
NO_ISOLATION = Ground(
    ("--no-isolation", "-f", "compose.yaml", "-f", "no-isolation.yaml"),
    tuple(
        word
        for name in ("front", "app", "migrate", "store", "catalogue")
        for word in ("--scale", f"{name}=1")
    ),
    replicas=1,
)


def free_ports() -> dict[str, str]:
    """Return ports that nobody on this machine holds now; only the first is published by containers."""
    names = ("DEMO_PORT", "APP_PORT", "CATALOGUE_PORT", "STORE_PORT")
    probes = [socket.socket() for _ in names]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return {name: str(probe.getsockname()[1]) for name, probe in zip(names, probes, strict=True)}
    finally:
        for probe in probes:
            probe.close()


def title(text: str) -> None:
    """Start a chapter."""
    print(f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def fail(text: str) -> NoReturn:
    """End the demo: this is not as it should be."""
    print(f"\ndemo: {text}", file=sys.stderr, flush=True)
    sys.exit(1)


class Stack:
    """One stack of the demo, worked on as a user would. `variables` are for its file."""

    def __init__(self, ground: Ground, name: str = STACK, **variables: str) -> None:
        self.ports = free_ports()
        self._ground = ground
        self._options = ground.options if name == STACK else (*ground.options, "-n", name)
        # the demo shows its own stack, whatever the user's shell is set to
        kept = {key: value for key, value in os.environ.items() if not key.startswith("COMPOSE_")}
        self._environment = {
            **kept,
            "PWD": str(FOLDER),
            "XDG_STATE_HOME": str(STATE),
            **self.ports,
            **variables,
        }

    def up(self, expect: int = 0) -> str:
        """Bring it up until all is ready."""
        return self.run("up", "-d", "--wait", *self._ground.scaled, expect=expect)

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Run zun-compose, show it, and return what it printed; another exit code ends the demo."""
        print(f"$ zun-compose {' '.join([*self._options, *arguments])}", flush=True)
        code, said = self.quietly(*arguments)
        print(said, end="" if said.endswith("\n") or not said else "\n", flush=True)
        if code != expect:
            fail(f"zun-compose {arguments[0]} ended with {code}, not {expect}")
        return said

    def quietly(self, *arguments: str) -> tuple[int, str]:
        """Run zun-compose without showing it, and return its exit code and what it printed."""
        result = subprocess.run(
            [ZUN_COMPOSE, *self._options, *arguments],
            cwd=FOLDER,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        return result.returncode, result.stdout

    def ask_front(self) -> dict[str, object]:
        """Fetch what the front serves."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"http://127.0.0.1:{self.ports['DEMO_PORT']}/", timeout=5) as reply:
                return dict(json.load(reply))
        except urllib.error.URLError as error:
            fail(f"the front does not answer: {error.reason}")


def find_ground(driver: str) -> Ground:
    """Return what the stack can run on: without isolation where the kernel makes no namespaces for us."""
    if driver == "docker":
        subprocess.run([sys.executable, str(ROOT / "scripts" / "docker-image")], check=True, timeout=LIMIT)
        return DOCKER
    code, said = Stack(LOCAL).quietly("ps")
    if code == 0:
        return LOCAL
    if "--no-isolation" not in said:
        fail(said.strip())
    title("This machine has no containers for us")
    print(said.strip())
    print("So the demo goes on with --no-isolation and --scale 1 for every service: as plain processes.")
    return NO_ISOLATION


def show_working(stack: Stack, replicas: int) -> None:
    """Bring the stack up and look at it."""
    title("The stack comes up, each service when what it needs is there")
    began = time.monotonic()
    stack.up()
    took = time.monotonic() - began

    title("The front answers with what the job wrote, from all replicas")
    print(f"$ curl http://127.0.0.1:{stack.ports['DEMO_PORT']}/")
    replies = [stack.ask_front() for _ in range(4)]
    print(json.dumps(replies[0]))
    if any(reply["prices"] != PRICES for reply in replies):
        fail("these are not the prices that the job wrote")
    answered = len({str(reply["replica"]) for reply in replies})
    if answered != replicas:
        fail(f"{answered} replicas answered, not {replicas}")

    title("What runs, and how ready it is")
    stack.run("ps", "-a")
    stack.run("status")
    stack.run("explain")
    print(f"(up in {took:.1f} s; the store loads for 1 s, the catalogue for 3 s, the application for 0.8 s)")


def show_broken(stack: Stack) -> None:
    """Bring the stack up with a job that dies."""
    title("The same stack with a migration that dies: named at once, with its last words")
    said = stack.up(expect=1)
    for word in ("migrate", "app", "3", "no such table"):
        if word not in said:
            fail(f'the failure does not say "{word}"')
    stack.run("explain", "app")


def main() -> None:
    """Show everything, and clean up whatever happens."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--driver", choices=("local", "docker"), default="local", help="what it runs on")
    driver = parser.parse_args().driver
    ground = find_ground(driver)
    stack, broken = Stack(ground), Stack(ground, BROKEN, DEMO_MIGRATION="stock")
    for one in (stack, broken):
        one.quietly("down", "-v")
    try:
        show_working(stack, ground.replicas)
        show_broken(broken)
        title("Everything goes")
        stack.run("down", "-v")
        broken.run("down", "-v")
    finally:
        for one in (stack, broken):
            one.quietly("down", "-v")
    rest = demo_remains.of_docker((STACK, BROKEN)) if driver == "docker" else demo_remains.of_local(STATE)
    if rest:
        fail(f"this was left: {', '.join(rest)}")
    title("Nothing is left: no container, process, network or volume")


if __name__ == "__main__":
    main()
