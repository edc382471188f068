"""Open vSwitch with the datapath in userspace: no kernel module is needed."""

from __future__ import annotations

import ipaddress
import json
import socket
from pathlib import Path

from tests.cloud.errors import CloudError
from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task, found
from tests.cloud.settings import ADDRESS, Port, Settings

INSIDE = "br-int"
OUTSIDE = "br-ex"
PUBLIC = "br-pub"
# where floating IPs are; the host is the way in
FLOATING = ipaddress.ip_network("10.78.0.0/24")
# all links that the userspace datapath makes
LINKS = (INSIDE, OUTSIDE, PUBLIC, "ovs-netdev")
_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def gateway(settings: Settings) -> str:
    """Return the host's address on the containers' network: its first."""
    return str(next(ipaddress.ip_network(settings.network).hosts()))


def outward(settings: Settings) -> dict[str, str]:
    """Return the host's address, with its width, on each bridge that leads out of the switch."""
    return {
        OUTSIDE: f"{gateway(settings)}/{settings.network.partition('/')[2]}",
        PUBLIC: f"{next(FLOATING.hosts())}/{FLOATING.prefixlen}",
    }


def records(settings: Settings) -> Path:
    """Return the switch's database file."""
    return settings.state / "ovs.db"


def steps(settings: Settings, processes: Processes) -> list[Process | Task]:
    """Return the switch's database, its daemons and its bridges."""
    run = settings.run / "ovs"
    run.mkdir(exist_ok=True)
    line = f"unix:{run}/db.sock"
    control = f"{run}/vswitchd.ctl"
    number = settings.ports[Port.OVSDB]
    change = (found("ovs-vsctl"), f"--db={line}", "--timeout=20")
    quiet = ("-vconsole:warn", "-vsyslog:off")

    def create() -> None:
        for _, link in socket.if_nameindex():
            if link in LINKS:
                raise CloudError(
                    f'a link "{link}" exists already and the cloud needs that name: '
                    f"is another cloud up? else: ip link del {link}"
                )
        records(settings).unlink(missing_ok=True)
        processes.run("switch-files", [found("ovsdb-tool"), "create", str(records(settings)), _SCHEMA])

    def prepare() -> None:
        # Without segmentation offload in userspace the datapath drops the half-made checksums of veth
        # devices: ping works, every TCP connection hangs. vswitchd reads this once, when it starts.
        facts = (
            f"external_ids:system-id={settings.host}",
            f"external_ids:hostname={settings.host}",
            "other_config:userspace-tso-enable=true",
        )
        processes.run(
            "switch-options", [*change, "--no-wait", "init", "--", "set", "Open_vSwitch", ".", *facts]
        )

    def bridges() -> None:
        add = (*change, "--may-exist", "add-br")
        kind = "datapath_type=netdev"
        processes.run("bridges", [*add, INSIDE, "--", "set", "bridge", INSIDE, kind, "fail_mode=secure"])
        # The host is the gateway of the flat networks: it reaches the containers' one without an L3 agent,
        # and routers' floating IPs by the public one.
        for bridge, address in outward(settings).items():
            processes.run("bridges", [*add, bridge, "--", "set", "bridge", bridge, kind])
            processes.run("bridges", [found("ip"), "address", "replace", address, "dev", bridge])
            processes.run("bridges", [found("ip"), "link", "set", bridge, "up"])

    def bridged() -> bool:
        return all(ready(bridge, address) for bridge, address in outward(settings).items())

    def ready(bridge: str, address: str) -> bool:
        try:
            told = processes.run("bridges-seen", [found("ip"), "-json", "address", "show", "dev", bridge])
        except CloudError:
            return False
        links = json.loads(told)
        addresses = {entry.get("local") for link in links for entry in link.get("addr_info", ())}
        return address.partition("/")[0] in addresses and "UP" in links[0].get("flags", ())

    return [
        Task("switch-files", create),
        Process(
            "ovsdb",
            (
                found("ovsdb-server"),
                str(records(settings)),
                f"--remote=p{line}",
                f"--remote=ptcp:{number}:{ADDRESS}",
                f"--unixctl={run}/ovsdb.ctl",
                *quiet,
            ),
            ready=lambda: processes.listens(number),
            needs=("switch-files",),
            ports=(number,),
            patience=30,
        ),
        Task("switch-options", prepare, needs=("ovsdb",)),
        Process(
            "vswitchd",
            (found("ovs-vswitchd"), line, f"--unixctl={control}", "--mlockall", *quiet),
            ready=lambda: (
                Path(control).exists()
                and processes.succeeds([found("ovs-appctl"), "--timeout=3", "-t", control, "version"])
            ),
            needs=("switch-options",),
            patience=30,
        ),
        Task("bridges", bridges, needs=("vswitchd",), done=bridged),
    ]
