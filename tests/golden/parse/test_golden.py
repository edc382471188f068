"""Whole stacks: text in, canonical model or faults out. `--update-golden` writes what is found."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.engines.require import missing
from zun_compose.errors import SpecError, ZunComposeError
from zun_compose.parse import Request, dump, load
from zun_compose.parse.disk import Disk

HERE = Path(__file__).parent
PEER = HERE.parents[2] / "bench" / "peer"
CASES = sorted(path.parent for path in HERE.glob("*/compose.yaml"))
HOME = "/home/golden"


def told(error: ZunComposeError) -> str:
    """Return an error as people see it, each fault with its excerpt."""
    if not isinstance(error, SpecError):
        return str(error)
    return "\n".join(f"{fault}\n{fault.excerpt}".rstrip() for fault in error.faults)


def outcome(case: Path) -> tuple[str, str]:
    """Return the golden file's name and its content; the case's own folder is written {CASE}."""
    try:
        loaded = load(Request(environment={"HOME": HOME}), Disk(str(case)))
    except ZunComposeError as error:
        name, text = "error.txt", told(error)
    else:
        name, text = "canonical.json", dump(loaded.canonical, "json")
    return name, text.replace(str(case), "{CASE}") + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Path, update_golden: bool):
    name, text = outcome(case)
    golden = case / name
    if update_golden:
        golden.write_text(text)
    assert golden.exists(), f"{case.name} gives {name} now: {text}"
    assert text == golden.read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_yaml_form_reads_back_as_the_same_stack(case: Path, tmp_path: Path):
    try:
        loaded = load(Request(environment={"HOME": HOME}), Disk(str(case)))
    except ZunComposeError:
        pytest.skip("a case of faults")
    (tmp_path / "compose.yaml").write_text(dump(loaded.extended, "yaml"))
    again = load(Request(environment={"HOME": HOME}), Disk(str(tmp_path)))
    assert again.extended == loaded.extended


@pytest.mark.peer
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_docker_compose_agrees(case: Path):
    made = subprocess.run([str(PEER)], capture_output=True, text=True, timeout=100, check=False)
    if made.returncode != 0:
        missing("peer", made.stderr.strip())
    peer = made.stdout.strip()
    environment = {"HOME": HOME, "PATH": os.environ["PATH"]}
    answer = subprocess.run(
        [peer, "config", "--format", "json"],
        cwd=case,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    golden = case / "canonical.json"
    assert (answer.returncode == 0) == golden.exists(), answer.stderr
    if golden.exists():
        assert json.loads(answer.stdout.replace(str(case), "{CASE}")) == json.loads(golden.read_text())
