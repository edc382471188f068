"""docs/capabilities.md is what the tables say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts" / "capabilities.py"


def test_the_file_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check"],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_another_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "docs").mkdir()
    copy = tmp_path / "scripts" / SCRIPT.name
    copy.write_text(SCRIPT.read_text())
    (tmp_path / "docs" / "capabilities.md").write_text("old")
    command = [sys.executable, str(copy)]
    environment = {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([*command, "--check"], env=environment, check=False).returncode == 1
    subprocess.run(command, env=environment, check=True)
    assert (tmp_path / "docs" / "capabilities.md").read_text() == (ROOT / "docs/capabilities.md").read_text()
