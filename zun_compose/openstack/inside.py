"""What is done inside a container and read from it: commands, logs, processes, files, terminals."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from types import NoneType
from typing import Any, Literal, NamedTuple

from zun_compose.openstack.container import Container, command_line
from zun_compose.openstack.session import ZunSession


class Execution(NamedTuple):
    """What became of a command: either how it ended, or how to reach it."""

    output: str
    """stdout and stderr in one text; empty if it was not run to its end."""
    exit_code: int | None
    """None if it was not run to its end."""
    exec_id: str | None = None
    """The engine's id of an interactive command; for resize_container_exec."""
    url: str | None = None
    """The websocket where an interactive command is spoken to."""
    token: str | None = None
    """What that websocket asks for."""

    def __repr__(self) -> str:
        return (
            f"Execution(exit_code={self.exit_code}, {len(self.output)} characters, exec_id={self.exec_id!r})"
        )


class Archive(NamedTuple):
    """A file or folder taken from a container."""

    data: bytes
    """A tar."""
    stat: dict[str, Any]
    """What the engine says of the path: name, size (bytes), mode, mtime, linkTarget."""

    def __repr__(self) -> str:
        return f"Archive({len(self.data)} bytes, {self.stat!r})"


class InsideCalls(ZunSession):
    """Calls to the container's engine: all raise NotFound, and WrongState if the container does not run."""

    def execute_container(
        self,
        container: str | Container,
        command: str | Sequence[str],
        *,
        interactive: bool = False,
        run: bool = True,
    ) -> Execution:
        """Run a command in a Running container and return how it ended.

        Args:
            container: Which.
            command: A list, or a line that Zun splits as a shell does; no shell runs it.
            interactive: Give it a terminal and keep stdin open; then with `run` false.
            run: Whether to wait for its end; else `exec_id` and `url` say how to reach it.

        Raises:
            CommandTimeout: It did not end in the time that Zun gives (5 s by default); it runs on.
        """
        found = self._get_resource(Container, container)
        params = {"command": command_line(command), "run": run, "interactive": interactive}
        answer = found.act(self, "execute", params, answer=dict)
        return Execution(
            output=answer.get("output") or "",
            exit_code=answer.get("exit_code"),
            exec_id=answer.get("exec_id"),
            url=answer.get("proxy_url") or answer.get("url"),
            token=answer.get("token"),
        )

    def resize_container_exec(
        self, container: str | Container, exec_id: str, *, height: int, width: int
    ) -> None:
        """Set the lines and columns of an interactive command's terminal.

        Raises:
            BadRequest: There is no such command.
            ServerFault: It was not started, which its websocket does.
        """
        found = self._get_resource(Container, container)
        found.act(self, "execute_resize", {"exec_id": exec_id, "h": height, "w": width})

    def resize_container_tty(self, container: str | Container, *, height: int, width: int) -> None:
        """Set the lines and columns of the container's own terminal."""
        self._get_resource(Container, container).act(self, "resize", {"h": height, "w": width})

    def get_container_attach_url(self, container: str | Container) -> str:
        """Return the websocket of a Running, `interactive` container's terminal. The URL holds a token.

        Raises:
            BadRequest: The container is not interactive.
        """
        return str(self._get_resource(Container, container).ask(self, "attach", answer=str))

    def get_container_logs(
        self,
        container: str | Container,
        *,
        stdout: bool = True,
        stderr: bool = True,
        timestamps: bool = False,
        tail: int | Literal["all"] = "all",
        since: datetime | int | None = None,
    ) -> str:
        """Return what a container wrote.

        Args:
            container: Which; Created, Running, Stopped, Paused, Unknown or in Error.
            stdout: Whether with its stdout.
            stderr: Whether with its stderr.
            timestamps: Whether each line begins with its time.
            tail: So many of the last lines.
            since: Only what was written since; seconds since 1970, or a time with its zone.
        """
        after = int(since.timestamp()) if isinstance(since, datetime) else since
        params = {"stdout": stdout, "stderr": stderr, "timestamps": timestamps, "tail": tail, "since": after}
        return str(
            self._get_resource(Container, container).ask(self, "logs", params, answer=(str, NoneType)) or ""
        )

    def get_container_processes(
        self, container: str | Container, ps_args: str | None = None
    ) -> dict[str, Any]:
        """Return the processes of a Running container: {"Titles": [...], "Processes": [[...], ...]}.

        `ps_args` are options of the host's ps, such as "-ef".
        """
        found: dict[str, Any] = self._get_resource(Container, container).ask(
            self, "top", {"ps_args": ps_args}
        )
        return found

    def get_container_stats(self, container: str | Container) -> dict[str, Any]:
        """Return what a Running container uses: CONTAINER, CPU %, MEM USAGE(MiB), MEM LIMIT(MiB), MEM %, ...

        BLOCK I/O(B) and NET I/O(B) are texts of two numbers, in and out.
        """
        found: dict[str, Any] = self._get_resource(Container, container).ask(self, "stats")
        return found

    def get_container_archive(self, container: str | Container, path: str) -> Archive:
        """Return a file or folder of a container as a tar. Since 1.25.

        Raises:
            ServerFault: There is no such path.
        """
        answer = self._get_resource(Container, container).ask(
            self, "get_archive", {"path": path}, since="1.25"
        )
        return Archive(base64.b64decode(answer["data"]), answer["stat"])

    def put_container_archive(self, container: str | Container, path: str, data: bytes) -> None:
        """Unpack a tar into a folder of a container. Since 1.25.

        Raises:
            ServerFault: There is no such folder.
        """
        found = self._get_resource(Container, container)
        body = {"data": base64.b64encode(data).decode("ascii")}
        found.call(self, "POST", "put_archive", params={"path": path}, json=body, since="1.25")

    def commit_container(self, container: str | Container, repository: str, tag: str | None = None) -> Any:
        """Have an image made of a container, in Glance; return what Zun answers of it.

        The container is Running, Stopped or Paused. Without a tag it is "latest".
        """
        found = self._get_resource(Container, container)
        return found.act(self, "commit", {"repository": repository, "tag": tag})
