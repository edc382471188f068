"""What was done to a container, when, and how it ended."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from openstack import resource

from zun_compose.openstack.container import Container
from zun_compose.openstack.resource import ZunResource, segment
from zun_compose.openstack.session import ZunSession


class ContainerAction(ZunResource):
    """One call that changed a container. Its id is that call's request id, as errors name it."""

    resources_key = "containerActions"
    base_path = "/containers/%(container_id)s/container_actions"
    paged = False
    allow_fetch = True
    allow_list = True

    id: str = resource.Body("request_id", alternate_id=True)
    container_id: str = resource.URI("container_id")
    action: str = resource.Body("action")
    """Such as "create", "start", "stop"."""
    container_uuid: str = resource.Body("container_uuid")
    events: list[dict[str, Any]] = resource.Body("events", type=list)
    """When fetched: rows of event, start_time, finish_time, result ("Success", "Error"), traceback."""
    finish_time: str = resource.Body("finish_time")
    """None while it is not finished. Since 1.33."""
    message: str = resource.Body("message")
    """Why it failed."""
    project_id: str = resource.Body("project_id")
    start_time: str = resource.Body("start_time")
    user_id: str = resource.Body("user_id")


class ActionCalls(ZunSession):
    """What was done to containers."""

    def container_actions(self, container: str | Container) -> Generator[ContainerAction, None, None]:
        """Yield what was done to a container, the newest first."""
        ident = segment(self._get_resource(Container, container).id)
        return self._list(ContainerAction, container_id=ident)

    def get_container_action(
        self, action: str | ContainerAction, container: str | Container
    ) -> ContainerAction:
        """Return what was done by one request, with its events.

        Raises:
            NotFound: No such request changed that container.
        """
        ident = segment(self._get_resource(Container, container).id)
        return self._get(ContainerAction, action, container_id=ident)
