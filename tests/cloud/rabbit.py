"""RabbitMQ with an epmd of its own, so that no other Erlang on this machine is met."""

from __future__ import annotations

from pathlib import Path

from tests.cloud import amqp, configuration
from tests.cloud.packages import RABBIT
from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task, found
from tests.cloud.settings import ADDRESS, Port, Settings


def steps(settings: Settings, processes: Processes) -> list[Process | Task]:
    """Return epmd and RabbitMQ."""
    number, peers, names = (settings.ports[port] for port in (Port.RABBIT, Port.RABBIT_PEERS, Port.EPMD))
    home = settings.state / "rabbit"
    home.mkdir(exist_ok=True)
    (home / "enabled_plugins").write_text("[].\n")
    # no schedulers that spin while they wait: two cores are shared by twenty processes
    calm = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
    environment = {
        "HOME": str(home),
        "ERL_EPMD_ADDRESS": ADDRESS,
        "ERL_EPMD_PORT": str(names),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_DIST_PORT": str(peers),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_NODENAME": f"cloud{number}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": ADDRESS,
        "RABBITMQ_NODE_PORT": str(number),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{calm} -kernel inet_dist_use_interface {{127,0,0,1}}",
    }
    return [
        Process(
            "epmd",
            (_epmd(), "-address", ADDRESS, "-port", str(names)),
            ready=lambda: processes.listens(names),
            ports=(names,),
        ),
        Process(
            "rabbit",
            (RABBIT,),
            ready=lambda: amqp.consumed(number, settings.password),
            needs=("epmd",),
            ports=(number, peers),
            environment=environment,
            files=(_settings(settings, home, number),),
            grace=30,
        ),
    ]


def _settings(settings: Settings, home: Path, number: int) -> Path:
    wanted = {
        "listeners.tcp.local": f"{ADDRESS}:{number}",
        "default_user": "openstack",
        "default_pass": settings.password,
        "default_user_tags.administrator": "true",
        "default_permissions.configure": ".*",
        "default_permissions.read": ".*",
        "default_permissions.write": ".*",
        "disk_free_limit.absolute": "50MB",
        "vm_memory_high_watermark.absolute": "512MB",
        "log.console": "true",
        "log.console.level": "warning",
        "log.file": "false",
    }
    text = "".join(f"{key} = {value}\n" for key, value in wanted.items())
    return configuration.write(home / "rabbitmq.conf", text)


def _epmd() -> str:
    bundled = sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))
    return found("epmd") if found("epmd") != "epmd" or not bundled else str(bundled[-1])
