"""Who enters a container sees its root, whatever bubblewrap has still to put away."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from zun_compose.drivers.local.cgroups import Group
from zun_compose.drivers.local.papers import Blueprint
from zun_compose.drivers.local.supervise import inject

# As bubblewrap between its last two steps: the root that it came from still lies upon the new one.
STACKED = """
set -e
mount -t tmpfs new "$1"
for name in usr bin lib lib64 proc; do
  if [ -L /$name ]; then cp -P /$name "$1/$name"
  elif [ -d /$name ]; then mkdir "$1/$name"; mount --rbind /$name "$1/$name"; fi
done
echo new > "$1/marker"
cd "$1"
pivot_root . .
echo ready
exec sleep 60
"""


def test_the_old_root_is_not_taken_for_the_new_one(tmp_path: Path) -> None:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    with subprocess.Popen(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", STACKED, "sh", str(tmp_path)],
        stdout=subprocess.PIPE,
        env={"PATH": path},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            said, told = os.pipe()
            blueprint = Blueprint(
                id="1",
                name="one",
                stack="one",
                service="one",
                number=1,
                image="host",
                image_id="host",
                created_at="",
                argv=("true",),
            )
            command = inject.Command(argv=("cat", "/marker"))
            with open(os.devnull, "rb+") as null:
                child = inject.into(process.pid, blueprint, command, (null.fileno(), told, told), Group())
            os.close(told)
            with os.fdopen(said) as stream:
                assert stream.read() == "new\n"
            assert os.waitpid(child, 0)[1] == 0
        finally:
            process.kill()
