"""Time zun-compose beside docker compose on one engine: `make bench`.

Usage: python -m bench.run [--runs N] [SCENARIO ...]
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime

from bench.contenders import ROOT, Failed, contenders
from bench.results import save
from bench.scenarios import NAMED_ONLY, SCENARIOS
from bench.session import Session
from tests.engines import busybox
from tests.engines.dockerd import DEFAULT


def circumstances(session: Session) -> str:
    """Return what the numbers depend on, in a line."""
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    info = session.engine.version()
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip() or 'unknown'}, runs: {session.runs}, "
        f"Docker {info['Version']}, Python {platform.python_version()}, Linux {platform.release()}, "
        f"{os.cpu_count()} cores, load average {os.getloadavg()[1]:.1f} at the end"
    )


def main() -> int:
    """Run the chosen scenarios, print and save each; returns 1 if a bar was missed or a scenario failed."""
    import docker

    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help=f"of {', '.join(SCENARIOS)}; default all but {', '.join(NAMED_ONLY)}",
    )
    parser.add_argument("--runs", type=int, default=5, help="turns of each contender (default 5)")
    parser.add_argument("--no-save", action="store_true", help="leave bench/RESULTS.md as it is")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    try:
        # The scenarios run busybox; a fresh engine has none, and there may be no registry.
        busybox.ensure(os.environ.get("DOCKER_HOST") or DEFAULT)
    except (OSError, LookupError) as error:
        parser.error(f"no image busybox:latest: {error}")
    ours, peer = contenders()
    session = Session(ours=ours, peer=peer, engine=docker.from_env(timeout=120), runs=options.runs)
    missed = 0
    for name in options.scenarios or [name for name in SCENARIOS if name not in NAMED_ONLY]:
        print(f"\n{name}", flush=True)
        try:
            result = SCENARIOS[name](session)
        except (Failed, subprocess.CalledProcessError) as error:
            print(f"FAILED: {error}", flush=True)
            missed += 1
            continue
        print(result.markdown(), flush=True)
        missed += sum(not bar.ok for bar in result.bars)
        if not options.no_save:
            save(ROOT / "bench" / "RESULTS.md", result, circumstances(session))
    print(f"\n{missed} missed" if missed else "\nall bars met", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
