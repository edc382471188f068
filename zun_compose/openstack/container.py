"""The container as a Resource: what it has, what may be asked for, and how its actions are called."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openstack import resource

from zun_compose.openstack import errors
from zun_compose.openstack.microversions import Microversion
from zun_compose.openstack.resource import ZunResource

if TYPE_CHECKING:
    from keystoneauth1.adapter import Adapter

# Before it, a command is a string that Zun splits as a shell does.
COMMAND_IS_LIST = Microversion(1, 20)


class Container(ZunResource):
    """A container. Lists tell what Zun's database knows, up to a minute old; only a fetch asks the engine.

    Its repr masks the values of the environment and injected files; the attributes have them.
    """

    resources_key = "containers"
    base_path = "/containers"
    commit_method = "PATCH"
    allow_create = True
    allow_fetch = True
    allow_commit = True
    allow_delete = True
    allow_list = True

    _query_mapping = resource.QueryParameters(
        "name", "image", "project_id", "user_id", "memory", "host", "task_state", "status", "auto_remove",
        "all_projects", "sort_key", "sort_dir",
    )  # fmt: skip

    addresses: dict[str, list[dict[str, Any]]] = resource.Body("addresses", type=dict)
    """By Neutron network's id: rows of addr, version (4 or 6), port, subnet_id, preserve_on_delete."""
    auto_heal: bool = resource.Body("auto_heal", type=bool)
    """Whether Zun makes the container anew when its engine lost it."""
    auto_remove: bool = resource.Body("auto_remove", type=bool)
    """Whether the container goes when it ends. Since 1.3."""
    availability_zone: str = resource.Body("availability_zone")
    """Where to run it; only asked, never told."""
    command: list[str] = resource.Body("command")
    cpu: float = resource.Body("cpu", type=float)
    """CPUs, a part of one too."""
    cpu_policy: str = resource.Body("cpu_policy")
    """"shared" or "dedicated". Since 1.28."""
    disk: int = resource.Body("disk", type=int)
    """GiB."""
    entrypoint: list[str] = resource.Body("entrypoint")
    """Since 1.40."""
    environment: dict[str, str] = resource.Body("environment", type=dict)
    exposed_ports: dict[str, dict[str, Any]] = resource.Body("exposed_ports", type=dict)
    """Such as {"80/tcp": {}}: Zun opens them in a security group of its own. Only asked. Since 1.24."""
    healthcheck: dict[str, Any] = resource.Body("healthcheck", type=dict)
    """cmd, interval, timeout (seconds), retries. Zun never tells what became of it. Since 1.22."""
    hints: dict[str, str] = resource.Body("hints", type=dict)
    """For the scheduler; only asked."""
    host: str = resource.Body("host")
    """The compute host, for admins. To ask for one: since 1.39."""
    hostname: str = resource.Body("hostname")
    """Since 1.9."""
    image: str = resource.Body("image")
    image_driver: str = resource.Body("image_driver")
    """"docker" or "glance"."""
    image_pull_policy: str = resource.Body("image_pull_policy")
    """"never", "always" or "ifnotpresent"; for admins only, by Zun's default policy."""
    interactive: bool = resource.Body("interactive", type=bool)
    """Whether stdin stays open, so that the container can be attached to."""
    labels: dict[str, str] = resource.Body("labels", type=dict)
    links: list[dict[str, str]] = resource.Body("links", type=list)
    memory: str = resource.Body("memory")
    """MiB, as a number in a text."""
    mounts: list[dict[str, Any]] = resource.Body("mounts", type=list)
    """{type: volume, source or size (GiB), destination}, {type: bind, source: base64, destination}.

    Only asked. Volumes since 1.11, injected files since 1.23.
    """
    nets: list[dict[str, str]] = resource.Body("nets", type=list)
    """{network} or {port}, with v4-fixed-ip or v6-fixed-ip; only asked. Since 1.2."""
    ports: list[int] = resource.Body("ports", type=list)
    """The numbers that the image and `exposed_ports` declare; nobody looked whether anything listens."""
    privileged: bool = resource.Body("privileged", type=bool)
    """Since 1.21; by Zun's default policy for nobody."""
    project_id: str = resource.Body("project_id")
    registry: str = resource.Body("registry")
    """The private registry to pull from, by name or id; only asked. Since 1.31."""
    registry_id: str = resource.Body("registry_id")
    """Since 1.31."""
    restart_policy: dict[str, str] = resource.Body("restart_policy", type=dict)
    """Name ("no", "always", "on-failure", "unless-stopped") and MaximumRetryCount, a number in a text."""
    runtime: str = resource.Body("runtime")
    """The engine's name of a runtime, for admins. Since 1.5."""
    security_groups: list[str] = resource.Body("security_groups", type=list)
    """Ids of Neutron's."""
    status: str = resource.Body("status")
    """Creating, Created, Running, Stopped, Paused, Restarting, Rebuilding, Deleting, Deleted, Error, Dead or
    Unknown."""
    status_detail: str = resource.Body("status_detail")
    """An English sentence such as "Exited(1) 2 mins ago "; the only place of the exit code."""
    status_reason: str = resource.Body("status_reason")
    """Why a container is in Error."""
    task_state: str = resource.Body("task_state")
    """What Zun is doing to it, such as "image_pulling"; None when idle."""
    tty: bool = resource.Body("tty", type=bool)
    """Since 1.36; before it, as `interactive`."""
    user_id: str = resource.Body("user_id")
    workdir: str = resource.Body("workdir")

    def act(
        self,
        session: Adapter,
        verb: str,
        params: Mapping[str, Any] | None = None,
        *,
        since: str = "1.1",
        until: str | None = None,
        instead: str = "",
        answer: type | None = None,
    ) -> Any:
        """POST an action, such as "start", and return the answer's JSON, which must be an `answer`.

        Without `answer` there may be any, or none: then None.

        Raises:
            Unreadable: What came is no such answer.
            WrongState: The container's state forbids it.
            MicroversionNotSupported: No microversion in force has it.
        """
        response = self.call(session, "POST", verb, params=params, since=since, until=until, instead=instead)
        return errors.body_of(response, answer or object) if answer or response.content else None

    def ask(
        self,
        session: Adapter,
        what: str,
        params: Mapping[str, Any] | None = None,
        *,
        since: str = "1.1",
        answer: type | tuple[type, ...] = dict,
    ) -> Any:
        """GET something of the container, such as "logs", and return the answer's JSON, an `answer`.

        Raises:
            Unreadable: What came is no such answer.
            WrongState: The container's state forbids it.
            MicroversionNotSupported: No microversion in force has it.
        """
        return errors.body_of(self.call(session, "GET", what, params=params, since=since), answer)


def command_line(command: str | Sequence[str]) -> str:
    """Return a command as Zun takes it: a line that it splits as a shell does."""
    return command if isinstance(command, str) else shlex.join(command)
