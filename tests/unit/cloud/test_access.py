"""What users of a cloud are given."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.cloud import access, settings
from tests.cloud.settings import Port


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(("user", "file"), access.USERS.items())
def test_openrc_sets_all_and_forgets_what_was_set(tmp_path: Path, shell: str, user: str, file: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    cloud = settings.fresh(tmp_path)._replace(ports={**settings.PORTS, Port.KEYSTONE: 15000})
    access.write(cloud)
    told = subprocess.run(
        [shell, "-ec", f". {tmp_path}/{file}; env"],
        env={"PATH": "/usr/bin:/bin", "OS_TOKEN": "stale", "OS_PROJECT_NAME": "stale", "FRUIT": "apple"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    seen = dict(line.partition("=")[::2] for line in told.splitlines())
    assert seen["OS_USERNAME"] == seen["OS_PROJECT_NAME"] == user
    assert seen["OS_AUTH_URL"] == "http://127.0.0.1:15000/v3"
    assert seen["OS_PASSWORD"] == cloud.password
    assert "OS_TOKEN" not in seen
    assert seen["FRUIT"] == "apple"


def test_clouds_yaml_has_an_administrator_and_a_tenant_for_root_alone(tmp_path: Path) -> None:
    cloud = settings.fresh(tmp_path)
    access.write(cloud)
    file = access.clouds_yaml(cloud)
    clouds = json.loads(file.read_text())["clouds"]
    assert {name: entry["auth"]["project_name"] for name, entry in clouds.items()} == {
        "admin": "admin",
        "demo": "demo",
    }
    for made in (file, *(tmp_path / name for name in access.USERS.values())):
        assert stat.S_IMODE(made.stat().st_mode) == 0o600
