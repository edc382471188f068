"""Placement: what Zun's scheduler asks for a host with room."""

from __future__ import annotations

from tests.cloud import configuration
from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task, application
from tests.cloud.settings import Port, Settings


def steps(settings: Settings, processes: Processes) -> list[Process | Task]:
    """Return its schema and its API."""
    place = settings.etc / "placement"
    file = configuration.ini(
        place / "placement.conf",
        {
            "DEFAULT": {"use_stderr": True},
            "api": {"auth_strategy": "keystone"},
            "keystone_authtoken": configuration.token_check(settings, "placement"),
            "placement_database": configuration.database(settings, "placement"),
        },
    )
    manage = (str(settings.bin / "placement-manage"), "--config-file", str(file), "db", "sync")
    return [
        Task("placement-schema", lambda: processes.run("placement-schema", manage), needs=("databases",)),
        application(
            settings,
            "placement",
            Port.PLACEMENT,
            "placement.wsgi.api",
            environment={"OS_PLACEMENT_CONFIG_DIR": str(place)},
            needs=("placement-schema", "mariadb"),
            files=(file,),
        ),
    ]
