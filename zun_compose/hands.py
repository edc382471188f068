"""Carries a schedule's actions out against a driver: the only place where steps become calls.

Each step observes before it repeats itself: a create whose answer was lost finds its own container by
the salt in its labels, and never makes a second one.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from zun_compose import labels as names
from zun_compose.admission import Admission
from zun_compose.container import ContainerSpec, Hint, Observed, State
from zun_compose.contents import Contents
from zun_compose.driver import Driver, Images, Networks, PullProgress, Renames, Reserves, VirtualTime, Volumes
from zun_compose.endings import Endings, ended
from zun_compose.errors import Conflict, DriverError, NotFound, Unsupported
from zun_compose.events import Emitter, GateFailed, ImageProgress, Warned
from zun_compose.model import Service, Stack
from zun_compose.observe.commands import healthcheck, last_words
from zun_compose.outside import AskOutside
from zun_compose.plan.digest import network_digests, volume_digests
from zun_compose.plan.divergence import image_of
from zun_compose.plan.steps import Plan, Step, Verb
from zun_compose.plan.world import World
from zun_compose.readiness import effective_healthcheck
from zun_compose.record import replace
from zun_compose.schedule import Action, Asked, Checked, Launch, Report, Saw, Sweep, Swept
from zun_compose.sighting import Answer, Sighting
from zun_compose.spec import coming, network_labels, specify, volume_labels
from zun_compose.watch import Ask, Check, Look

if TYPE_CHECKING:
    from zun_compose.observe.probes import Prober
    from zun_compose.observe.sockets import SocketReader


class EngineHands:
    """The hands of one operation on one stack. Safe from several threads."""

    def __init__(
        self, driver: Driver, plan: Plan, stack: Stack | None, world: World, emit: Emitter, contents: Contents
    ) -> None:
        self._driver = driver
        self._plan = plan
        self._stack = stack
        self.world = world
        self._emit = emit
        self._contents = contents
        self._ids: dict[str, str] = {}
        self._handles: dict[str, str] = {}
        self._members = {member.handle: member for members in plan.fleet.values() for member in members}
        self._salts: dict[str, str] = {}
        self._lock = threading.Lock()
        self._endings = Endings(plan, world.engine)
        self._admission = Admission(driver)
        self._reserving = threading.Lock()
        self._reserved: set[str] = set()
        self.seen: dict[str, Observed] = {}
        self.failures: list[GateFailed] = []

    # Steps.

    def carry_out(self, launch: Launch) -> None:
        """Carry one step out; raises DriverError."""
        calls: Mapping[Verb, Callable[[Step], object]] = {
            Verb.CREATE: lambda step: self._create(step, again=launch.attempt > 1),
            Verb.START: self._start,
            Verb.STOP: lambda step: self._driver.stop(self.id_of(step.handle), step.grace),
            Verb.REMOVE: lambda step: self._driver.remove(
                self.id_of(step.handle), force=True, volumes=step.volumes
            ),
            Verb.RENAME: lambda step: self._rename(step, again=launch.attempt > 1),
            Verb.PULL: lambda step: self._images.pull(step.subject, step.platform, self._pulled),
            Verb.BUILD: self._build,
            Verb.CREATE_NETWORK: self._create_network,
            Verb.REMOVE_NETWORK: lambda step: self._networks.remove_network(step.handle),
            Verb.CREATE_VOLUME: self._create_volume,
            Verb.REMOVE_VOLUME: lambda step: self._volumes.remove_volume(step.handle),
            Verb.REMOVE_IMAGE: lambda step: self._images.remove_image(step.handle),
            Verb.WAIT: lambda step: None,
        }
        calls[launch.step.verb](launch.step)

    def id_of(self, handle: str) -> str:
        """Return the engine's id of a container that the schedule knows by `handle`."""
        return self._ids.get(handle, handle)

    def created(self) -> Mapping[str, str]:
        """Return handle -> id of the containers that were created."""
        with self._lock:
            return dict(self._ids)

    def _start(self, step: Step) -> None:
        """Start a container; in a shared network namespace, note first what others have bound there."""
        container = self.id_of(step.handle)
        mode = self._the_stack.services[step.service or ""].network_mode if self._stack is not None else None
        if mode is not None and mode.startswith(("host", "service:", "container:")):
            self._sockets.baseline(self._driver.inspect(container))
        if self._stack is not None and step.service is not None:
            self._endings.expect(step.service, self._stack.services[step.service].runtime, container)
        self._driver.start(container)

    def _reserve(self, now: Step) -> None:
        """Have the places of all containers to come made ready, as far as their networks are there by now.

        The container of step `now`, whose turn it is, makes what it needs itself if it gets none.
        """
        driver = self._driver
        if not isinstance(driver, Reserves) or self._stack is None:
            return
        with self._reserving:
            settled = {seen.name for seen in self.world.containers} | self._reserved
            missing = [
                step for step in self._plan.steps if step.verb is Verb.CREATE and step.name not in settled
            ]
            if missing:
                self._reserved.update(driver.reserve([self._coming(step) for step in missing]))
            self._reserved.add(now.name)

    def _coming(self, step: Step) -> ContainerSpec:
        stack = self._the_stack
        member = self._members.get(step.handle)
        return coming(
            stack,
            stack.services[step.service or ""],
            name=step.name,
            number=step.number,
            final_name=member.name if member is not None else None,
        )

    def _create(self, step: Step, *, again: bool) -> None:
        self._reserve(step)
        stack = self._the_stack
        service = stack.services[step.service or ""]
        reference = image_of(stack, service)
        image_id = self._image_id(reference)
        salt = self._salt(step.id)
        member = self._members.get(step.handle)
        spec = specify(
            stack,
            service,
            name=step.name,
            number=step.number,
            image=reference,
            image_id=image_id,
            salt=salt,
            file_digests=self._contents.digests(stack, [service]),
            container_of=self._first_container,
            read=self._contents.read,
            bind_files=self.world.engine.local and not self.world.engine.copies_files,
            final_name=member.name if member is not None else None,
            carried=step.mounts,
        )
        try:
            container = self._driver.create(spec)
        except Conflict:
            own = self._find_own(step.name, salt) if again else None
            if own is None:
                raise
            container = own
        with self._lock:
            self._ids[step.handle] = container
            self._handles[container] = step.handle

    def _find_own(self, name: str, salt: str) -> str | None:
        """Find the container that an unanswered create of ours made after all."""
        try:
            seen = self._driver.inspect(name)
        except NotFound:
            return None
        return seen.id if seen.labels.get(names.SALT) == salt else None

    def _first_container(self, service: str) -> str:
        members = self._plan.fleet.get(service, ())
        if members:
            return self.id_of(members[0].handle)
        for seen in self.world.containers:
            if seen.service == service and not seen.oneoff:
                return seen.id
        msg = f'service "{service}" has no container to share'
        raise NotFound(msg)

    def _image_id(self, reference: str) -> str:
        known = self.world.images.get(reference)
        if known is not None or not isinstance(self._driver, Images):
            return known or reference
        image = self._driver.image(reference)
        if image is None:
            msg = f'image "{reference}" is not here'
            raise NotFound(msg)
        return image.id

    def _rename(self, step: Step, *, again: bool) -> None:
        container = self.id_of(step.handle)
        if again and self._driver.inspect(container).name == step.name:
            return
        self._renames.rename(container, step.name)

    def _build(self, step: Step) -> None:
        assert step.build is not None
        labels = {
            names.PROJECT: self._the_stack.name,
            names.SERVICE: step.service or "",
        }

        def told(line: str) -> None:
            self._emit(ImageProgress(image=step.subject, status=line))

        self._images.build(step.subject, step.build, labels, told)

    def _pulled(self, progress: PullProgress) -> None:
        told = ImageProgress(
            image=progress.image, status=progress.status, current=progress.current, total=progress.total
        )
        self._emit(told)

    def _create_network(self, step: Step) -> None:
        stack, salt = self._the_stack, self._salt(step.id)
        network = stack.networks[step.handle]
        labels = network_labels(stack, network.key, network_digests(network, salt), salt)
        driver = self._networks
        try:
            driver.create_network(network, labels)
        except Conflict:
            seen = driver.network(network.name)
            if seen is None or not names.belongs(seen.labels, stack.name):
                raise

    def _create_volume(self, step: Step) -> None:
        stack, salt = self._the_stack, self._salt(step.id)
        volume = stack.volumes[step.handle]
        labels = volume_labels(stack, volume.key, volume_digests(volume, salt), salt)
        driver = self._volumes
        try:
            driver.create_volume(volume, labels)
        except Conflict:
            seen = driver.volume(volume.name)
            if seen is None:
                raise
            if not names.belongs(seen.labels, stack.name):
                words = f'volume "{volume.name}" exists and was not made by this stack; it is used as it is'
                self._emit(Warned(message=words))

    def _salt(self, identity: str) -> str:
        with self._lock:
            return self._salts.setdefault(identity, secrets.token_hex(8))

    # Looks.

    def look(self, look: Look) -> Saw:
        """Look at one container; an engine that does not answer makes an empty sighting with the reason."""
        began = time.perf_counter()
        container = self.id_of(look.handle)
        observed, error, gone = None, "", False
        if look.detail and self._endings.take(container):
            observed = self._as_ended(look.handle)
        elif look.detail or look.handle not in self.seen:
            try:
                observed = self._endings.seen(self._driver.inspect(container))
                self.seen[look.handle] = observed
            except NotFound:
                gone = True
            except DriverError as failure:
                error = str(failure)
        known = observed or self.seen.get(look.handle)
        sockets = None
        if look.sockets and known is not None and not gone:
            sockets = self._sockets.read(known, look.wanted) if look.wanted else self._sockets.glance(known)
        if known is not None and (observed is not None or sockets is not None):
            self._admission.seen(known, sockets)
        seconds = time.perf_counter() - began
        if isinstance(self._driver, VirtualTime):
            seconds = 0.0
        crashed = observed is not None and observed.state is State.RESTARTING
        words = last_words(self._driver, container, 1) if crashed else ()
        sighting = Sighting(
            container=container,
            observed=observed,
            gone=gone,
            sockets=sockets,
            life=known.started_at if known is not None else None,
            seconds=seconds,
            error=error,
            last_line=words[-1] if words else "",
        )
        return Saw(look.handle, sighting)

    def hear(self, post: Callable[[Saw], None]) -> None:
        """Post what the kernel tells unasked: the good ends that gates wait for."""

        def told(container: str) -> None:
            with self._lock:
                handle = self._handles.get(container, container)
            if handle in self._members:
                post(Saw(handle, Sighting(container=container, observed=self._as_ended(handle))))

        self._endings.hear(told)

    def _as_ended(self, handle: str) -> Observed:
        member = self._members[handle]
        known = self.seen.get(handle) or Observed(
            id=self.id_of(handle),
            name=member.name,
            service=member.service,
            number=member.number,
            state=State.CREATED,
        )
        return ended(known)

    def check(self, check: Check) -> Checked:
        """Run the declared healthcheck once."""
        observed = self.seen.get(check.handle)
        declared = self._service_of(check.handle)
        healthy = effective_healthcheck(declared, observed)
        if observed is None or healthy is None:
            return Checked(check.handle, Answer(ok=False, ran=False, text="nothing to run"))
        answer = healthcheck(self._driver, observed, healthy, check.timeout)
        if answer.ok:
            self._admission.answered(observed)
        return Checked(check.handle, self._virtual(answer))

    def ask(self, ask: Ask) -> Asked:
        """Ask one readiness probe of a container."""
        probe = self._service_of(ask.handle).readiness[ask.probe]
        observed = self.seen.get(ask.handle)
        answer = self._prober.ask(probe, observed)
        if answer.ok and observed is not None:
            self._admission.answered(observed)
        return Asked(ask.handle, ask.probe, self._virtual(answer))

    def ask_outside(self, ask: AskOutside) -> Asked:
        """Ask one probe of an external."""
        probe = self._the_stack.externals[ask.external].probes[ask.probe]
        return Asked(ask.external, ask.probe, self._prober.ask(probe, None), external=True)

    def report(self, report: Report) -> None:
        """Tell of a failed gate, with the last words of its container."""
        log: tuple[str, ...] = ()
        if report.handle is not None:
            log = last_words(self._driver, self.id_of(report.handle))
        failure = replace(report.failure, log=log)
        with self._lock:
            self.failures.append(failure)
        self._emit(failure)

    def sweep(self) -> Swept:
        """Look at all containers of the stack in one call."""
        try:
            return Swept(tuple(self._driver.list(self._plan.stack)))
        except DriverError as error:
            self._emit(Warned(message=f"could not look at all containers once more: {error}"))
            return Swept(())

    def handle_of(self, hint: Hint) -> str | None:
        """Return the schedule's name for the container of a hint, if the plan has it."""
        with self._lock:
            handle = self._handles.get(hint.container, hint.container)
        return handle if handle in self._members else None

    def latency(self, action: Action) -> float:
        """Return how long an action takes on a driver with virtual time (seconds)."""
        if not isinstance(self._driver, VirtualTime):
            return 0.0
        match action:
            case Launch(step):
                creates = step.verb is Verb.CREATE
                name = (step.service or "") if creates else self.id_of(step.handle)
                return self._driver.latency(step.verb.value, name)
            case Check() | Ask():
                return self._driver.latency("execute", self.id_of(action.handle))
            case Look() | Sweep() | _:
                return 0.0

    def prepare(self) -> None:
        """Get ready to look: what the first look would import and open."""
        _ = self._prober

    def close(self) -> None:
        """Close what looking had opened, and give back what was made ready for nobody."""
        if self._reserved and isinstance(self._driver, Reserves):
            self._driver.release(self._reserved)
        self._endings.close()
        for part in ("_prober", "_sockets"):
            if part in self.__dict__:
                getattr(self, part).close()

    @cached_property
    def _sockets(self) -> SocketReader:
        from zun_compose.observe.sockets import SocketReader

        return SocketReader(self._driver, self.world.engine)

    @cached_property
    def _prober(self) -> Prober:
        from zun_compose.observe.probes import Prober

        return Prober(self._driver, self.world.engine, self._sockets)

    def _virtual(self, answer: Answer) -> Answer:
        return replace(answer, seconds=0.0) if isinstance(self._driver, VirtualTime) else answer

    def _service_of(self, handle: str) -> Service:
        return self._the_stack.services[self._members[handle].service]

    @property
    def _the_stack(self) -> Stack:
        assert self._stack is not None
        return self._stack

    @property
    def _images(self) -> Images:
        if isinstance(self._driver, Images):
            return self._driver
        msg = f"the {self._driver.name} driver has no images"
        raise Unsupported(msg)

    @property
    def _networks(self) -> Networks:
        if isinstance(self._driver, Networks):
            return self._driver
        msg = f"the {self._driver.name} driver has no networks"
        raise Unsupported(msg)

    @property
    def _volumes(self) -> Volumes:
        if isinstance(self._driver, Volumes):
            return self._driver
        msg = f"the {self._driver.name} driver has no volumes"
        raise Unsupported(msg)

    @property
    def _renames(self) -> Renames:
        if isinstance(self._driver, Renames):
            return self._driver
        msg = f"the {self._driver.name} driver has no renaming"
        raise Unsupported(msg)
