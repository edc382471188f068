"""What a service declares arrives in the container: seen from inside, or in the engine's own words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.docker.conftest import Bench
from zun_compose.container import FileContent, Join
from zun_compose.errors import Conflict, DriverError, NotFound, Rejected, Unsupported
from zun_compose.model import (
    Attachment,
    BlockIO,
    BlockLimit,
    Device,
    Expose,
    Healthcheck,
    IpamPool,
    Logging,
    Mount,
    MountType,
    Port,
    Resources,
    Restart,
    RestartName,
    Ulimit,
    Volume,
)

pytestmark = pytest.mark.docker


def test_the_process_has_its_surroundings(bench: Bench) -> None:
    script = "; ".join(
        (
            "id -u; id -G; pwd; hostname; echo $A; ulimit -n",
            "cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
            "grep db.example /etc/hosts | cut -f1",
            "df /dev/shm | tail -1 | awk '{print $2}'",
            "ls -l /dev/nothing | cut -c1",
            "mount | grep -c 'on /scratch type tmpfs'",
            "touch /x 2>&1 | grep -o Read-only",
            "grep -c 192.0.2.53 /etc/resolv.conf",
            "grep Cpus_allowed_list /proc/self/status | cut -f2",
            "xargs -0 echo </proc/1/cmdline",
        )
    )
    container = bench.running(
        script,
        entrypoint=("sh", "-c"),
        user="12:34",
        group_add=("56",),
        working_dir="/tmp",
        hostname="seven",
        environment={"A": "b=c d", "EMPTY": ""},
        ulimits=(Ulimit(name="nofile", soft=512, hard=1024),),
        sysctls={"net.ipv4.ip_unprivileged_port_start": "77"},
        extra_hosts=(("db.example", "192.0.2.9"),),
        shm_size=8 * 2**20,
        devices=(Device(source="/dev/null", target="/dev/nothing"),),
        tmpfs=("/scratch:size=1m",),
        read_only=True,
        dns=("192.0.2.53",),
        resources=Resources(cpuset="0"),
        init=False,
    )
    lines = bench.output(container)
    assert lines[:9] == ["12", "34 56", "/tmp", "seven", "b=c d", "512", "77", "192.0.2.9", "8192"]
    assert lines[9:14] == ["c", "1", "Read-only", "1", "0"]
    assert lines[14].startswith("sh -c id -u;")


def test_the_engine_is_told_the_rest(bench: Bench) -> None:
    container = bench.create(
        domainname="example.org",
        privileged=True,
        init=True,
        tty=True,
        stdin_open=True,
        stop_signal="SIGUSR1",
        stop_grace_period=2.5,
        restart=Restart(name=RestartName.ON_FAILURE, maximum=3),
        cap_add=("NET_ADMIN",),
        cap_drop=("MKNOD",),
        security_opt=("no-new-privileges:true",),
        logging=Logging(driver="json-file", options={"max-size": "1m"}),
        pid="host",
        ipc="shareable",
        uts="host",
        cgroup="host",
        runtime="runc",
        dns_search=("example.org",),
        dns_opt=("ndots:2",),
        expose=(Expose(first=90, last=92, protocol="udp"),),
        ports=(
            Port(target=80),
            Port(target=80, published="18000-18010", host_ip="127.0.0.1"),
            Port(target=53, protocol="udp"),
        ),
        resources=Resources(
            cpus=0.5,
            memory=64 * 2**20,
            pids=50,
            reserved_memory=32 * 2**20,
            memory_swap=128 * 2**20,
            cpu_shares=512,
        ),
        healthcheck=Healthcheck(
            test=("CMD", "true"), interval=1.5, timeout=2, retries=4, start_period=3, start_interval=0.5
        ),
    )
    raw = bench.raw(container)
    config, host = raw["Config"], raw["HostConfig"]
    assert (config["Domainname"], config["Tty"], config["OpenStdin"], config["StdinOnce"]) == (
        "example.org",
        True,
        True,
        False,
    )
    assert (config["StopSignal"], config["StopTimeout"]) == ("SIGUSR1", 3)
    assert config["Healthcheck"]["Interval"] == 1_500_000_000
    assert set(config["ExposedPorts"]) == {"80/tcp", "53/udp", "90/udp", "91/udp", "92/udp"}
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert (host["Privileged"], host["Init"], host["Runtime"]) == (True, True, "runc")
    assert (host["CapAdd"], host["CapDrop"]) in (
        (["NET_ADMIN"], ["MKNOD"]),
        (["CAP_NET_ADMIN"], ["CAP_MKNOD"]),
    )
    assert host["SecurityOpt"][0] == "no-new-privileges:true"
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
    assert (host["PidMode"], host["IpcMode"], host["UTSMode"], host["CgroupnsMode"]) == (
        "host",
        "shareable",
        "host",
        "host",
    )
    assert (host["DnsSearch"], host["DnsOptions"]) == (["example.org"], ["ndots:2"])
    assert host["PortBindings"]["80/tcp"] == [
        {"HostIp": "", "HostPort": ""},
        {"HostIp": "127.0.0.1", "HostPort": "18000-18010"},
    ]
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (500_000_000, 64 * 2**20, 50)
    assert (host["MemoryReservation"], host["MemorySwap"], host["CpuShares"]) == (
        32 * 2**20,
        128 * 2**20,
        512,
    )
    assert not host["AutoRemove"]
    seen = bench.driver.inspect(container)
    assert seen.healthcheck == Healthcheck(
        test=("CMD", "true"), interval=1.5, timeout=2.0, retries=4, start_period=3.0
    )


def test_mounts_hold_what_they_should(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_text("from the host\n")
    made = tmp_path / "made" / "on the way"
    volume = Volume(key="data", name=f"{bench.stack}_data")
    bench.driver.create_volume(volume, {"com.docker.compose.project": bench.stack})
    container = bench.running(
        "sh",
        "-c",
        "cat /in/file; touch /in/no 2>&1 | grep -o Read-only; echo out > /made/file; echo kept > /data/file;"
        " df /small | tail -1 | awk '{print $2}'; ls -ld /small | cut -c1-10; ls -d /anonymous",
        asked={
            "mounts": (
                Mount(type=MountType.BIND, source=str(tmp_path / "in"), target="/in", read_only=True),
                Mount(type=MountType.BIND, source=str(made), target="/made"),
                Mount(type=MountType.VOLUME, source=volume.name, target="/data"),
                Mount(type=MountType.VOLUME, target="/anonymous", volume_labels={"a": "b"}),
                Mount(type=MountType.TMPFS, target="/small", tmpfs_size=2**20, tmpfs_mode=0o1770),
            )
        },
    )
    assert bench.output(container) == ["from the host", "Read-only", "1024", "drwxrwx--T", "/anonymous"]
    assert (made / "file").read_text() == "out\n"
    mounts = {mount.target: mount for mount in bench.driver.inspect(container).mounts}
    assert mounts["/anonymous"].anonymous
    assert not mounts["/data"].anonymous
    assert mounts["/data"].name == volume.name
    anonymous = mounts["/anonymous"].name
    assert anonymous is not None
    with pytest.raises(Conflict):
        bench.driver.remove_volume(volume.name)
    bench.driver.remove(container, volumes=True)
    assert bench.driver.volume(anonymous) is None
    assert bench.driver.volume(volume.name) is not None


def test_a_missing_host_folder_is_refused_where_it_may_not_be_made(bench: Bench, tmp_path: Path) -> None:
    gone = Mount(type=MountType.BIND, source=str(tmp_path / "gone"), target="/x", create_host_path=False)
    with pytest.raises(Rejected, match="gone"):
        bench.create(asked={"mounts": (gone,)})
    assert not (tmp_path / "gone").exists()


def test_files_are_there_before_the_start(bench: Bench) -> None:
    files = (
        FileContent(target="/run/secrets/deep/er", content=b"one\n", uid=7, gid=8, mode=0o400),
        FileContent(target="/two", content=b"\x00\xff"),
    )
    script = "cat /run/secrets/deep/er; ls -ln /run/secrets/deep/er /two | awk '{print $1,$3,$4,$5}'"
    container = bench.running("sh", "-c", script, asked={"files": files})
    assert bench.output(container) == ["one", "-r-------- 7 8 4", "-r--r--r-- 0 0 2"]


def test_files_in_a_read_only_container_are_refused_by_name(bench: Bench) -> None:
    with pytest.raises(Unsupported, match="read_only"):
        bench.create(read_only=True, asked={"files": (FileContent(target="/x", content=b""),)})


def test_names_and_addresses_on_two_networks(bench: Bench) -> None:
    front = bench.network("front")
    back = bench.network(
        "back", internal=True, ipam=(IpamPool(subnet="10.215.7.0/24", gateway="10.215.7.1"),)
    )
    fixed = Attachment(network="back", ipv4_address="10.215.7.99")
    server = bench.running(
        name="db",
        asked={
            "joins": (
                Join(network=front, aliases=("db", "sql")),
                Join(network=back, aliases=("db", "quiet"), attachment=fixed),
            )
        },
    )
    seen = bench.driver.inspect(server)
    assert set(seen.addresses) == {front, back}
    assert seen.addresses[back] == "10.215.7.99"
    assert dict(bench.driver.list(bench.stack)[0].addresses) == dict(seen.addresses)
    client = bench.running(
        "sh",
        "-c",
        "for name in db sql quiet; do ping -c 1 -w 1 $name 2>&1 | head -1; done",
        name="web",
        asked={"joins": (Join(network=front, aliases=("web",)),)},
    )
    found = bench.output(client)
    # the last alias belongs to the other network, so here it names nobody
    for name, line in zip(("db", "sql"), found, strict=False):
        assert line.startswith(f"PING {name} ({seen.addresses[front]})")
    assert found[2] == "ping: bad address 'quiet'"


def test_a_failing_second_join_leaves_no_container(bench: Bench) -> None:
    front = bench.network("front")
    bad = Attachment(network="bad", ipv4_address="not an address")
    with pytest.raises(DriverError):
        bench.create(
            asked={"joins": (Join(network=front), Join(network=bench.network("bad"), attachment=bad))}
        )
    assert bench.driver.list(bench.stack) == []


def test_links_name_the_containers_that_stand(bench: Bench) -> None:
    net = bench.network("net")
    server = bench.running(name="db", asked={"joins": (Join(network=net),)})
    address = bench.driver.inspect(server).addresses[net]
    client = bench.running(
        "sh",
        "-c",
        "for name in store db-1; do nslookup $name | awk '/^Address/ {print $NF}' | tail -1; done",
        name="web",
        links=("db:store",),
        asked={"joins": (Join(network=net),)},
    )
    assert bench.output(client) == [address, address]


def test_a_shared_network_namespace(bench: Bench) -> None:
    server = bench.running(name="db", hostname="inside")
    client = bench.running("sh", "-c", "hostname", name="web", asked={"network_mode": f"container:{server}"})
    assert bench.output(client) == ["inside"]


def test_a_seccomp_profile_is_read_from_its_file(bench: Bench, tmp_path: Path) -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
    }
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    spec_labels = {
        "com.docker.compose.project": bench.stack,
        "com.docker.compose.service": "web",
        "com.docker.compose.project.working_dir": str(tmp_path),
    }
    container = bench.running(
        "sh",
        "-c",
        "mkdir /x || echo refused",
        security_opt=("seccomp:profile.json",),
        asked={"labels": spec_labels},
    )
    assert "refused" in bench.output(container)
    with pytest.raises(Rejected, match="nowhere"):
        bench.create(name="other", security_opt=("seccomp:nowhere.json",))


def test_no_error_holds_an_environment_value(bench: Bench) -> None:
    secret = "correct-horse-battery"
    with pytest.raises(DriverError) as refused:
        bench.create(environment={"GOOD": secret, "": secret})
    assert secret not in str(refused.value)
    with pytest.raises(NotFound) as missing:
        bench.create(environment={"A": secret}, asked={"image": f"nowhere/{secret}"})
    assert secret not in str(missing.value)
    # an exception below may hold the request: a traceback must not show it
    assert missing.value.__cause__ is None
    assert missing.value.__context__ is None or missing.value.__suppress_context__


def test_what_this_engine_lacks_is_named(bench: Bench) -> None:
    if bench.driver._wire.api >= (1, 43):
        pytest.skip("this engine has them all")
    with pytest.raises(Unsupported, match="annotations"):
        bench.create(annotations={"a": "b"})
    assert bench.driver.list(bench.stack) == []


def test_the_engine_is_told_of_devices_and_block_io(bench: Bench) -> None:
    container = bench.create(
        device_cgroup_rules=("c 1:3 mr",),
        blkio_config=BlockIO(weight=300, device_read_bps=(BlockLimit(path="/dev/null", rate=1 << 20),)),
        resources=Resources(cpuset="0"),
    )
    host = bench.raw(container)["HostConfig"]
    assert host["DeviceCgroupRules"] == ["c 1:3 mr"]
    # an engine whose kernel has no weights says so and drops them
    assert host["BlkioWeight"] in (300, 0)
    assert host["BlkioDeviceReadBps"] in ([{"Path": "/dev/null", "Rate": 1 << 20}], [], None)


def test_an_external_link_names_a_container_of_another_stack(bench: Bench) -> None:
    net = bench.network("net")
    outsider = bench.running(name="outsider", asked={"joins": (Join(network=net),)})
    name = bench.driver.inspect(outsider).name
    client = bench.running(
        "sh",
        "-c",
        "nslookup redis | awk '/^Address/ {print $NF}' | tail -1",
        name="web",
        external_links=(f"{name}:redis",),
        asked={"joins": (Join(network=net),)},
    )
    assert bench.output(client) == [bench.driver.inspect(outsider).addresses[net]]
