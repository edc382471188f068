"""Bodies of creation for engines older and newer than the one at hand."""

from __future__ import annotations

from typing import Any

import pytest

from zun_compose.container import ContainerSpec, Join
from zun_compose.drivers.docker import create
from zun_compose.errors import Rejected, Unsupported
from zun_compose.model import (
    Attachment,
    BlockIO,
    BlockLimit,
    DeviceRequest,
    Healthcheck,
    Logging,
    Mount,
    MountType,
    Port,
    Resources,
    Restart,
    RestartName,
    Service,
)

OLD = (1, 41)
NEW = (1, 51)


def _spec(asked: dict[str, Any] | None = None, **declared: Any) -> ContainerSpec:
    service = Service(name="web", **declared)
    return ContainerSpec(
        name="s-web-1", stack="s", service=service, number=1, image="i", labels={"a": "b"}, **(asked or {})
    )


def test_what_is_not_declared_is_left_to_image_and_engine() -> None:
    body = create.body(_spec(), OLD)
    for key in (
        "Cmd",
        "Entrypoint",
        "User",
        "WorkingDir",
        "Hostname",
        "Healthcheck",
        "StopTimeout",
        "StopSignal",
    ):
        assert key not in body
    assert set(body["HostConfig"]) == {"NetworkMode", "RestartPolicy", "PortBindings"}
    assert body["HostConfig"]["NetworkMode"] == "default"
    assert body["Labels"] == {"a": "b"}


def test_an_empty_command_is_not_a_missing_one() -> None:
    body = create.body(_spec(command=(), entrypoint=()), OLD)
    assert (body["Cmd"], body["Entrypoint"]) == ([], [])


def test_a_variable_without_value_is_taken_from_the_image() -> None:
    assert create.body(_spec(environment={"A": None, "B": "", "C": "x=y"}), OLD)["Env"] == [
        "A",
        "B=",
        "C=x=y",
    ]


@pytest.mark.parametrize("name", ["", "A=B", "A\0"])
def test_a_name_that_would_make_the_engine_quote_the_value_is_refused_here(name: str) -> None:
    with pytest.raises(Rejected) as refused:
        create.body(_spec(environment={name: "s3cret"}), OLD)
    assert "s3cret" not in str(refused.value)


JOINS = (
    Join(
        network="one", aliases=("web",), attachment=Attachment(network="one", mac_address="02:00:00:00:00:01")
    ),
    Join(
        network="two", aliases=("web", "other"), attachment=Attachment(network="two", ipv4_address="10.0.0.9")
    ),
)


def test_old_engines_join_one_network_at_creation() -> None:
    spec = _spec({"joins": JOINS})
    body = create.body(spec, OLD)
    assert body["MacAddress"] == "02:00:00:00:00:01"
    assert body["NetworkingConfig"]["EndpointsConfig"] == {"one": {"Aliases": ["web"]}}
    assert body["HostConfig"]["NetworkMode"] == "one"
    assert create.later_joins(spec, OLD) == JOINS[1:]
    assert create.endpoint(JOINS[1], spec, OLD) == {
        "Aliases": ["web", "other"],
        "IPAMConfig": {"IPv4Address": "10.0.0.9"},
    }


def test_new_engines_join_all_networks_at_once() -> None:
    spec = _spec({"joins": JOINS})
    body = create.body(spec, NEW)
    assert "MacAddress" not in body
    assert list(body["NetworkingConfig"]["EndpointsConfig"]) == ["one", "two"]
    assert body["NetworkingConfig"]["EndpointsConfig"]["one"]["MacAddress"] == "02:00:00:00:00:01"
    assert create.later_joins(spec, NEW) == ()


def test_a_network_mode_excludes_joins() -> None:
    spec = _spec({"network_mode": "container:abc"})
    body = create.body(spec, OLD)
    assert body["HostConfig"]["NetworkMode"] == "container:abc"
    assert "NetworkingConfig" not in body


@pytest.mark.parametrize(
    ("attachment", "version", "named"),
    [
        (Attachment(network="two", gw_priority=1), (1, 48), "gw_priority"),
        (Attachment(network="two", interface_name="eth9"), (1, 49), "interface_name"),
        (Attachment(network="two", mac_address="02:00:00:00:00:02"), (1, 44), "mac_address"),
    ],
)
def test_attributes_of_newer_engines(attachment: Attachment, version: tuple[int, int], named: str) -> None:
    spec = _spec({"joins": (JOINS[0], Join(network="two", attachment=attachment))})
    with pytest.raises(Unsupported, match=rf'service "web": .*{named}.*{version[0]}\.{version[1]}'):
        create.endpoint(spec.joins[1], spec, (version[0], version[1] - 1))
    assert len(create.endpoint(spec.joins[1], spec, version)) == 2


def test_annotations_need_a_newer_engine() -> None:
    with pytest.raises(Unsupported, match="annotations"):
        create.body(_spec(annotations={"a": "b"}), (1, 42))
    assert create.body(_spec(annotations={"a": "b"}), (1, 43))["HostConfig"]["Annotations"] == {"a": "b"}


def test_a_start_interval_is_sent_where_it_is_known() -> None:
    check = Healthcheck(interval=30, start_interval=0.5)
    assert create.body(_spec(healthcheck=check), OLD)["Healthcheck"] == {"Interval": 30_000_000_000}
    assert create.body(_spec(healthcheck=check), NEW)["Healthcheck"]["StartInterval"] == 500_000_000


def test_what_removes_itself_has_no_restart_policy() -> None:
    restart = Restart(name=RestartName.ALWAYS)
    host = create.body(_spec({"auto_remove": True}, restart=restart), OLD)["HostConfig"]
    assert (host["AutoRemove"], host["RestartPolicy"]["Name"]) == (True, "no")


def test_only_on_failure_counts() -> None:
    restart = Restart(name=RestartName.ALWAYS, maximum=3)
    policy = create.body(_spec(restart=restart), OLD)["HostConfig"]["RestartPolicy"]
    assert policy == {"Name": "always", "MaximumRetryCount": 0}


def test_a_grace_is_rounded_up() -> None:
    assert create.body(_spec(stop_grace_period=0.1), OLD)["StopTimeout"] == 1
    assert create.body(_spec(stop_grace_period=0), OLD)["StopTimeout"] == 0


def test_the_input_of_a_one_off_run_ends_with_its_feeder() -> None:
    assert create.body(_spec({"oneoff": True}, stdin_open=True), OLD)["StdinOnce"]
    assert not create.body(_spec(stdin_open=True), OLD)["StdinOnce"]


def test_resolved_modes_win_over_declared_ones() -> None:
    host = create.body(_spec({"pid_mode": "container:1"}, pid="service:db", ipc="host"), OLD)["HostConfig"]
    assert (host["PidMode"], host["IpcMode"]) == ("container:1", "host")


def test_ports_gather_their_bindings() -> None:
    ports = (
        Port(target=80, published="8080"),
        Port(target=80),
        Port(target=80, protocol="udp", host_ip="::1"),
    )
    assert create.body(_spec(ports=ports), OLD)["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": "8080"}, {"HostIp": "", "HostPort": ""}],
        "80/udp": [{"HostIp": "::1", "HostPort": ""}],
    }


def test_a_log_driver_is_named() -> None:
    logging = Logging(driver="local", options={"max-size": "1m"})
    assert create.body(_spec(logging=logging), OLD)["HostConfig"]["LogConfig"]["Type"] == "local"


def _mounted(api: tuple[int, int], **declared: Any) -> dict[str, Any]:
    host = create.body(_spec({"mounts": (Mount(target="/t", **declared),)}), api)["HostConfig"]
    return {key: host[key] for key in ("Binds", "Mounts") if key in host}


def test_binds_make_their_folder_unless_told_not_to() -> None:
    bind = {"type": MountType.BIND, "source": "/h"}
    assert _mounted(OLD, **bind) == {"Binds": ["/h:/t:rw"]}
    assert _mounted(OLD, **bind, read_only=True, selinux="z", propagation="rshared") == {
        "Binds": ["/h:/t:ro,z,rshared"]
    }
    assert _mounted(OLD, **bind, create_host_path=False, propagation="rslave") == {
        "Mounts": [
            {
                "Type": "bind",
                "Target": "/t",
                "ReadOnly": False,
                "Source": "/h",
                "BindOptions": {"Propagation": "rslave"},
            }
        ]
    }


def test_a_colon_in_a_path_needs_the_longer_form() -> None:
    bind = {"type": MountType.BIND, "source": "/h:1"}
    assert _mounted((1, 42), **bind)["Mounts"][0]["BindOptions"] == {"CreateMountpoint": True}
    with pytest.raises(Unsupported, match="colon"):
        _mounted(OLD, **bind)


@pytest.mark.parametrize(
    ("declared", "version", "named"),
    [
        ({"type": MountType.VOLUME, "source": "v", "subpath": "a"}, (1, 45), "subpath"),
        ({"type": MountType.IMAGE, "source": "i"}, (1, 48), "image"),
        ({"type": MountType.NPIPE, "source": "p"}, None, "npipe"),
        ({"type": MountType.CLUSTER, "source": "p"}, None, "cluster"),
        (
            {"type": MountType.BIND, "source": "/h", "create_host_path": False, "selinux": "z"},
            None,
            "selinux",
        ),
    ],
)
def test_mounts_that_need_more(declared: dict[str, Any], version: tuple[int, int] | None, named: str) -> None:
    with pytest.raises(Unsupported, match=named):
        _mounted((version[0], version[1] - 1) if version else NEW, **declared)
    if version:
        assert _mounted(version, **declared)["Mounts"][0]["Type"] == declared["type"]


def test_devices_block_io_and_storage_are_asked_for() -> None:
    spec = _spec(
        device_requests=(
            DeviceRequest(count=-1, capabilities=("gpu",)),
            DeviceRequest(driver="cdi", device_ids=("a",), options={"b": "c"}),
        ),
        device_cgroup_rules=("c 1:3 mr",),
        storage_opt={"size": "1G"},
        blkio_config=BlockIO(
            weight=300,
            weight_device=(BlockLimit(path="/dev/a", rate=10),),
            device_write_iops=(BlockLimit(path="/dev/b", rate=20),),
        ),
        resources=Resources(cpu_rt_period=5, cpu_rt_runtime=4),
    )
    host = create.body(spec, OLD)["HostConfig"]
    assert host["DeviceRequests"] == [
        {"Driver": "", "Capabilities": [["gpu"]], "Count": -1},
        {"Driver": "cdi", "Capabilities": [[]], "DeviceIDs": ["a"], "Options": {"b": "c"}},
    ]
    assert (host["DeviceCgroupRules"], host["StorageOpt"]) == (["c 1:3 mr"], {"size": "1G"})
    assert (host["BlkioWeight"], host["CpuRealtimePeriod"], host["CpuRealtimeRuntime"]) == (300, 5, 4)
    assert host["BlkioWeightDevice"] == [{"Path": "/dev/a", "Weight": 10}]
    assert host["BlkioDeviceWriteIOps"] == [{"Path": "/dev/b", "Rate": 20}]
    assert "BlkioDeviceReadBps" not in host
