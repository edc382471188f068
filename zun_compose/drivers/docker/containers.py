"""The life of containers: create, look, start, signal, wait, stop, remove."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from zun_compose import labels
from zun_compose.container import ContainerSpec, Observed, State
from zun_compose.driver import ProcessTable
from zun_compose.drivers.docker import create, observe
from zun_compose.drivers.docker.wire import TAR, Part, project_filter, quoted, short
from zun_compose.errors import Conflict, DriverError, DriverTimeout, NotFound, Rejected, Unsupported
from zun_compose.trees import packed

log = logging.getLogger(__name__)

# what the engine does when neither we nor the container say how long a stop may take
ENGINE_GRACE = 10


class Containers(Part):
    """Driver, Stacks, Processes, Signals, Renames and Waits over one wire."""

    def create(self, spec: ContainerSpec) -> str:
        """Create a container with all its networks and files, or leave nothing."""
        service = spec.service
        api = self._wire.api
        if spec.files and service.read_only:
            raise Unsupported(
                f'service "{service.name}": configs and secrets without a file cannot be put into'
                " a read_only container by the docker engine"
            )
        self._find_networks(spec)
        body = create.body(spec, api, self._links(spec))
        parameters = {"name": spec.name}
        if service.platform:
            parameters["platform"] = service.platform
        doing = f'create container "{spec.name}"'
        hide = [value for value in service.environment.values() if value]
        reply = self._wire.json(
            "POST", "/containers/create", doing=doing, parameters=parameters, body=body, hide=hide
        )
        container = str(reply["Id"])
        for warning in reply.get("Warnings") or ():
            log.info("%s: %s", spec.name, warning)
        try:
            for join in create.later_joins(spec, api):
                self._wire.call(
                    "POST",
                    f"/networks/{quoted(join.network)}/connect",
                    doing=f'connect container "{spec.name}" to network "{join.network}"',
                    body={"Container": container, "EndpointConfig": create.endpoint(join, spec, api)},
                )
            if spec.files:
                self._put_files(container, spec)
        except BaseException:
            # an interrupted or failed creation leaves nothing; its own failure is the one to tell
            with suppress(DriverError):
                self.remove(container, force=True, volumes=True)
            raise
        return container

    def _find_networks(self, spec: ContainerSpec) -> None:
        """Refuse a network that does not exist: the engine would only tell when the container starts."""
        if spec.network_mode is not None:
            return
        for join in spec.joins:
            if join.network not in self._wire.networks:
                doing = f'create container "{spec.name}": its network "{join.network}" is needed'
                self._wire.call("GET", f"/networks/{quoted(join.network)}", doing=doing)
                self._wire.networks.add(join.network)

    def _links(self, spec: ContainerSpec) -> tuple[str, ...]:
        """Resolve legacy links to the containers that stand behind them, as docker compose names them."""
        made = [link if ":" in link else f"{link}:{link}" for link in spec.service.external_links]
        if not spec.service.links:
            return tuple(made)
        standing = self.list(spec.stack)
        for link in spec.service.links:
            service, _, alias = link.partition(":")
            for one in standing:
                if one.service == service and not one.oneoff:
                    names = (alias or service, f"{service}-{one.number}", one.name)
                    made += [f"{one.name}:{name}" for name in names]
        return tuple(made)

    def _put_files(self, container: str, spec: ContainerSpec) -> None:
        self._wire.call(
            "PUT",
            f"/containers/{container}/archive",
            doing=f'put configs and secrets into container "{spec.name}"',
            parameters={"path": "/"},
            data=packed(spec.files),
            headers=TAR,
        )

    def start(self, container: str) -> None:
        """Start it; a running one is left alone."""
        self._wire.call(
            "POST", f"/containers/{quoted(container)}/start", doing=f'start container "{short(container)}"'
        )

    def inspect(self, container: str) -> Observed:
        """Look at one container."""
        return observe.detailed(self._raw(container))

    def _raw(self, container: str) -> dict[str, Any]:
        reply: dict[str, Any] = self._wire.json(
            "GET", f"/containers/{quoted(container)}/json", doing=f'inspect container "{short(container)}"'
        )
        return reply

    def list(self, stack: str) -> Sequence[Observed]:
        """Look at all containers of a stack with one call."""
        reply = self._wire.json(
            "GET",
            "/containers/json",
            doing=f'list the containers of stack "{stack}"',
            parameters={"all": 1, "filters": project_filter(stack)},
        )
        return observe.ordered([observe.summary(item) for item in reply])

    def everywhere(self) -> Sequence[Observed]:
        """Look at all containers of all stacks with one call."""
        reply = self._wire.json(
            "GET",
            "/containers/json",
            doing="list the containers of all stacks",
            parameters={"all": 1, "filters": json.dumps({"label": [labels.PROJECT]})},
        )
        stacks: dict[str, list[Observed]] = {}
        for item in reply:
            seen = observe.summary(item)
            stacks.setdefault(seen.labels[labels.PROJECT], []).append(seen)
        return [seen for stack in sorted(stacks) for seen in observe.ordered(stacks[stack])]

    def processes(self, container: str) -> ProcessTable:
        """Tell a container's processes in the columns of the engine's own ps."""
        reply = self._wire.json(
            "GET",
            f"/containers/{quoted(container)}/top",
            doing=f'list the processes of container "{short(container)}"',
        )
        rows = reply.get("Processes") or ()
        return ProcessTable(titles=tuple(reply["Titles"]), rows=tuple(tuple(row) for row in rows))

    def stop(self, container: str, grace: float | None = None) -> None:
        """Stop it; the engine kills it after `grace` seconds."""
        doing = f'stop container "{short(container)}"'
        parameters = {} if grace is None else {"t": create.whole_seconds(grace)}
        patience = self._wire.timeout + (grace or 0)
        try:
            self._wire.call(
                "POST",
                f"/containers/{quoted(container)}/stop",
                doing=doing,
                parameters=parameters,
                timeout=patience,
            )
        except NotFound:
            return
        except DriverTimeout:
            if grace is not None:
                raise
            # a long stop_grace_period is only known to the engine; asking before each stop would cost a call
            self._outlast_stop(container)

    def _outlast_stop(self, container: str) -> None:
        with suppress(NotFound):
            declared = (self._raw(container).get("Config") or {}).get("StopTimeout") or ENGINE_GRACE
            self.wait(container, timeout=float(declared))

    def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it, and with `volumes` its anonymous ones."""
        try:
            self._wire.call(
                "DELETE",
                f"/containers/{quoted(container)}",
                doing=f'remove container "{short(container)}"',
                parameters={"force": int(force), "v": int(volumes)},
            )
        except NotFound:
            return
        except Conflict as error:
            if "already in progress" not in str(error):
                raise
            self._outlast_removal(container)

    def _outlast_removal(self, container: str) -> None:
        """Wait for a removal that somebody else began, so that gone means gone."""
        with suppress(NotFound):
            self._wire.json(
                "POST",
                f"/containers/{quoted(container)}/wait",
                doing=f'wait for the removal of container "{short(container)}"',
                parameters={"condition": "removed"},
            )

    def kill(self, container: str, signal: str) -> None:
        """Send a signal."""
        self._wire.call(
            "POST",
            f"/containers/{quoted(container)}/kill",
            doing=f'send {signal} to container "{short(container)}"',
            parameters={"signal": signal},
        )

    def pause(self, container: str) -> None:
        """Freeze it."""
        self._switch(container, "pause", State.PAUSED)

    def unpause(self, container: str) -> None:
        """Thaw it."""
        self._switch(container, "unpause", State.RUNNING)

    def _switch(self, container: str, verb: str, goal: State) -> None:
        doing = f'{verb} container "{short(container)}"'
        try:
            self._wire.call("POST", f"/containers/{quoted(container)}/{verb}", doing=doing)
        except (Conflict, Rejected) as error:
            # old engines answer 500 where newer ones answer 409: the state tells what it was
            if self.inspect(container).state is not goal:
                raise Conflict(str(error)) from None

    def rename(self, container: str, name: str) -> None:
        """Rename it."""
        self._wire.call(
            "POST",
            f"/containers/{quoted(container)}/rename",
            doing=f'rename container "{short(container)}" to "{name}"',
            parameters={"name": name},
        )

    def wait(self, container: str, timeout: float | None = None) -> int:
        """Block until it does not run and will not be restarted; returns its exit code."""
        doing = f'wait for container "{short(container)}"'
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if until is None else max(until - time.monotonic(), 0.001)
            reply = self._wire.json(
                "POST", f"/containers/{quoted(container)}/wait", doing=doing, timeout=left
            )
            code = int(reply["StatusCode"])
            try:
                state = self.inspect(container).state
            except NotFound:
                return code
            if state not in (State.RUNNING, State.RESTARTING, State.PAUSED):
                return code
            # a crash between two lives also ends the engine's wait
            if until is not None and time.monotonic() >= until:
                raise DriverTimeout(f"cannot {doing}: it is {state}")
            time.sleep(0.02)
