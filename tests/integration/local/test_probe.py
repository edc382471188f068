"""Where user namespaces are not allowed, one clear error names the setting and the way on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# a user namespace of our own, in which no further one may be made
FORBIDDEN = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'


def forbidden(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    if subprocess.run(["unshare", "-Ur", "sh", "-c", FORBIDDEN, "sh", "true"], check=False).returncode:
        pytest.skip("this machine cannot forbid user namespaces below one of ours")
    return subprocess.run(
        ["unshare", "-Ur", "sh", "-c", FORBIDDEN, "sh", sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )


def test_the_setting_and_the_way_on_are_named(tmp_path) -> None:
    done = forbidden(
        "-c", f"from zun_compose.drivers.local import connect; connect({str(tmp_path)!r}).engine()"
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "Unavailable" in last
    assert "user.max_user_namespaces" in last
    assert "--no-isolation" in last


STACK = """
name: zcplain
services:
  store:
    image: host
    command: [python3, -m, http.server, "18473", --bind, 0.0.0.0]
    expose: ["18473"]
  job:
    image: host
    command: ["true"]
    depends_on:
      store: {condition: service_started}
"""


def test_plain_processes_run_there(tmp_path) -> None:
    (tmp_path / "compose.yaml").write_text(STACK)
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "ZUN_COMPOSE_NO_ISOLATION": "1"}
    code = "import sys; from zun_compose.cli.main import main; sys.exit(main())"
    words = ("-c", code, "-f", str(tmp_path / "compose.yaml"), "--driver", "local")
    up = forbidden(*words, "up", "-d", **state)
    try:
        assert up.returncode == 0, up.stderr
        seen = forbidden(*words, "ps", "-a", **state)
        assert "zcplain-store-1" in seen.stdout
    finally:
        down = forbidden(*words, "down", "-v", **state)
    assert down.returncode == 0, down.stderr


CHECK = """
import sys
from pathlib import Path
from zun_compose.drivers.local import probe
asked = []
tried = probe._tried
probe._tried = lambda: asked.append(1) or tried()
for _ in range(3):
    probe.check(Path(sys.argv[1]))
print(len(asked))
"""


def test_a_good_answer_is_believed_until_a_setting_changes(tmp_path) -> None:
    kept = tmp_path / "proved"

    def asked() -> str:
        done = subprocess.run(
            [sys.executable, "-c", CHECK, str(kept)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
            check=False,
        )
        if "Unavailable" in done.stderr:
            pytest.skip("this machine makes no namespaces")
        return done.stdout.strip()

    assert asked() == "1"
    assert asked() == "0"
    before = kept.read_text()
    # as it would have been kept under another boot of the machine
    kept.write_text(before.replace("boot ", "boot 0"))
    assert asked() == "1"
    assert kept.read_text() == before
    done = forbidden("-c", CHECK, str(kept))
    assert "user.max_user_namespaces is 0" in done.stderr, "what was good here is not believed there"
    assert kept.read_text() == before
