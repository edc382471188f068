"""Glance with images in files."""

from __future__ import annotations

from tests.cloud import configuration
from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task, application
from tests.cloud.settings import ADDRESS, Port, Settings


def steps(settings: Settings, processes: Processes) -> list[Process | Task]:
    """Return its schema and its API."""
    place = settings.etc / "glance"
    state = settings.state / "glance"
    stores = {name: state / name for name in ("images", "staging", "tasks", "cache")}
    for folder in stores.values():
        folder.mkdir(parents=True, exist_ok=True)
    paste = configuration.adapted(settings, "glance", "glance-api-paste.ini")
    file = configuration.ini(
        place / "glance-api.conf",
        {
            "DEFAULT": {
                "use_stderr": True,
                "bind_host": ADDRESS,
                "bind_port": settings.ports[Port.GLANCE],
                "transport_url": configuration.queue_url(settings),
                "enabled_backends": "files:file",
                "enabled_import_methods": "[glance-direct]",
                "image_cache_dir": stores["cache"],
                "node_staging_uri": f"file://{stores['staging']}",
                "worker_self_reference_url": settings.url(Port.GLANCE),
            },
            "glance_store": {"default_backend": "files"},
            "files": {"filesystem_store_datadir": stores["images"]},
            # Glance's own two stores have these names whatever ours is called
            "os_glance_staging_store": {"filesystem_store_datadir": stores["staging"]},
            "os_glance_tasks_store": {"filesystem_store_datadir": stores["tasks"]},
            "database": configuration.database(settings, "glance"),
            "keystone_authtoken": configuration.token_check(settings, "glance"),
            "paste_deploy": {"flavor": "keystone", "config_file": paste},
            **configuration.messaging(settings),
        },
    )
    manage = (str(settings.bin / "glance-manage"), "--config-file", str(file), "db_sync")
    return [
        Task("glance-schema", lambda: processes.run("glance-schema", manage), needs=("databases",)),
        application(
            settings,
            "glance-api",
            Port.GLANCE,
            "glance.wsgi.api",
            environment={"OS_GLANCE_CONFIG_DIR": str(place)},
            needs=("glance-schema", "mariadb", "rabbit"),
            files=(file, paste),
        ),
    ]
