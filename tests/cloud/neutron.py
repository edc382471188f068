"""Neutron with ML2 and Open vSwitch: API, RPC server, agents, and two flat networks that the host is on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.cloud import configuration, rest, switch
from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task, application, server
from tests.cloud.settings import ADDRESS, Port, Settings

NETWORK = "private"
PUBLIC = "public"
"""The network of floating IPs."""

_PHYSICAL = "flat"
# the agent's report of its first complete round
_FIRST_ROUND = b"rpc_loop - iteration:0 completed"

AGENT = "neutron-l3-agent"
"""The process of Neutron's L3 agent."""


def steps(settings: Settings, processes: Processes) -> list[Process | Task]:
    """Return its schema, its processes and the networks."""
    base = _base(settings)
    plugin = _plugin(settings)
    agent = _agent(settings)
    both = ("--config-file", str(base), "--config-file", str(plugin))
    manage = (str(settings.bin / "neutron-db-manage"), *both, "upgrade", "head")
    log = settings.log / "neutron-agent.log"
    return [
        Task("neutron-schema", lambda: processes.run("neutron-schema", manage), needs=("databases",)),
        application(
            settings,
            "neutron-api",
            Port.NEUTRON,
            "neutron.wsgi.api",
            environment={
                "OS_NEUTRON_CONFIG_DIR": str(base.parent),
                "OS_NEUTRON_CONFIG_FILES": f"{base.name};{plugin.name}",
            },
            needs=("neutron-schema", "mariadb", "rabbit"),
            files=(base, plugin),
        ),
        server(
            settings,
            "neutron-rpc-server",
            (base, plugin),
            "q-plugin",
            name="neutron-rpc",
            # the longest chain begins here: it imports while RabbitMQ starts, for which it waits by itself
            needs=("neutron-schema", "mariadb"),
        ),
        server(
            settings,
            "neutron-openvswitch-agent",
            (base, agent),
            name="neutron-agent",
            needs=("neutron-rpc", "bridges", "rabbit"),
            # its heartbeat in Neutron may be a former life's; the log is of this one
            ready=lambda: _FIRST_ROUND in log.read_bytes(),
            # told to end, it never does
        )._replace(ports=(settings.ports[Port.OPENFLOW],), grace=3),
        *_routers(settings, base),
        Task(
            "network-public",
            lambda: _public(settings),
            # Neutron answers 403 to one of two who are its first callers
            needs=("network",),
        ),
        Task(
            "network",
            lambda: _network(settings),
            needs=("neutron-api", "neutron-agent", "keystone-objects", "keystone"),
        ),
    ]


def _routers(settings: Settings, base: Path) -> list[Process]:
    """Return the agent without which routers carry no packets: half a GiB, so only where it is asked for."""
    if not settings.routing:
        return []
    return [
        server(
            settings,
            AGENT,
            (base, _routing(settings)),
            "l3_agent",
            needs=("neutron-rpc", "neutron-agent", "bridges", "rabbit"),
        )
    ]


def _base(settings: Settings) -> Path:
    unlimited = ("network", "subnet", "port", "security_group", "security_group_rule", "router", "floatingip")
    return configuration.ini(
        settings.etc / "neutron" / "neutron.conf",
        {
            "DEFAULT": {
                "use_stderr": True,
                "core_plugin": "ml2",
                "service_plugins": "router,port_forwarding",
                "bind_host": ADDRESS,
                "bind_port": settings.ports[Port.NEUTRON],
                "host": settings.host,
                "transport_url": configuration.queue_url(settings),
                "auth_strategy": "keystone",
                "state_path": settings.state / "neutron",
                "api_paste_config": settings.venv / "etc" / "neutron" / "api-paste.ini",
                # there is no Nova to be told, and no DHCP agent
                "notify_nova_on_port_status_changes": False,
                "notify_nova_on_port_data_changes": False,
                "dhcp_agent_notification": False,
                "rpc_workers": 1,
                "rpc_state_report_workers": 0,
                "global_physnet_mtu": 1500,
            },
            "agent": {"root_helper": "env", "report_interval": 15},
            "database": configuration.database(settings, "neutron"),
            "keystone_authtoken": configuration.token_check(settings, "neutron"),
            "quotas": {f"quota_{name}": -1 for name in unlimited},
            **configuration.messaging(settings),
            **configuration.privileged(
                settings,
                None,
                "privsep",
                "privsep_conntrack",
                "privsep_link",
                "privsep_namespace",
                "privsep_ovs_vsctl",
            ),
        },
    )


_SECURITY = {"enable_security_group": True, "enable_ipset": False, "firewall_driver": "openvswitch"}


def _plugin(settings: Settings) -> Path:
    return configuration.ini(
        settings.etc / "neutron" / "ml2_conf.ini",
        {
            "ml2": {
                "type_drivers": "local,flat,vlan",
                "tenant_network_types": "local",
                "mechanism_drivers": "openvswitch",
                "extension_drivers": "port_security",
            },
            "ml2_type_flat": {"flat_networks": f"{_PHYSICAL},{PUBLIC}"},
            "securitygroup": _SECURITY,
        },
    )


def _agent(settings: Settings) -> Path:
    return configuration.ini(
        settings.etc / "neutron" / "openvswitch_agent.ini",
        {
            "agent": {"root_helper": "env", "tunnel_types": "", "minimize_polling": True},
            "ovs": {
                "integration_bridge": switch.INSIDE,
                "bridge_mappings": f"{_PHYSICAL}:{switch.OUTSIDE},{PUBLIC}:{switch.PUBLIC}",
                "datapath_type": "netdev",
                "local_ip": ADDRESS,
                "of_listen_address": ADDRESS,
                "of_listen_port": settings.ports[Port.OPENFLOW],
                "ovsdb_connection": f"tcp:{ADDRESS}:{settings.ports[Port.OVSDB]}",
            },
            "securitygroup": _SECURITY,
        },
    )


def _routing(settings: Settings) -> Path:
    return configuration.ini(
        settings.etc / "neutron" / "l3_agent.ini",
        {
            "DEFAULT": {"interface_driver": "openvswitch", "enable_metadata_proxy": False},
            "agent": {"root_helper": "env", "extensions": "port_forwarding", "report_interval": 15},
            "ovs": {
                "integration_bridge": switch.INSIDE,
                "ovsdb_connection": f"tcp:{ADDRESS}:{settings.ports[Port.OVSDB]}",
            },
        },
    )


def _network(settings: Settings) -> None:
    _flat(
        settings,
        {"name": NETWORK, "shared": True, "provider:physical_network": _PHYSICAL},
        {"cidr": settings.network, "gateway_ip": switch.gateway(settings)},
    )


def _public(settings: Settings) -> None:
    # of nobody who makes containers: asked for no network, Zun takes one of the caller's before a shared one
    found = rest.Session(settings).ask(Port.KEYSTONE, "GET", "/v3/projects?name=service")["projects"]
    owner = {"project_id": found[0]["id"]}
    _flat(
        settings,
        {"name": PUBLIC, "router:external": True, "provider:physical_network": PUBLIC, **owner},
        {"cidr": str(switch.FLOATING), "gateway_ip": str(next(switch.FLOATING.hosts())), **owner},
    )


def _flat(settings: Settings, network: Mapping[str, object], subnet: Mapping[str, object]) -> None:
    name = network["name"]
    session = rest.Session(settings)
    found = session.ask(Port.NEUTRON, "GET", f"/v2.0/networks?name={name}")["networks"]
    wanted = {"provider:network_type": "flat", **network}
    made = (
        found[0]
        if found
        else session.ask(Port.NEUTRON, "POST", "/v2.0/networks", {"network": wanted})["network"]
    )
    if not made["subnets"]:
        body = {
            "name": f"{name}-v4",
            "network_id": made["id"],
            "ip_version": 4,
            "enable_dhcp": False,
            **subnet,
        }
        session.ask(Port.NEUTRON, "POST", "/v2.0/subnets", {"subnet": body})
