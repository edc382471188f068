"""Zun on the Docker engine of this machine: API, compute, and the proxy for attached terminals."""

from __future__ import annotations

from pathlib import Path

from tests.cloud import configuration, database, docker, kuryr, neutron, registry, rest
from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task, server
from tests.cloud.settings import ADDRESS, Port, Settings

# the newest API that Zun 18 has
VERSION = {"OpenStack-API-Version": "container 1.40"}


def steps(settings: Settings, processes: Processes) -> list[Process | Task]:
    """Return its schema and its three processes."""
    (settings.state / "zun").mkdir(exist_ok=True)
    paste = configuration.adapted(settings, "zun", "api-paste.ini")
    file = _configuration(settings, paste)
    number, websockets = settings.ports[Port.ZUN], settings.ports[Port.WEBSOCKETS]
    engine = settings.etc / "zun" / "engine.conf"
    manage = (str(settings.bin / "zun-db-manage"), "--config-file", str(file), "upgrade")
    stored = ("zun-schema", "mariadb", "rabbit")
    return [
        Task("zun-schema", lambda: processes.run("zun-schema", manage), needs=("databases",)),
        server(
            settings,
            "zun-api",
            (file,),
            needs=stored,
            files=(paste,),
            ready=lambda: rest.answers(number),
        )._replace(ports=(number,)),
        Task(
            "zun-engine",
            lambda: configuration.write(engine, _engine()),
            needs=("docker",),
            done=lambda: engine.exists() and engine.read_text() == _engine(),
        ),
        server(
            settings,
            "zun-compute",
            (file, engine),
            "zun-compute",
            f"zun-compute.{settings.host}",
            # it reports its room to Placement when it starts, and the engine must be there to be counted
            needs=(*stored, "zun-engine", "keystone-objects", "keystone", "placement"),
        ),
        server(
            settings,
            "zun-wsproxy",
            (file,),
            needs=stored,
            ready=lambda: processes.listens(websockets),
        )._replace(ports=(websockets,)),
        Task(
            "engine-network",
            lambda: _network(settings, processes),
            needs=("zun-api", "zun-compute", "network", "kuryr-announced", "keystone"),
            done=lambda: bool(kuryr.networks()),
        ),
    ]


def _network(settings: Settings, processes: Processes) -> None:
    """Have Zun make the Docker network of ours.

    Left to the first containers, two of them at once would each try, and one would end in Error.
    """
    # Zun's record of a network that Docker has lost would keep it from being made again
    database.execute(settings, processes, "DELETE FROM zun.network;")
    session = rest.Session(settings)
    (ours,) = session.ask(Port.NEUTRON, "GET", f"/v2.0/networks?name={neutron.NETWORK}")["networks"]
    session.ask(Port.ZUN, "POST", "/v1/networks", {"name": ours["id"], "neutron_net_id": ours["id"]}, VERSION)


def _engine() -> str:
    """What is only known when the engine answers, in a file for zun-compute alone."""
    return f"[docker]\ndocker_remote_api_version = {docker.api_version()}\n"


def _configuration(settings: Settings, paste: Path) -> Path:
    file = settings.etc / "zun" / "zun.conf"
    state = settings.state / "zun"
    websockets = settings.ports[Port.WEBSOCKETS]
    return configuration.ini(
        file,
        {
            "DEFAULT": {
                "use_stderr": True,
                "host": settings.host,
                "my_ip": ADDRESS,
                "my_block_storage_ip": ADDRESS,
                "state_path": state,
                "transport_url": configuration.queue_url(settings),
                "image_driver_list": "docker,glance",
                "default_image_driver": "docker",
                "capsule_driver": "docker",
                # pulled with policy "always" whatever is set here, hence the registry
                "sandbox_image": registry.image(settings, registry.PAUSE),
                "sandbox_image_driver": "docker",
                "sandbox_image_pull_policy": "ifnotpresent",
                "rootwrap_config": settings.etc / "zun" / "rootwrap.conf",
            },
            "api": {
                "host_ip": ADDRESS,
                "port": settings.ports[Port.ZUN],
                "workers": 1,
                "api_paste_config": paste,
            },
            # a small machine pretends to be a large one, or the tenth container would find no room
            "compute": {
                "topic": "zun-compute",
                "host_shared_with_nova": False,
                "initial_cpu_allocation_ratio": 100,
                "initial_disk_allocation_ratio": 100,
                "initial_ram_allocation_ratio": 20,
            },
            "database": configuration.database(settings, "zun"),
            "glance": {"images_directory": state / "images"},
            "keystone_auth": configuration.login(settings, "zun"),
            "keystone_authtoken": configuration.token_check(settings, "zun"),
            "network": {"driver": "kuryr", "driver_name": "kuryr"},
            "quota": {"containers": -1, "cpu": -1, "disk": -1, "memory": -1},
            "volume": {"driver_list": "cinder,local", "fstype": "ext4", "volume_dir": state / "mnt"},
            "websocket_proxy": {
                "wsproxy_host": ADDRESS,
                "wsproxy_port": websockets,
                "base_url": f"ws://{ADDRESS}:{websockets}/",
                "allowed_origins": f"{ADDRESS},localhost",
            },
            **configuration.messaging(settings),
            **configuration.privileged(settings, file, "privsep", "privsep_osbrick"),
        },
    )
