"""kill -9 of whatever is there: what is told stays true, and removing leaves nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.integration.local.bench import STACK, Bench, gone, until
from zun_compose.container import Join, State
from zun_compose.drivers.local import removing
from zun_compose.linux import proc
from zun_compose.model import Network, Port, Restart, RestartName

ROOT = Path(__file__).parents[3]
ALWAYS = Restart(name=RestartName.ALWAYS)


def mine(bench: Bench) -> list[str]:
    """All processes, but those of the test itself, that know the bench's home."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path("/proc", name, "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(bench.root) in command and int(name) != os.getpid():
            found.append(command)
    return found


def nothing_left(bench: Bench) -> bool:
    folders = ("containers", "names", "stacks", "volumes")
    kept = [str(path) for folder in folders for path in (bench.root / folder).iterdir()]
    return not kept and not mine(bench) and str(bench.root) not in Path("/proc/self/mountinfo").read_text()


def test_a_killed_process_is_an_exit_with_137(bench: Bench) -> None:
    container = bench.run("sleep", "60")
    os.kill(bench.driver.inspect(container).pid or 0, signal.SIGKILL)
    assert bench.ended(container).exit_code == 137


def test_a_killed_process_is_started_again_where_that_is_declared(bench: Bench) -> None:
    container = bench.run("sleep", "60", restart=ALWAYS)
    first = bench.driver.inspect(container).pid
    os.kill(first or 0, signal.SIGKILL)
    until(lambda: bench.driver.inspect(container).pid not in (None, first))
    assert bench.driver.inspect(container).restart_count == 1


def test_a_killed_supervisor_takes_its_container_along(bench: Bench) -> None:
    container = bench.run("sh", "-c", "sleep 61 & sleep 62 & wait", restart=ALWAYS)
    seen = bench.driver.inspect(container)
    until(lambda: len(proc.descendants(seen.pid or 0)) == 2)
    below = proc.descendants(seen.pid or 0)
    os.kill(bench.account(container).supervisor or 0, signal.SIGKILL)
    until(lambda: bench.driver.inspect(container).state is State.EXITED)
    told = bench.driver.inspect(container)
    assert (told.exit_code, told.pid) == (None, None)
    assert "unknown" in told.error
    until(lambda: all(gone(pid) for pid in (seen.pid, *below)))
    bench.driver.start(container)
    assert bench.driver.inspect(container).state is State.RUNNING
    bench.driver.remove(container, force=True)
    until(lambda: nothing_left(bench))


def test_a_stopped_supervisor_does_not_keep_its_container(bench: Bench) -> None:
    container = bench.run("sleep", "60")
    account = bench.account(container)
    os.kill(account.supervisor or 0, signal.SIGSTOP)
    bench.driver.remove(container, force=True)
    until(lambda: gone(account.pid))
    until(lambda: nothing_left(bench))


def test_containers_outlive_their_keeper(bench: Bench) -> None:
    bench.driver.create_network(Network(key="a", name="bench_a"), {"com.docker.compose.project": STACK})
    joins = (Join(network="bench_a", aliases=("first",)),)
    first = bench.run("sleep", "60", name="first", joins=joins, restart=ALWAYS)
    keeper = bench.keeper()
    os.kill(keeper, signal.SIGKILL)
    until(lambda: gone(keeper))
    assert bench.driver.inspect(first).state is State.RUNNING
    assert bench.inside(first, "echo here") == "here"
    second = bench.run("sleep", "60", name="second", joins=(Join(network="bench_a", aliases=("second",)),))
    address = bench.driver.inspect(first).addresses["bench_a"]
    assert bench.inside(second, "getent -s files hosts first").split()[0] == address
    # the new keeper stands in the namespaces of the old one
    spaces = {os.readlink(f"/proc/{bench.account(one).supervisor}/ns/net") for one in (first, second)}
    assert len(spaces) == 1
    before = bench.driver.inspect(first).pid
    os.kill(before or 0, signal.SIGKILL)
    until(lambda: bench.driver.inspect(first).pid not in (None, before))
    for one in (first, second):
        bench.driver.remove(one, force=True)
    bench.driver.remove_network("bench_a")
    until(lambda: nothing_left(bench))


def test_published_ports_outlive_the_keeper(bench: Bench) -> None:
    import socket

    script = "import socket\ns=socket.create_server(('',80))\nwhile True: s.accept()[0].sendall(b'hi')"
    container = bench.run("python3", "-c", script, ports=(Port(target=80),))
    (port,) = {one.host_port for one in bench.driver.inspect(container).ports}

    def answer() -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as connection:
                return connection.recv(10)
        except OSError:
            return b""

    until(lambda: answer() == b"hi")
    os.kill(bench.keeper(), signal.SIGKILL)
    assert answer() == b"hi"
    bench.driver.stop(container, 0)
    until(lambda: answer() == b"")


COMMAND = """
import sys
from pathlib import Path
from tests.integration.local.bench import Bench
bench = Bench(Path(sys.argv[1]))
print("ready", flush=True)
for name in ("a", "b", "c"):
    container = bench.run("sleep", "60", name=name)
for name in ("a", "b", "c"):
    bench.driver.remove(f"bench-{name}-1", force=True)
"""


@pytest.mark.parametrize("moment", range(8))
def test_a_killed_command_leaves_what_the_next_one_can_remove(bench: Bench, moment) -> None:
    words = [sys.executable, "-c", COMMAND, str(bench.root)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT) as command:
        assert command.stdout is not None
        command.stdout.readline()
        time.sleep(random.Random(moment).uniform(0, 0.4))
        command.kill()
    for seen in bench.driver.list(STACK):
        if seen.state is State.RUNNING and gone(seen.pid):
            # what the killed command had asked for may just be done
            until(lambda seen=seen: bench.driver.inspect(seen.id).pid != seen.pid)  # type: ignore[misc]
        bench.driver.remove(seen.id, force=True)
    for name in ("a", "b", "c"):
        # neither a name nor a half-made container stands in the way
        bench.run("true", name=name)
    bench.empty()
    until(lambda: nothing_left(bench))


# Anonymous volumes come before their container and go after it: in between nothing else names them.
VOLUMES = """
import sys
from pathlib import Path
from tests.integration.local.bench import Bench
from zun_compose.model import Mount, MountType

bench = Bench(Path(sys.argv[1]))
print(flush=True)
while True:
    mounts = [Mount(type=MountType.VOLUME, target=f"/data{number}") for number in range(20)]
    bench.driver.remove(bench.create("true", name="late", mounts=mounts), volumes=True)
"""


def test_a_creation_or_removal_that_is_killed_leaves_no_volume(bench: Bench) -> None:
    chance = random.Random(1)
    for _ in range(8):
        words = [sys.executable, "-c", VOLUMES, str(bench.root)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT) as command:
            assert command.stdout is not None
            command.stdout.readline()
            time.sleep(chance.uniform(0, 0.05))
            command.kill()

    def swept() -> bool:
        for seen in bench.driver.list(STACK):
            bench.driver.remove(seen.id, force=True, volumes=True)
        bench.driver.remove(bench.create("true"), volumes=True)
        bench.empty()
        return nothing_left(bench)

    until(swept)


def test_what_a_killed_writer_of_a_network_left_is_swept(bench: Bench) -> None:
    bench.home.network("n").with_name(".n.json.1-1").write_text("{")
    bench.driver.remove(bench.create("true"))
    assert list((bench.root / "networks").glob(".*")) == []


def test_nobody_sweeps_away_what_another_is_making(bench: Bench) -> None:
    failures: list[Exception] = []
    made = threading.Event()

    def make(worker: int) -> None:
        for turn in range(40):
            try:
                bench.driver.remove(bench.create("true", name=f"w{worker}t{turn}"))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
                failures.append(error)

    def sweep() -> None:
        while not made.is_set():
            removing.sweep(bench.home)

    sweepers = [threading.Thread(target=sweep) for _ in range(3)]
    makers = [threading.Thread(target=make, args=(worker,)) for worker in range(6)]
    for thread in (*sweepers, *makers):
        thread.start()
    for thread in makers:
        thread.join()
    made.set()
    for thread in sweepers:
        thread.join()
    assert failures == []


def test_a_reboot_ends_all(bench: Bench) -> None:
    container = bench.run("sleep", "60")
    place = bench.home.place(container)
    text = place.state.read_text()
    bench.driver.stop(container, 0)
    # what a machine that was switched off leaves behind
    place.state.write_text(text.replace(proc.boot_id(), "another-boot"))
    told = bench.driver.inspect(container)
    assert (told.state, told.exit_code) == (State.EXITED, None)
    assert "started anew" in told.error


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_torn_account_is_as_none(bench: Bench, text) -> None:
    container = bench.create("true")
    bench.home.place(container).state.write_text(text)
    assert bench.driver.inspect(container).state is State.CREATED
    bench.driver.start(container)
    assert bench.ended(container).exit_code == 0
