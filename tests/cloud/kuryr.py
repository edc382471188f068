"""kuryr-libnetwork: Docker's network plug-in that makes Neutron ports."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path
from typing import Any

from tests.cloud import configuration, docker, rest
from tests.cloud.errors import CloudError
from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task, server
from tests.cloud.settings import Port, Settings
from tests.engines import api

# where Docker looks for plug-ins that it does not manage itself
SPEC = Path("/usr/lib/docker/plugins/kuryr/kuryr.spec")


def announce(settings: Settings) -> None:
    """Tell Docker where the plug-in listens. Raises CloudError if another kuryr is there."""
    if SPEC.exists() and not announced(settings):
        raise CloudError(
            f'"{SPEC}" names the kuryr of another cloud: wipe that, or remove the file if it is gone'
        )
    SPEC.parent.mkdir(parents=True, exist_ok=True)
    SPEC.write_text(settings.url(Port.KURYR))


def announced(settings: Settings) -> bool:
    """Whether Docker is told of our plug-in."""
    return SPEC.exists() and SPEC.read_text().strip() == settings.url(Port.KURYR)


def forget(settings: Settings) -> None:
    """Take back what `announce` told."""
    if announced(settings):
        SPEC.unlink()
    if SPEC.parent.exists() and not any(SPEC.parent.iterdir()):
        SPEC.parent.rmdir()


def networks() -> list[dict[str, Any]]:
    """Return the networks that Docker has from this plug-in. Raises OSError."""
    wanted = urllib.parse.quote(json.dumps({"driver": ["kuryr"]}))
    known: list[dict[str, Any]] = api.ask(docker.URL, "GET", f"/networks?filters={wanted}")
    return known


def steps(settings: Settings, processes: Processes) -> list[Process | Task]:
    """Return the plug-in and its announcement."""
    number = settings.ports[Port.KURYR]
    file = configuration.ini(
        settings.etc / "kuryr" / "kuryr.conf",
        {
            "DEFAULT": {
                "use_stderr": True,
                "bindir": settings.venv / "libexec" / "kuryr",
                "capability_scope": "local",
                "kuryr_uri": settings.url(Port.KURYR),
                "process_external_connectivity": False,
            },
            "binding": {
                "default_driver": "kuryr.lib.binding.drivers.veth",
                "enabled_drivers": "kuryr.lib.binding.drivers.veth",
            },
            "neutron": {
                **configuration.login(settings, "kuryr"),
                "endpoint_type": "public",
                "vif_plugging_is_fatal": False,
            },
        },
    )
    plugin = server(
        settings,
        "kuryr-server",
        (file,),
        name="kuryr",
        # it asks Neutron for extensions before it listens
        needs=("keystone", "keystone-objects", "neutron-api"),
        ready=lambda: rest.answers(number),
    )
    return [
        plugin._replace(ports=(number,)),
        Task(
            "kuryr-announced",
            lambda: announce(settings),
            needs=("kuryr",),
            done=lambda: announced(settings),
        ),
    ]
