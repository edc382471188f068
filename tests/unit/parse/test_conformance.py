"""The foreign files: what docker compose makes of them, we make of them too.

They are not part of this repository; without the folder beside it the test is skipped. How they are judged,
and why those in `DIFFERENT` are, is said in docs/conformance.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zun_compose import graph
from zun_compose.errors import ZunComposeError
from zun_compose.parse import Request, load
from zun_compose.parse.disk import Disk

CASES = Path(__file__).resolve().parents[4] / "shared" / "compose-cases" / "dev"
DIFFERENT = frozenset({"composego-inline__loader_loader_test_testxservice"})
"""Cases that come out otherwise, each with its reason in docs/conformance.md."""


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
    graph.check(loaded.stack)
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
    assert {case.name for case in cases if not passes(case)} == DIFFERENT
