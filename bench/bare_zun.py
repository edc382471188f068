"""The same containers by python-zunclient alone: what zun-compose on Zun is timed beside.

Runs in an environment that has python-zunclient, with OS_* variables of a user. Reads JSON of its standard
input: "groups", lists of containers (attributes of zunclient's `create`); "at_once", how many calls may be in
flight. As zun-compose does, it creates a group once the one before is created, and starts it once that is
created and the one before has started. Ends when Zun says that all run.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

PERIOD = 0.1  # seconds between two looks at a container


def main() -> None:
    """Create and start what is asked for."""
    from keystoneauth1.identity.v3 import Password
    from keystoneauth1.session import Session
    from zunclient import api_versions  # type: ignore[import-not-found]
    from zunclient.v1.client import Client  # type: ignore[import-not-found]

    asked = json.load(sys.stdin)
    session = Session(
        Password(
            auth_url=os.environ["OS_AUTH_URL"],
            username=os.environ["OS_USERNAME"],
            password=os.environ["OS_PASSWORD"],
            project_name=os.environ["OS_PROJECT_NAME"],
            user_domain_name="Default",
            project_domain_name="Default",
        )
    )
    zun = Client(session=session, api_version=api_versions.APIVersion("1.40"))

    def until(container: str, status: str) -> None:
        while True:
            seen = zun.containers.get(container)
            if seen.status == status and not seen.task_state:
                return
            if seen.status == "Error":
                raise SystemExit(f"{seen.name}: {seen.status_reason}")
            time.sleep(PERIOD)

    def create(attributes: dict[str, Any]) -> str:
        made = str(zun.containers.create(**attributes).uuid)
        until(made, "Created")
        return made

    def start(container: str, before: list[Future[None]]) -> None:
        for one in before:
            one.result()
        zun.containers.start(container)
        until(container, "Running")

    with ThreadPoolExecutor(asked["at_once"]) as pool:
        running: list[Future[None]] = []
        for group in asked["groups"]:
            made = list(pool.map(create, group))
            before = running
            running = [pool.submit(start, one, before) for one in made]
        for one in running:
            one.result()


if __name__ == "__main__":
    main()
