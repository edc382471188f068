"""An image registry on the loopback address, for the sandbox of Zun's capsules and for tenants."""

from __future__ import annotations

import base64
import json
import urllib.parse

from tests.cloud import configuration, docker, rest
from tests.cloud.errors import CloudError
from tests.cloud.processes import Process, Processes
from tests.cloud.service import Task, found
from tests.cloud.settings import ADDRESS, Port, Settings
from tests.engines import api, busybox

PAUSE = "pause"
BUSYBOX = "busybox"
# sleeps, and ends at once when it is told to
_PAUSE_COMMAND = ["sh", "-c", "trap : TERM INT; sleep 2147483647 & wait"]


def image(settings: Settings, name: str) -> str:
    """Return the reference of an image in the registry; without a tag it means the latest."""
    return f"localhost:{settings.ports[Port.REGISTRY]}/{name}:latest"


def steps(settings: Settings, processes: Processes) -> list[Process | Task]:
    """Return the registry and the two images in it."""
    number = settings.ports[Port.REGISTRY]
    wanted = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": str(settings.state / "registry")},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"{ADDRESS}:{number}"},
    }
    # JSON is YAML too
    file = configuration.write(settings.etc / "registry.yml", json.dumps(wanted))
    return [
        Process(
            "registry",
            (found("docker-registry"), "serve", str(file)),
            ready=lambda: rest.answers(number),
            ports=(number,),
            environment={"OTEL_TRACES_EXPORTER": "none"},
            files=(file,),
            patience=60,
        ),
        Task(
            "images",
            lambda: _fill(settings),
            needs=("registry", "docker"),
            done=lambda: all(_holds(number, name) for name in (PAUSE, BUSYBOX)),
        ),
    ]


def _holds(number: int, name: str) -> bool:
    return rest.call(number, "GET", f"/v2/{name}/manifests/latest", timeout=10).status == 200


def _fill(settings: Settings) -> None:
    pause = image(settings, PAUSE).rpartition(":")[0]
    query = urllib.parse.urlencode(
        {"fromSrc": "-", "repo": pause, "tag": "latest", "changes": f"CMD {json.dumps(_PAUSE_COMMAND)}"}
    )
    api.ask(docker.URL, "POST", f"/images/create?{query}", busybox.root())
    box = image(settings, BUSYBOX).rpartition(":")[0]
    api.ask(docker.URL, "POST", f"/images/{busybox.NAME}/tag?repo={box}&tag=latest")
    nobody = base64.urlsafe_b64encode(b"{}").decode()
    for repository in (pause, box):
        told = api.ask(
            docker.URL, "POST", f"/images/{repository}/push?tag=latest", headers={"X-Registry-Auth": nobody}
        )
        if told.get("error"):
            raise CloudError(f'push of "{repository}" to the registry: {told["error"]}')
