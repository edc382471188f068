"""What a container is given: files, mounts, names, limits, namespaces."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.integration.local.bench import STACK, Bench, until
from zun_compose.container import FileContent, Join, State
from zun_compose.errors import Rejected, Unsupported
from zun_compose.model import Mount, MountType, Network, Ulimit

# not by asking name servers, which may take their time
LOOKUP = ("getent", "-s", "files", "hosts")


def test_it_has_its_own_processes_name_and_root(bench: Bench) -> None:
    text = bench.shell("echo pid $$; hostname; id -u; touch /made && ls /made", hostname="aside")
    assert text.split("\n") == ["pid 1", "aside", "0", "/made"]


def test_init_stands_between(bench: Bench) -> None:
    assert bench.shell("echo $$", init=True) != "1"


def test_the_machine_below_is_read_only_but_for_some_places(bench: Bench) -> None:
    script = "touch /usr/made 2>/dev/null && echo broken; "
    script += "for d in /tmp /run /var/tmp /root; do touch $d/x && echo $d; done"
    assert bench.shell(script).split() == ["/tmp", "/run", "/var/tmp", "/root"]


def test_what_it_wrote_is_there_when_it_is_started_again(bench: Bench) -> None:
    container = bench.run("sh", "-c", "cat /tmp/kept; echo again >> /tmp/kept")
    bench.ended(container)
    bench.driver.start(container)
    until(lambda: [line.text for line in bench.driver.logs(container)] and bench.ended(container))
    assert "again" in [line.text for line in bench.driver.logs(container)]


def test_the_environment_is_what_was_declared_and_shows_to_nobody(bench: Bench) -> None:
    os.environ["ZC_LEAK"] = "leaked"
    try:
        container = bench.run("sleep", "60", environment={"SECRET": "hidden-value", "GONE": None})
    finally:
        del os.environ["ZC_LEAK"]
    assert bench.inside(container, "echo $SECRET; env | grep -c LEAK || true") == "hidden-value\n0"
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                assert b"hidden-value" not in file.read(), pid
        except (FileNotFoundError, ProcessLookupError):
            continue


@pytest.mark.parametrize("target", ["/data", "/app/deep/data", "/usr/share/zc-made/data", "/tmp/data"])
def test_mounts_lie_wherever_they_are_declared(bench: Bench, tmp_path, target) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("from outside")
    mount = Mount(type=MountType.BIND, source=str(tmp_path / "source"), target=target)
    assert bench.shell(f"cat {target}/file; echo back > {target}/made", mounts=(mount,)) == "from outside"
    assert (tmp_path / "source" / "made").read_text() == "back\n"


def test_read_only_mounts_and_roots_are(bench: Bench, tmp_path) -> None:
    mount = Mount(type=MountType.BIND, source=str(tmp_path), target="/data", read_only=True)
    script = "touch /data/x 2>/dev/null || echo data; touch /x 2>/dev/null || echo root; "
    script += "touch /scratch/x && echo ok"
    text = bench.shell(script, mounts=(mount,), read_only=True, tmpfs=("/scratch:size=1m,mode=700",))
    assert text.split() == ["data", "root", "ok"]


def test_a_missing_bind_source_is_refused_when_it_must_be_there(bench: Bench, tmp_path) -> None:
    mount = Mount(type=MountType.BIND, source=str(tmp_path / "no"), target="/data", create_host_path=False)
    with pytest.raises(Rejected, match="does not exist"):
        bench.create("true", mounts=(mount,))
    assert bench.driver.list(STACK) == []
    assert list((bench.root / "containers").iterdir()) == []


def test_configs_and_secrets_are_there_with_their_mode(bench: Bench) -> None:
    files = (
        FileContent(target="/etc/zc-made.conf", content=b"config"),
        FileContent(target="/run/secrets/key", content=b"secret", mode=0o400),
    )
    text = bench.shell(
        "cat /etc/zc-made.conf; echo; cat /run/secrets/key; stat -c %a /run/secrets/key", files=files
    )
    assert text == "config\nsecret400"


def test_other_containers_files_are_out_of_sight(bench: Bench) -> None:
    assert bench.shell(f"ls -A {bench.root} 2>/dev/null | wc -l") == "0"


def test_limits_of_the_process_are_set(bench: Bench) -> None:
    limits = (Ulimit(name="nofile", soft=100, hard=200),)
    assert bench.shell("ulimit -Sn; ulimit -Hn", ulimits=limits).split() == ["100", "200"]


def test_capabilities_are_dockers_unless_declared(bench: Bench) -> None:
    def bounding(**declared) -> int:
        return int(bench.shell("grep CapBnd /proc/self/status", **declared).split()[1], 16)

    assert bounding() == 0xA80425FB
    assert bounding(cap_drop=("ALL",), cap_add=("NET_BIND_SERVICE",)) == 1 << 10
    container = bench.run("sleep", "60", name="held")
    assert int(bench.inside(container, "grep CapEff /proc/self/status").split()[1], 16) == 0xA80425FB


def test_any_port_may_be_bound_and_settings_of_the_network_are_its_own(bench: Bench) -> None:
    script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/core/somaxconn"
    assert bench.shell(script, sysctls={"net.core.somaxconn": "77"}).split() == ["0", "77"]


def test_names_lead_to_the_others_on_the_same_network(bench: Bench) -> None:
    bench.driver.create_network(Network(key="a", name="bench_a"), {"com.docker.compose.project": STACK})
    bench.driver.create_network(Network(key="b", name="bench_b"), {"com.docker.compose.project": STACK})
    bench.run("sleep", "60", name="db", joins=(Join(network="bench_a", aliases=("db", "store")),))
    seen = bench.driver.inspect("bench-db-1")
    both = (Join(network="bench_b"), Join(network="bench_a"))
    front = bench.run("sleep", "60", name="front", joins=both)
    assert bench.inside(front, "getent -s files hosts store").split()[0] == seen.addresses["bench_a"]
    apart = bench.run("sleep", "60", name="apart", joins=(Join(network="bench_b"),))
    assert bench.driver.execute(apart, [*LOOKUP, "store"], timeout=5).exit_code != 0
    bench.driver.stop("bench-db-1", 0)
    until(lambda: bench.driver.execute(front, [*LOOKUP, "store"], timeout=5).exit_code != 0)


def test_a_network_can_be_shared_with_a_container(bench: Bench) -> None:
    first = bench.run("sleep", "60", name="first")
    second = bench.run("sleep", "60", name="second", network_mode=f"container:{first}")
    spaces = {os.readlink(f"/proc/{bench.driver.inspect(one).pid}/ns/net") for one in (first, second)}
    assert len(spaces) == 1
    bench.driver.stop(first, 0)
    assert bench.driver.inspect(second).state is State.RUNNING


def test_processes_can_be_shared_with_a_container(bench: Bench) -> None:
    first = bench.run("sleep", "61", name="first")
    second = bench.run(
        "sleep", "62", name="second", pid_mode=f"container:{first}", ipc_mode=f"container:{first}"
    )
    assert "sleep 61" in bench.inside(second, "ps ax")
    assert bench.inside(second, "readlink /proc/self/ns/ipc") == bench.inside(
        first, "readlink /proc/self/ns/ipc"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has users to give away")
def test_further_groups_are_had(bench: Bench) -> None:
    assert bench.shell("id -u; id -G", group_add=("56", "12")).split() == ["0", "0", "12", "56"]
    assert bench.shell("id -G", user="12345:54321", group_add=("56",)).split() == ["54321", "56"]


@pytest.mark.skipif(shutil.which("ip") is None, reason="nothing on this machine shows addresses of links")
def test_the_mac_address_that_is_asked_for(bench: Bench) -> None:
    assert "02:42:aa:bb:cc:dd" in bench.output("ip", "link", "show", "eth0", mac_address="02:42:aa:bb:cc:dd")


def test_bridge_is_the_network_that_is_always_there(bench: Bench) -> None:
    container = bench.run("sleep", "60", network_mode="bridge")
    assert bench.driver.inspect(container).addresses


def test_the_machines_network_can_be_shared(bench: Bench) -> None:
    container = bench.run("sleep", "60", network_mode="host")
    assert os.readlink(f"/proc/{bench.driver.inspect(container).pid}/ns/net") == os.readlink(
        "/proc/self/ns/net"
    )
    bench.driver.stop(container, 0)


def test_no_network_is_loopback_alone(bench: Bench) -> None:
    assert bench.shell(
        "ls /sys/class/net >/dev/null; cut -d: -f1 -s /proc/net/dev", network_mode="none"
    ).split() == ["lo"]


def test_what_cannot_be_had_is_refused_by_name(bench: Bench) -> None:
    with pytest.raises(Unsupported, match=r"kernel\.shmmax"):
        bench.create("true", sysctls={"kernel.shmmax": "1"})
    assert bench.driver.list(STACK) == []


def test_a_command_that_cannot_be_run_fails_the_start(bench: Bench) -> None:
    container = bench.create("/no/such/program")
    with pytest.raises(Rejected, match="no such file"):
        bench.driver.start(container)
    seen = bench.driver.inspect(container)
    assert (seen.state, seen.exit_code) == (State.CREATED, 127)
    assert "no such file" in seen.error


def test_a_terminal_is_one_inside_too(bench: Bench) -> None:
    assert bench.shell("tty; test -t 0 && test -t 1 && echo yes", tty=True).split("\n")[-1] == "yes"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has users to give away")
def test_a_declared_user_is_whom_it_runs_as(bench: Bench) -> None:
    assert bench.shell("id -u; id -g; echo $HOME", user="nobody").split() == [
        "65534",
        "65534",
        "/nonexistent",
    ]
    container = bench.run("sleep", "60", user="12345:54321", cap_drop=("CHOWN",))
    told = bench.inside(container, "id -u; id -g; grep CapEff /proc/self/status").split()
    assert told == ["12345", "54321", "CapEff:", "0000000000000000"]
    seen = bench.driver.inspect(container)
    assert os.stat(f"/proc/{seen.pid}").st_uid == 12345
    bench.driver.stop(container, 5)
    assert bench.driver.inspect(container).exit_code == 143
    with pytest.raises(Rejected, match="there is no user"):
        bench.run("true", user="no-such-user", name="none")
