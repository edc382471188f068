"""The life of containers: create, look, start, signal, wait, stop, remove.

Zun answers most calls before it has done what they ask. Each method here returns when it is done, as on all
drivers: it looks until the container's state says so.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from zun_compose import labels
from zun_compose.container import ContainerSpec, Observed, State
from zun_compose.driver import ProcessTable
from zun_compose.drivers.zun import creation, observe
from zun_compose.drivers.zun.cloud import AT_ONCE, Cloud
from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.groups import Groups
from zun_compose.drivers.zun.images import Images, of_glance
from zun_compose.drivers.zun.joining import Grounds, Joining
from zun_compose.drivers.zun.looks import Looks
from zun_compose.drivers.zun.networks import Networks
from zun_compose.drivers.zun.ports import Reserved
from zun_compose.drivers.zun.registries import Registries
from zun_compose.drivers.zun.turns import Turns
from zun_compose.drivers.zun.volumes import Volumes
from zun_compose.errors import Conflict, DriverError, DriverTimeout, NotFound, Rejected, Unavailable
from zun_compose.model import MountType
from zun_compose.record import replace
from zun_compose.trees import packed

GRACE = 10
"""Seconds that a stop may take where nobody says how many: Zun's default."""

# Seconds between two looks: at a list that others read too, which paces itself, and at a container that comes
# back again and again, so that a short life is seen at last.
_MOMENT = 0.1
_TRIES = 20
_SILENT = "Zun gives no reason"
# How Zun says that an image is not to be had, whatever its registry said.
_IMAGE = re.compile(r"cannot download image|image .* not found|no such image", re.IGNORECASE)
# What one of two gets that are the first on a network at once (zun.network, docker networks).
_RACE = re.compile(r"A network with UUID \S+ already exists")
_RACES = 3
_STARTED = ("start", "reboot", "create", "rebuild")
_IDLE_STATES = ("Creating", "Rebuilding", "Deleting")


class Containers(Networks, Volumes, Images):
    """Driver, Stacks, Processes, Signals and Waits over one cloud.

    Not Renames, though Zun could: most of Cinder's volumes are one container's at a time, so a successor
    cannot be made beside the container that it replaces.
    """

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._joining = Joining(cloud)
        self._looks = Looks(lambda: list(cloud.zun.containers()))
        self._asking = Turns(AT_ONCE)
        self._unstarted: set[str] = set()

    def reserve(self, coming: Sequence[ContainerSpec]) -> Collection[str]:
        """Make ready the ports of containers whose networks are all there; none where Neutron refuses any."""
        self._asking.expect(spec.name for spec in coming)
        names = sorted({join.network for spec in coming for join in spec.joins})
        # what cannot be had for all at once is tried, and told of, by each creation
        with suppress(DriverError), translated("make ports"):
            found = dict(zip(names, self._cloud.side_by_side(self._network_named, names), strict=True))
            able = [spec for spec in coming if spec.joins and all(found[join.network] for join in spec.joins)]
            if able:
                return self._joining.ahead(able[0].stack, able, found)
        return ()

    def release(self, names: Collection[str]) -> None:
        """Give back the ports of containers that were not created, and what else their stack then has."""
        for stack in self._joining.release(names):
            with suppress(DriverError):
                self.vacate(stack)

    def vacate(self, stack: str) -> None:
        """Remove a stack's groups and registries that no container needs, and its ports if it has none."""
        with translated(f'remove what was made ready for stack "{stack}"'):
            self._joining.belongings.sweep(stack)

    def create(self, spec: ContainerSpec) -> str:
        """Create a container with all its networks, volumes and files, or leave nothing."""
        doing = f'create container "{spec.name}"'
        with self._cloud.first_on(join.network for join in spec.joins):
            for _ in range(_RACES):
                try:
                    return self._created(spec, doing)
                except Rejected as error:
                    # somebody else's container was the first on that network at the same moment
                    if not _RACE.search(error.reason):
                        raise
            return self._created(spec, doing)

    def _created(self, spec: ContainerSpec, doing: str) -> str:
        reserved: Sequence[Reserved] = ()
        container = ""
        with translated(doing):
            image = self._glance_id(spec.image) if of_glance(spec) else ""
            login = None if image else Registries(self._cloud).login(spec.image)
            try:
                # names are not unique in Zun: of those who ask at once here only one may find it free
                soon = all(mount.source is not None for mount in spec.mounts)
                with (
                    self._cloud.claimed(spec.name, spec.stack, doing),
                    self._asking.queued(spec.name, soon=soon) as turn,
                ):
                    grounds = self._joining.taken(spec.name)
                    reserved = grounds.reserved if grounds is not None else ()
                    known = self._looks.rows()
                    _refuse_taken(spec.name, known, doing)
                    spec, owned = self._with_volumes(spec, doing)
                    try:
                        wanted = creation.asked(spec, self._volume_id)
                        if image:
                            wanted.update(image=image, image_driver="glance")
                        elif login is not None:
                            wanted["registry"] = Registries(self._cloud).needed(spec.stack, spec.image, login)
                        grounds = grounds or self._grounds(spec)
                        reserved = self._joining.prepare(spec, wanted, grounds, known)
                        with self._asking.taken(turn):
                            container = str(self._cloud.zun.create_container(**wanted).id)
                    except BaseException:
                        self._forget(owned)
                        raise
                self._until_created(container, doing)
                self._unstarted.add(container)
                self._joining.created(container, spec, wanted)
                if spec.files:
                    self._cloud.zun.put_container_archive(container, "/", packed(spec.files))
            except BaseException:
                # an interrupted or failed creation leaves nothing; its own failure is the one to tell
                with suppress(DriverError):
                    if container:
                        self.remove(container, force=True, volumes=True)
                # one that never came to be may not know its ports
                self._joining.abandon(spec, reserved)
                with suppress(DriverError):
                    self.vacate(spec.stack)
                raise
        return container

    def _grounds(self, spec: ContainerSpec) -> Grounds:
        networks = {join.network: self._network_found(join.network) for join in spec.joins}
        groups = Groups(self._cloud).needed(spec.stack, [spec.service])
        return Grounds(networks=networks, groups=groups[spec.service.name])

    def _with_volumes(self, spec: ContainerSpec, doing: str) -> tuple[ContainerSpec, Sequence[str]]:
        """Return what is asked for with a name for each volume, and the names of those made for it."""
        made: list[str] = []
        mounts = []
        # nobody would be left to remove the volumes of a container that goes by itself: there Zun's own do
        goes = spec.auto_remove or spec.service.auto_remove
        try:
            for mount in spec.mounts:
                if mount.type is MountType.VOLUME and mount.source is None and not goes:
                    made.append(self._anonymous(spec.stack, doing))
                    mounts.append(replace(mount, source=made[-1]))
                else:
                    mounts.append(mount)
        except BaseException:
            self._forget(made)
            raise
        return replace(spec, mounts=tuple(mounts)), made

    def _forget(self, volumes: Sequence[str]) -> None:
        for name in volumes:
            with suppress(DriverError):
                self.remove_volume(name)

    def _until_created(self, container: str, doing: str) -> None:
        def look() -> bool | None:
            found = self._looks.one(container)
            if found is None:
                raise NotFound(f"cannot {doing}: somebody has removed it")
            _refuse_error(found, doing)
            return True if found.status != "Creating" and not found.task_state else None

        self._cloud.until(look, doing, longest=_MOMENT)

    def start(self, container: str) -> None:
        """Start it; a running one is left alone."""
        doing = f'start container "{short(container)}"'
        with translated(doing):
            first = container in self._unstarted
            self._unstarted.discard(container)
            if not first:
                found = self._fetch(container)
                if found.status in observe.ALIVE and not found.task_state:
                    return
                container = str(found.id)
                first = found.status == "Created"
            # one that never ran tells by its status alone that it has been started
            before = None if first else self._starts(container)
            try:
                self._act(lambda: self._cloud.zun.start_container(container), container, doing)
            except Conflict:
                # somebody else has started it since
                if self._fetch(container).status not in observe.ALIVE:
                    raise
                return

            def look() -> Any:
                seen = self._cloud.zun.get_container(container)
                if before is None and seen.status == "Running":
                    # so its engine says; that Zun is at it still may be what Zun read before it asked
                    return seen
                # a process may be over before anybody looks
                if seen.task_state or seen.status == "Created":
                    return None
                return seen if before is None or self._starts(container) > before else None

            seen = self._cloud.until(look, doing)
            _refuse_error(seen, doing)
            self._joining.started(seen, first=first)

    def inspect(self, container: str) -> Observed:
        """Look at one container."""
        with translated(f'inspect container "{short(container)}"'):
            return self._observed(self._fetch(container))

    def _fetch(self, container: str) -> Any:
        """Fetch it by id or name, from its engine. Raises NotFound."""
        found = self._cloud.zun.get_container(container)
        if found.status == "Deleted":
            raise NotFound(f'container "{short(container)}" does not exist')
        return found

    def _observed(self, found: Any) -> Observed:
        ran = found.status not in ("Creating", "Created")
        seen = observe.observed(found, self._last_start(found.id) if ran else None)
        return replace(
            seen,
            addresses={self._network_name(key): one for key, one in seen.addresses.items()},
            ports=self._joining.published(found),
        )

    def _actions(self, container: str) -> Sequence[Any]:
        return [
            action for action in self._cloud.zun.container_actions(container) if action.action in _STARTED
        ]

    def _starts(self, container: str) -> int:
        """Return how many starts Zun has finished, well or not."""
        return sum(1 for action in self._actions(container) if action.finish_time)

    def _last_start(self, container: str) -> str | None:
        """Return Zun's word for the last start; a restart by the engine's own policy it does not tell."""
        starts = [(str(action.start_time), str(action.id)) for action in self._actions(container)]
        return " ".join(max(starts)) if starts else None

    def list(self, stack: str) -> Sequence[Observed]:
        """Look at all containers of a stack: found in Zun's list, each one then asked for itself.

        The list tells what was so up to a minute ago, and finds no labels.
        """
        with translated(f'list the containers of stack "{stack}"'):
            found = [one for one in self._cloud.zun.containers() if _belongs(one, stack)]
            return sorted(self._looked(found), key=observe.order)

    def everywhere(self) -> Sequence[Observed]:
        """Look at all containers of all stacks."""
        with translated("list the containers of all stacks"):
            found = [one for one in self._cloud.zun.containers() if labels.PROJECT in (one.labels or {})]
            return sorted(
                self._looked(found), key=lambda one: (one.labels[labels.PROJECT], *observe.order(one))
            )

    def _looked(self, found: Sequence[Any]) -> Sequence[Observed]:
        def look(one: Any) -> Observed | None:
            with suppress(NotFound), translated("inspect a container"):
                return self._observed(self._fetch(one.id))
            return None

        return [seen for seen in self._cloud.side_by_side(look, found) if seen is not None]

    def processes(self, container: str) -> ProcessTable:
        """Tell a container's processes in the columns of the engine's own ps."""
        with translated(f'list the processes of container "{short(container)}"'):
            told = self._cloud.zun.get_container_processes(container)
        rows = told.get("Processes") or ()
        return ProcessTable(titles=tuple(told["Titles"]), rows=tuple(tuple(row) for row in rows))

    def stop(self, container: str, grace: float | None = None) -> None:
        """Stop it; its engine kills it after `grace` seconds."""
        doing = f'stop container "{short(container)}"'
        with suppress(NotFound), translated(doing):
            found = self._fetch(container)
            if found.status == "Paused":
                self._unpause(found.id, doing)
            elif found.status not in ("Running", "Restarting"):
                return
            seconds = GRACE if grace is None else math.ceil(grace)

            def asked() -> bool | None:
                # Zun stops nothing that waits for its next life: it has to be seen alive before
                status = self._fetch(found.id).status
                if status not in observe.ALIVE:
                    return True
                if status == "Restarting":
                    return None
                try:
                    self._act(lambda: self._cloud.zun.stop_container(found.id, seconds), found.id, doing)
                except Conflict:
                    # meanwhile somebody else may have stopped it, or a look found it between two lives
                    status = self._fetch(found.id).status
                    if status in observe.ALIVE and status != "Restarting":
                        raise
                    return None
                return True

            self._cloud.until(asked, doing, longest=_MOMENT)
            self._until_status(found.id, ("Stopped", "Error", "Dead"), doing, seconds)

    def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it, and with `volumes` its anonymous ones."""
        doing = f'remove container "{short(container)}"'
        with suppress(NotFound), translated(doing):
            # one that has removed itself is listed for a while yet, and has left things behind
            found = self._cloud.zun.get_container(container)
            if found.status != "Deleted":
                self._end(found, doing, force=force)
            if volumes:
                self._forget([one.name or "" for one in observe.mounts(found) if one.anonymous])
            self._joining.removed(found)

    def _end(self, found: Any, doing: str, *, force: bool) -> None:
        """Kill it if it runs, and have it removed; one that goes by itself meanwhile is gone as well."""
        with suppress(NotFound), translated(doing):
            if found.status in observe.ALIVE:
                if not force:
                    raise Conflict(f"cannot {doing}: it runs; stop it first, or force")
                self._killed(found, doing)
            elif found.status in _IDLE_STATES:
                self._until_idle(found.id, doing)
            self._act(lambda: self._cloud.zun.delete_container(found.id), found.id, doing)
            self._until_gone(found.id, doing)

    def _killed(self, found: Any, doing: str) -> None:
        if found.status == "Paused":
            self._unpause(found.id, doing)
        with suppress(Conflict):
            self._act(lambda: self._cloud.zun.kill_container(found.id, "SIGKILL"), found.id, doing)
        # a restart policy would bring it back: a stop ends that too
        if found.restart_policy and found.restart_policy.get("Name") not in (None, "", "no"):
            with suppress(Conflict):
                self._act(lambda: self._cloud.zun.stop_container(found.id, 0), found.id, doing)
        self._until_status(found.id, ("Stopped", "Error", "Dead", "Created"), doing)

    def _until_gone(self, container: str, doing: str) -> None:
        failing = 0

        def look() -> bool | None:
            nonlocal failing
            seen = self._looks.one(container)
            if seen is None or seen.status == "Deleted":
                return True
            if seen.status == "Error" and not seen.task_state:
                # who fetches it while its engine is just removing it makes Zun believe that it failed
                failing += 1
                if failing > _TRIES:
                    _refuse_error(seen, doing)
                # one that is gone meanwhile is not found, or Zun cannot note down what it was asked
                with suppress(NotFound, Conflict, Unavailable), translated(doing):
                    self._cloud.zun.delete_container(container)
            return None

        self._cloud.until(look, doing, longest=_MOMENT)

    def kill(self, container: str, signal: str) -> None:
        """Send a signal."""
        doing = f'send {signal} to container "{short(container)}"'
        with translated(doing):
            name = signal if signal.startswith("SIG") or signal.isdecimal() else f"SIG{signal}"
            found = self._fetch(container)
            self._cloud.zun.kill_container(found.id, name)
            self._until_idle(found.id, doing)

    def pause(self, container: str) -> None:
        """Freeze it."""
        doing = f'pause container "{short(container)}"'
        with translated(doing):
            found = self._fetch(container)
            if found.status != "Paused":
                with self._joining.left_alone(str(found.id)):
                    self._cloud.zun.pause_container(found.id)
                    self._until_status(found.id, ("Paused",), doing)

    def unpause(self, container: str) -> None:
        """Thaw it."""
        doing = f'unpause container "{short(container)}"'
        with translated(doing):
            found = self._fetch(container)
            if found.status != "Running":
                self._unpause(found.id, doing)

    def _unpause(self, container: str, doing: str) -> None:
        self._cloud.zun.unpause_container(container)
        self._until_status(container, ("Running", "Stopped"), doing)

    def wait(self, container: str, timeout: float | None = None) -> int:
        """Look until it does not run and will not be restarted; returns its exit code."""
        doing = f'wait for container "{short(container)}"'

        def look() -> Observed | None:
            seen = self.inspect(container)
            return seen if seen.state.ended or seen.state is State.CREATED else None

        seen = self._cloud.until(look, doing, math.inf if timeout is None else timeout)
        if seen.exit_code is None and seen.state is State.DEAD:
            reason = seen.error or _SILENT
            raise Rejected(f"cannot {doing}: how it ended is not known: {reason}", reason=reason)
        return seen.exit_code or 0

    # Zun's own pace

    def _act(self, call: Callable[[], Any], container: str, doing: str) -> None:
        """Make a call that a state forbids for as long as Zun does something else to the container."""
        end = time.monotonic() + self._cloud.patience
        while True:
            try:
                with translated(doing):
                    call()
            except Conflict:
                if time.monotonic() >= end or not self._busy(container):
                    raise
                self._until_idle(container, doing)
            except Unavailable:
                # so Zun says too that somebody else has removed it in this very moment: then NotFound
                self._fetch(container)
                raise
            else:
                return

    def _busy(self, container: str) -> bool:
        seen = self._fetch(container)
        return bool(seen.task_state) or seen.status in _IDLE_STATES

    def _until_idle(self, container: str, doing: str) -> None:
        def look() -> bool | None:
            return None if self._busy(container) else True

        self._cloud.until(look, doing)

    def _until_status(self, container: str, wanted: Sequence[str], doing: str, grace: float = 0.0) -> None:
        def look() -> bool | None:
            seen = self._fetch(container)
            return True if seen.status in wanted and not seen.task_state else None

        try:
            self._cloud.until(look, doing, min(self._cloud.patience, 60.0) + grace)
        except DriverTimeout:
            seen = self._fetch(container)
            raise DriverTimeout(f"cannot {doing}: it is {seen.status} still") from None


def short(container: str) -> str:
    """Return as much of an id as people read."""
    return container[:12] if len(container) == _UUID else container


_UUID = 36


def _belongs(container: Any, stack: str) -> bool:
    return labels.belongs(container.labels or {}, stack)


def _refuse_taken(name: str, containers: Sequence[Any], doing: str) -> None:
    """Raise Conflict if one of the containers that Zun lists has a name."""
    for found in containers:
        if found.name == name and found.status not in ("Deleted", "Deleting"):
            raise Conflict(f'cannot {doing}: the name is taken by container "{short(found.id)}"')


def _refuse_error(seen: Any, doing: str) -> None:
    """Raise what Zun says of a container that came to grief: NotFound for its image, else Rejected."""
    if seen.status == "Error":
        reason = seen.status_reason or _SILENT
        kind = NotFound if _IMAGE.search(reason) else Rejected
        raise kind(f"cannot {doing}: {reason}", reason=reason)
