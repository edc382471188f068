"""Cinder with volumes in files behind loop devices: inside/loopvolume.py is its driver."""

from __future__ import annotations

from pathlib import Path

from tests.cloud import configuration, rest
from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task, application, inside, server
from tests.cloud.settings import ADDRESS, Port, Settings

_BACKEND = "loop"
# volume type -> what Cinder's scheduler reads of it
TYPES = {
    "loop": {"volume_backend_name": _BACKEND},
    "loop-multi": {"volume_backend_name": _BACKEND, "multiattach": "<is> True"},
}


def volumes(settings: Settings) -> Path:
    """Return the folder of the volumes' files."""
    return settings.state / "cinder" / "volumes"


def steps(settings: Settings, processes: Processes) -> list[Process | Task]:
    """Return its schema, its three processes and its volume types."""
    driver = inside(settings, "loopvolume.py")
    paste = configuration.adapted(settings, "cinder", "api-paste.ini")
    file = _configuration(settings, paste)
    options = ("--config-file", str(file))
    manage = (str(settings.bin / "cinder-manage"), *options, "db", "sync")
    stored = ("cinder-schema", "mariadb", "rabbit")
    return [
        Task("cinder-schema", lambda: processes.run("cinder-schema", manage), needs=("databases",)),
        application(
            settings,
            "cinder-api",
            Port.CINDER,
            "cinder.wsgi.api",
            arguments=options,
            needs=stored,
            files=(file, paste),
        ),
        server(settings, "cinder-scheduler", (file,), "cinder-scheduler", needs=stored),
        server(
            settings,
            "cinder-volume",
            (file,),
            f"cinder-volume.{settings.host}@{_BACKEND}",
            needs=stored,
            environment={"PYTHONPATH": str(driver.parent)},
            files=(driver,),
        ),
        Task(
            "volume-types",
            lambda: _types(settings),
            needs=("cinder-api", "keystone", "keystone-objects"),
        ),
    ]


def _configuration(settings: Settings, paste: Path) -> Path:
    file = settings.etc / "cinder" / "cinder.conf"
    state = settings.state / "cinder"
    (state / "conversion").mkdir(parents=True, exist_ok=True)
    return configuration.ini(
        file,
        {
            "DEFAULT": {
                "use_stderr": True,
                "my_ip": ADDRESS,
                "host": settings.host,
                "transport_url": configuration.queue_url(settings),
                "auth_strategy": "keystone",
                "state_path": state,
                "image_conversion_dir": state / "conversion",
                "api_paste_config": paste,
                "resource_query_filters_file": configuration.adapted(
                    settings, "cinder", "resource_filters.json"
                ),
                "osapi_volume_listen": ADDRESS,
                "osapi_volume_listen_port": settings.ports[Port.CINDER],
                "osapi_volume_workers": 1,
                "enabled_backends": _BACKEND,
                "default_volume_type": "loop",
                "glance_api_servers": settings.url(Port.GLANCE),
                "quota_gigabytes": -1,
                "quota_snapshots": -1,
                "quota_volumes": -1,
            },
            _BACKEND: {
                "volume_driver": "loopvolume.LoopDriver",
                "volume_backend_name": _BACKEND,
                "loop_folder": state,
            },
            "coordination": {"backend_url": f"file://{state}/coordination"},
            "database": configuration.database(settings, "cinder"),
            "keystone_authtoken": configuration.token_check(settings, "cinder"),
            **configuration.messaging(settings),
            **configuration.privileged(settings, file, "privsep", "privsep_osbrick"),
        },
    )


def _types(settings: Settings) -> None:
    session = rest.Session(settings)
    there = {one["name"] for one in session.ask(Port.CINDER, "GET", "/v3/%p/types")["volume_types"]}
    for name, specs in TYPES.items():
        if name not in there:
            wanted = {"name": name, "extra_specs": specs, "os-volume-type-access:is_public": True}
            session.ask(Port.CINDER, "POST", "/v3/%p/types", {"volume_type": wanted})
