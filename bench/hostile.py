"""Measure how hostile stack files are answered: processor time, and memory above that of a small file.

Usage: python -m bench.hostile [--size BYTES] [--limit SECONDS] [NAME ...]
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import subprocess
import sys
import time

from bench.contenders import ROOT
from tests.unit.parse.hostile import HOSTILE, SIZE, files
from tests.unit.parse.reading import Files
from zun_compose.errors import ZunComposeError
from zun_compose.parse import Request, load

KIB = 1024


def answered(source: Files) -> str:
    """Read a stack and return what came of it: "read", or its error in a line."""
    try:
        load(Request(environment={"HOME": "/home/me"}), source)
    except ZunComposeError as error:
        return str(error).partition("\n")[0]
    return "read"


def one(name: str, size: int) -> None:
    """Measure one file in this process, and print it as JSON."""
    gc.set_threshold(100_000, 20, 50)  # as the program does
    answered(Files({"compose.yaml": "services: {a: {imge: x, image: x}}"}))
    source = files(name, size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    said = answered(source)
    seconds = time.process_time() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"seconds": seconds, "mebibytes": grown / KIB, "said": said[:100]}))


def main() -> int:
    """Measure files, each in a process of its own, slowest first in the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all by default")
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--limit", type=float, default=60, help="seconds until a file is given up")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.names[0], options.size)
        return 0
    rows = []
    for name in options.names or HOSTILE:
        command = [sys.executable, "-m", "bench.hostile", "--one", "--size", str(options.size), name]
        try:
            ran = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=options.limit, check=False
            )
        except subprocess.TimeoutExpired:
            rows.append((options.limit, 0.0, name, "GIVEN UP"))
            continue
        if ran.returncode != 0:
            rows.append((0.0, 0.0, name, f"BROKEN: {ran.stderr.strip().splitlines()[-1:]}"))
            continue
        found = json.loads(ran.stdout)
        rows.append((found["seconds"], found["mebibytes"], name, found["said"]))
    for seconds, mebibytes, name, said in sorted(rows, reverse=True):
        print(f"{seconds:7.3f} s {mebibytes:7.1f} MiB  {name:32} {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
