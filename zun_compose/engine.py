"""The use cases: observe, plan, execute. This is the Python API.

::

    from zun_compose.engine import Engine
    from zun_compose.drivers.registry import loader

    engine = Engine(loader("docker")())
    engine.up(stack)
    print(engine.status(stack).ok)

An Engine holds a driver and, optionally, our own state on this machine (lock, remembered engine, when
containers became ready). It never prints, reads the command line or handles signals.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import IO, TYPE_CHECKING, TypeVar

from zun_compose import graph
from zun_compose.container import Hint, LogLine, Observed
from zun_compose.contents import Contents
from zun_compose.driver import (
    Driver,
    EventSource,
    Processes,
    ProcessTable,
    Reserves,
    Session,
    Signals,
    Stacks,
    Subscription,
    Terminal,
    Waits,
)
from zun_compose.errors import (
    Cancelled,
    Conflict,
    NotFound,
    OperationError,
    StateError,
    Unsupported,
)
from zun_compose.foresight import refuse_foreseen
from zun_compose.labels import PROJECT
from zun_compose.model import Condition, Service, Stack
from zun_compose.observation import observe, planned
from zun_compose.operation import Operation, Outcome, Sink
from zun_compose.options import CopyOptions, DownOptions, LogOptions, RunOptions, UpOptions
from zun_compose.plan.edges import gates_of, refuse_unknown, scaled, wait_step
from zun_compose.plan.steps import Gate, Plan
from zun_compose.plan.up import plan_up
from zun_compose.plan.world import World
from zun_compose.record import replace

if TYPE_CHECKING:
    from zun_compose.assess import Seen
    from zun_compose.state import ReadyRecord, StateStore
    from zun_compose.status import GateStatus, StackStatus

_Stack = TypeVar("_Stack", Stack, "Stack | str")

# Imported on use, because `up` with nothing to do is mostly imports: what looks, stops or starts.

__all__ = ["Engine", "Outcome", "Sink"]


class Engine:
    """Brings stacks up and down on one engine and tells the truth about them.

    `parallel` bounds the calls under way at once. Methods raise SpecError and UsageError for what
    was asked wrongly, DriverError when the engine cannot be asked, OperationError when services did
    not get where they should, Cancelled when `cancel` was set.
    """

    def __init__(self, driver: Driver, *, state: StateStore | None = None, parallel: int = 8) -> None:
        self.driver = driver
        self._state = state
        self._parallel = parallel

    # Looking.

    def plan(self, stack: Stack, options: UpOptions | None = None) -> Plan:
        """Plan `up`; changes nothing."""
        wanted = options or UpOptions()
        stack = scaled(stack, wanted.scale)
        world = observe(self.driver, stack, Contents())
        plan = planned(self.driver, world, lambda seen: plan_up(stack, seen, wanted))[1]
        refuse_foreseen(self.driver, stack, plan)
        return plan

    def plan_down(self, stack: Stack | str, options: DownOptions | None = None) -> Plan:
        """Plan `down`; changes nothing."""
        return self._plan_down(stack, options or DownOptions())

    def containers(self, stack: Stack | str) -> Sequence[Observed]:
        """Return the stack's containers as the engine lists them."""
        return self.driver.list(_name(stack))

    def stacks(self) -> Mapping[str, Sequence[Observed]]:
        """Return the containers of all stacks that the engine holds, by the stack's name."""
        driver = self.driver
        if not isinstance(driver, Stacks):
            raise Unsupported(f"the {driver.name} driver cannot tell which stacks there are")
        found: dict[str, list[Observed]] = {}
        for seen in driver.everywhere():
            found.setdefault(seen.labels.get(PROJECT, ""), []).append(seen)
        return {name: found[name] for name in sorted(found) if name}

    def processes(
        self, stack: Stack | str, services: Sequence[str] = ()
    ) -> Sequence[tuple[Observed, ProcessTable]]:
        """Return the processes of all containers of these services that run."""
        driver = self.driver
        if not isinstance(driver, Processes):
            raise Unsupported(f"the {driver.name} driver runs no processes that could be told")
        found = []
        for seen in self._up(stack, services):
            # One that has ended since the list was made has none.
            with contextlib.suppress(Conflict, NotFound):
                found.append((seen, driver.processes(seen.id)))
        return found

    def status(self, stack: Stack | str, services: Sequence[str] = ()) -> StackStatus:
        """Look once at everything and judge it; what `up` was told to scale is judged by that number."""
        from zun_compose.assess import stack_status

        stack = self._as_scaled(stack)
        seen, ready = self._look(stack)
        declared = None if isinstance(stack, str) else stack
        return stack_status(_name(stack), declared, seen, ready, services)

    def explain(self, stack: Stack, services: Sequence[str] = ()) -> tuple[GateStatus, ...]:
        """Return every edge of these services as it stands, with the last log lines behind those not open."""
        from zun_compose.assess import gate_status, witness

        refuse_unknown(stack, services)
        stack = self._as_scaled(stack)
        seen, _ = self._look(stack)
        by_service: dict[str, list[Seen]] = {}
        for one in seen:
            if not one.observed.oneoff:
                by_service.setdefault(one.observed.service, []).append(one)
        found = []
        for service in stack.services.values():
            if services and service.name not in services:
                continue
            for gate in gates_of(service, stack.services):
                if gate.external:
                    continue
                status = gate_status(gate, stack.services, by_service)
                if status.verdict != "open":
                    status = replace(status, log=witness(self.driver, status, seen))
                found.append(status)
        return tuple(found)

    # Up and down.

    def up(
        self,
        stack: Stack,
        options: UpOptions | None = None,
        *,
        sink: Sink | None = None,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """Bring the stack up: returns once every gate has opened and every service was started.

        With `options.wait` also once jobs have ended and all others are ready.
        """
        return self.up_for(stack, options or UpOptions(), None, sink=sink, cancel=cancel)

    def down(
        self,
        stack: Stack | str,
        options: DownOptions | None = None,
        *,
        sink: Sink | None = None,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """Take the stack down, dependents first; goes on after errors and raises them at the end."""
        options = options or DownOptions()
        operation = self._operation(sink, cancel)
        with operation.locked(_name(stack)):
            plan = self._plan_down(stack, options)
            outcome = operation.run(_name(stack), _stack(stack), plan)
            if not options.services:
                if isinstance(self.driver, Reserves):
                    self.driver.vacate(_name(stack))
                if self._state is not None:
                    self._state.forget(_name(stack), self.driver.engine().id)
        return outcome

    def start(
        self,
        stack: Stack,
        services: Sequence[str] = (),
        *,
        wait: bool = False,
        wait_timeout: float | None = None,
        sink: Sink | None = None,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """Start existing containers in order, gates honoured."""
        from zun_compose.plan.lifecycle import plan_start

        operation = self._operation(sink, cancel)
        with operation.locked(stack.name):
            stack = self._as_scaled(stack)
            world = observe(self.driver, stack)
            _has_containers(stack, world, services)
            plan = plan_start(stack, world, services, wait=wait)
            return operation.run(stack.name, stack, plan, world=world, wait_timeout=wait_timeout)

    def stop(
        self,
        stack: Stack | str,
        services: Sequence[str] = (),
        timeout: float | None = None,
        *,
        sink: Sink | None = None,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """Stop containers, dependents first; `timeout` is the grace in seconds."""
        from zun_compose.plan.lifecycle import plan_stop

        operation = self._operation(sink, cancel)
        declared = _stack(stack)
        if declared is not None:
            refuse_unknown(declared, services)
        with operation.locked(_name(stack)):
            world = observe(self.driver, _name(stack))
            plan = plan_stop(_name(stack), declared, world, services, grace=timeout)
            return operation.run(_name(stack), _stack(stack), plan, world=world)

    def restart(
        self,
        stack: Stack,
        services: Sequence[str] = (),
        timeout: float | None = None,
        no_deps: bool = False,
        *,
        sink: Sink | None = None,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """Stop and start again in order, gates honoured; dependents with `restart: true` too."""
        from zun_compose.plan.lifecycle import plan_restart

        operation = self._operation(sink, cancel)
        with operation.locked(stack.name):
            world = observe(self.driver, stack)
            _has_containers(stack, world, services)
            plan = plan_restart(stack, world, services, grace=timeout, no_deps=no_deps)
            return operation.run(_name(stack), _stack(stack), plan, world=world)

    def kill(
        self,
        stack: Stack | str,
        services: Sequence[str] = (),
        signal: str = "SIGKILL",
        *,
        sink: Sink | None = None,
    ) -> int:
        """Send a signal to all running containers of these services; returns how many got it."""
        driver = self.driver
        if not isinstance(driver, Signals):
            raise Unsupported(f"the {driver.name} driver sends no signals")
        running = self._up(stack, services)
        for seen in running:
            # A container that has ended since the list was made needs no signal.
            with contextlib.suppress(Conflict, NotFound):
                driver.kill(seen.id, signal)
        return len(running)

    def pause(
        self, stack: Stack | str, services: Sequence[str] = (), *, thaw: bool = False
    ) -> tuple[Observed, ...]:
        """Freeze (or `thaw`) the containers of these services that run; returns those it was done to."""
        driver = self.driver
        if not isinstance(driver, Signals):
            raise Unsupported(f"the {driver.name} driver cannot pause")
        wanted = "paused" if thaw else "running"
        done = []
        for seen in self._up(stack, services):
            # One that has ended since the list was made is left alone.
            with contextlib.suppress(Conflict, NotFound):
                if seen.state.value == wanted:
                    (driver.unpause if thaw else driver.pause)(seen.id)
                    done.append(seen)
        return tuple(done)

    def _up(self, stack: Stack | str, services: Sequence[str]) -> list[Observed]:
        """Return containers of these services that run or are paused. Raises SpecError for unknown ones."""
        declared = _stack(stack)
        if declared is not None:
            refuse_unknown(declared, services)
        return [
            seen
            for seen in self.driver.list(_name(stack))
            if (not services or seen.service in services) and seen.state.value in ("running", "paused")
        ]

    def remove(
        self,
        stack: Stack | str,
        services: Sequence[str] = (),
        *,
        stop: bool = False,
        volumes: bool = False,
        sink: Sink | None = None,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """Remove stopped containers; with `stop` the running ones too."""
        operation = self._operation(sink, cancel)
        with operation.locked(_name(stack)):
            plan = self.plan_remove(stack, services, stop=stop, volumes=volumes)
            return operation.run(_name(stack), _stack(stack), plan)

    def plan_remove(
        self, stack: Stack | str, services: Sequence[str] = (), *, stop: bool = False, volumes: bool = False
    ) -> Plan:
        """Plan `rm`; changes nothing."""
        from zun_compose.plan.lifecycle import plan_remove

        declared = _stack(stack)
        if declared is not None:
            refuse_unknown(declared, services)
        world = observe(self.driver, _name(stack))
        return plan_remove(_name(stack), declared, world, services, stop=stop, volumes=volumes)

    # Waiting.

    def wait_for(
        self,
        stack: Stack,
        services: Sequence[str] = (),
        condition: Condition = Condition.READY,
        timeout: float | None = None,
        *,
        sink: Sink | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        """Wait until a condition holds for running services; OperationError when never or too late."""
        from zun_compose.plan.lifecycle import standing

        refuse_unknown(stack, services)
        operation = self._operation(sink, cancel)
        world = observe(self.driver, stack)
        named = tuple(services) or tuple(stack.services)
        _has_containers(stack, world, named)
        steps = []
        for name in named:
            wanted = condition
            if condition is Condition.READY and stack.services[name].job:
                wanted = Condition.COMPLETED_SUCCESSFULLY
            gate = Gate(dependent="", dependency=name, condition=wanted, timeout=timeout)
            steps.append(wait_step(gate))
        plan = Plan(stack=stack.name, steps=tuple(steps), fleet=standing(stack, world))
        operation.run(stack.name, stack, plan, world=world, wait_timeout=timeout)

    def wait_stopped(
        self,
        stack: Stack | str,
        services: Sequence[str] = (),
        *,
        cancel: threading.Event | None = None,
    ) -> Mapping[str, int]:
        """Block until all containers of these services have stopped; returns service -> exit code.

        Of several containers the first code that is not 0 counts.
        """
        driver = self.driver
        if not isinstance(driver, Waits):
            raise Unsupported(f"the {driver.name} driver cannot wait")
        declared = _stack(stack)
        if declared is not None:
            refuse_unknown(declared, services)
        found: dict[str, int] = {}
        for seen in driver.list(_name(stack)):
            if not seen.oneoff and (not services or seen.service in services):
                found[seen.service] = found.get(seen.service) or driver.wait(seen.id)
                if cancel is not None and cancel.is_set():
                    raise Cancelled("interrupted")
        missing = [name for name in services if name not in found]
        if missing:
            raise NotFound(f"no container for service {', '.join(missing)}")
        return found

    # Inside containers.

    def run(
        self,
        stack: Stack,
        service: str,
        options: RunOptions | None = None,
        *,
        sink: Sink | None = None,
        cancel: threading.Event | None = None,
    ) -> int:
        """Run a one-off container of a service once its gates have opened; returns its exit code."""
        from zun_compose.oneoff import run_oneoff

        return run_oneoff(self, stack, service, options or RunOptions(), sink=sink, cancel=cancel)

    def execute(
        self, stack: Stack | str, service: str, command: Sequence[str], session: Session, index: int = 1
    ) -> int:
        """Run a command in a running container, attached to our streams; returns its exit code."""
        driver = self.driver
        if not isinstance(driver, Terminal):
            raise Unsupported(f"the {driver.name} driver has no terminals")
        for seen in driver.list(_name(stack)):
            if seen.service == service and seen.number == index and not seen.oneoff:
                if seen.state.value != "running":
                    raise NotFound(f'container "{seen.name}" is not running (it is {seen.state.value})')
                return driver.execute_attached(seen.id, command, session)
        raise NotFound(f'service "{service}" has no running container {index}')

    def copy_out(
        self,
        stack: Stack | str,
        service: str,
        path: str,
        destination: str | IO[bytes],
        options: CopyOptions | None = None,
    ) -> None:
        """Copy a path of a service's container here, or as a tar to an open file (see copying.copy_out)."""
        from zun_compose.copying import chosen, copy_out

        asked = options or CopyOptions()
        driver, found = chosen(self.driver, _name(stack), service, asked)
        copy_out(driver, found[0], path, destination, asked)

    def copy_in(
        self,
        stack: Stack | str,
        service: str,
        source: str | IO[bytes],
        destination: str,
        options: CopyOptions | None = None,
    ) -> tuple[str, ...]:
        """Copy a path, or unpack an open tar, into all containers of a service; returns their names.

        See copying.copy_in.
        """
        from zun_compose.copying import chosen, copy_in

        asked = options or CopyOptions()
        driver, found = chosen(self.driver, _name(stack), service, asked)
        copy_in(driver, found, source, destination, asked)
        return tuple(seen.name for seen in found)

    # Following.

    def logs(
        self, stack: Stack | str, services: Sequence[str] = (), options: LogOptions | None = None
    ) -> Generator[tuple[Observed, LogLine], None, None]:
        """Yield log lines of all containers, merged; with `follow` until all have ended."""
        from zun_compose.follow import merged_logs

        return merged_logs(self.driver, _name(stack), services, options or LogOptions())

    def events(
        self,
        stack: Stack | str,
        sink: Callable[[Hint], None],
        since: float | None = None,
        until: float | None = None,
    ) -> Subscription:
        """Follow the engine's events of the stack's containers."""
        driver = self.driver
        if not isinstance(driver, EventSource):
            raise Unsupported(f"the {driver.name} driver has no events")
        return driver.events(_name(stack), sink, since=since, until=until)

    # How operations run.

    def up_for(
        self,
        stack: Stack,
        options: UpOptions,
        oneoff: Service | None,
        *,
        sink: Sink | None = None,
        cancel: threading.Event | None = None,
    ) -> Outcome:
        """Bring up what a one-off container of a service stands on, and wait for its gates; None: as `up`."""
        graph.check(stack)
        operation = self._operation(sink, cancel)
        with operation.locked(stack.name):
            return operation.up(stack, options, oneoff)

    def _operation(self, sink: Sink | None, cancel: threading.Event | None) -> Operation:
        return Operation(self.driver, self._state, self._parallel, sink=sink, cancel=cancel)

    def _plan_down(self, stack: Stack | str, options: DownOptions) -> Plan:
        from zun_compose.plan.down import plan_down

        world = observe(self.driver, _name(stack))
        plan = partial(plan_down, _name(stack), _stack(stack), options=options)
        return planned(self.driver, world, plan)[1] if options.volumes else plan(world)

    def _as_scaled(self, stack: _Stack) -> _Stack:
        """Return the stack with the numbers of containers that the last `up` was given."""
        if self._state is None or isinstance(stack, str):
            return stack
        with contextlib.suppress(StateError):
            kept = self._state.scale(stack.name, self.driver.engine().id)
            known = {
                name: number
                for name, number in kept.items()
                if name in stack.services and not (number > 1 and stack.services[name].container_name)
            }
            return scaled(stack, known)
        return stack

    def _look(self, stack: Stack | str) -> tuple[list[Seen], Mapping[str, ReadyRecord]]:
        from zun_compose.assess import look_at

        info = self.driver.engine()
        containers = self.driver.list(_name(stack))
        ready: Mapping[str, ReadyRecord] = {}
        if self._state is not None:
            # Our own records only add to what is seen; a folder that cannot be used must not hide it.
            try:
                ready = self._state.ready(info.id, _name(stack))
            except StateError as error:
                if error.code != "state.unusable":
                    raise
        return look_at(self.driver, info, _stack(stack), containers, ready), ready


def _name(stack: Stack | str) -> str:
    return stack if isinstance(stack, str) else stack.name


def _stack(stack: Stack | str) -> Stack | None:
    return None if isinstance(stack, str) else stack


def _has_containers(stack: Stack, world: World, services: Sequence[str]) -> None:
    refuse_unknown(stack, services)
    there = {seen.service for seen in world.containers}
    named = tuple(services) or tuple(stack.services)
    missing = [name for name in named if name not in there and stack.services[name].replicas]
    if missing:
        listed = ", ".join(f'"{name}"' for name in missing)
        raise OperationError(f"no container for service {listed}: up creates them")
