"""The foreign files: what docker compose makes of them, we make of them too.

They are not part of this repository; without the folder beside it the test is skipped. `FLOOR` only rises.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zun_compose.errors import ZunComposeError
from zun_compose.parse import Request, load
from zun_compose.parse.disk import Disk

CASES = Path(__file__).resolve().parents[4] / "shared" / "compose-cases" / "dev"
FLOOR = 1009
"""Cases that must pass. Dependency cycles are judged by the graph, so two refusals are not ours."""


def expanded(text: str, case: Path) -> str:
    for name, path in (("CASE", case), ("CORPUS_PARENT", case.parent.parent), ("CORPUS", case.parent)):
        text = text.replace("{" + name + "}", str(path))
    return text


def canonical(case: Path, said: dict[str, Any]) -> dict[str, Any]:
    cwd = case / said["cwd"]
    words = iter([expanded(word, case) for word in said["args"]])
    given: dict[str, list[str]] = {"-f": [], "--profile": [], "--env-file": [], "--project-directory": []}
    for word in words:
        if word == "config":
            break
        given[word].append(next(words))
    request = Request(
        files=tuple(given["-f"]),
        profiles=tuple(given["--profile"]),
        env_files=tuple(given["--env-file"]),
        project_directory=given["--project-directory"][-1],
        environment={"HOME": "/home/user", "PWD": str(cwd), **said["env"]},
        lenient=True,
    )
    loaded = load(request, Disk(str(cwd)))
    found: dict[str, Any] = json.loads(json.dumps(loaded.canonical))
    return found


def passes(case: Path) -> bool:
    said = json.loads((case / "case.json").read_text())
    try:
        found = canonical(case, said)
    except ZunComposeError as error:
        return said["exit"] != 0 and bool(str(error))
    if said["exit"] != 0:
        return False
    wanted: dict[str, Any] = json.loads(expanded((case / "expected.json").read_text(), case))
    return found == wanted


@pytest.mark.skipif(not CASES.is_dir(), reason="the foreign compose files are not beside the repository")
def test_foreign_files_mean_what_they_mean_to_docker_compose():
    cases = sorted(path.parent for path in CASES.glob("*/case.json"))
    failed = [case.name for case in cases if not passes(case)]
    assert len(cases) - len(failed) >= FLOOR, failed
