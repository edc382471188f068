"""The memory engine: a whole simulated container engine in one process, scripted by fates.

A shipped driver, not a mock: simulations, plans at scale and the tests of everything above drivers
run on it. `RealTimeMemoryDriver` follows the real clock and blocks as an engine does;
`MemoryDriver` stands still until its clock is moved (`VirtualTime`).
"""

from __future__ import annotations

import signal as signals
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from zun_compose.capability import Finding, Table
from zun_compose.container import (
    ContainerSpec,
    ExecResult,
    Hint,
    ImageSeen,
    LogLine,
    Observed,
    PortKey,
    State,
)
from zun_compose.driver import EngineInfo, Subscription
from zun_compose.drivers.memory.calls import Calls, outcome_of, parse_signal, stop_signal, stopping, takes
from zun_compose.drivers.memory.container import Container
from zun_compose.drivers.memory.fate import DEFAULT, Fate, Verb
from zun_compose.drivers.memory.images import normalised
from zun_compose.drivers.memory.journal import LogStream
from zun_compose.drivers.memory.resources import Resources
from zun_compose.drivers.memory.seen import RUNTIME, details, summary
from zun_compose.drivers.memory.world import World
from zun_compose.errors import Conflict, DriverTimeout, NotFound
from zun_compose.model import Stack

_OUTPUT_LIMIT = 65536
_ENDING = frozenset({signals.SIGTERM, signals.SIGINT, signals.SIGQUIT, signals.SIGABRT})


class RealTimeMemoryDriver(Resources):
    """A simulated engine on the real clock: calls last as scripted, fates follow time.monotonic.

    Args:
        fates: scripts by service, as `Fate` or as people write them; they win over `Service.fate`.
        images: what is local at the beginning (references or ImageSeen); None: every reference is.
        registry: references that can be pulled; None: all.
        pulls: seconds that the pull of a reference takes.
        outages: spans (from, to) in seconds since the beginning in which the engine does not answer.
        loses: hints for which this is true never reach a subscriber.
        runs_healthchecks: False simulates an engine whose daemon runs no checks.
        engine_id: identifies the engine; container ids are derived from it.

    Raises:
        SpecError: one of the fates is wrong.
    """

    name = "memory"
    real_time = True

    def __init__(
        self,
        fates: Mapping[str, Fate | Mapping[str, Any]] | None = None,
        *,
        images: Iterable[ImageSeen | str] | None = None,
        registry: Collection[str] | None = None,
        pulls: Mapping[str, float] | None = None,
        outages: Sequence[tuple[float, float]] = (),
        loses: Callable[[Hint], bool] | None = None,
        runs_healthchecks: bool = True,
        engine_id: str = "memory",
    ) -> None:
        world = World(real_time=self.real_time, runs_healthchecks=runs_healthchecks, loses=loses)
        super().__init__(
            world, engine_id, images=images, registry=registry, pulls=pulls or {}, outages=outages
        )
        self._calls = Calls(world, fates or {})
        self._info = EngineInfo(
            id=engine_id,
            driver=self.name,
            name=engine_id,
            version="1",
            runs_healthchecks=runs_healthchecks,
            default_runtime=RUNTIME,
        )

    def engine(self) -> EngineInfo:
        """Answer who the engine is."""
        with self._entered():
            return self._info

    def capabilities(self) -> Table:
        """Return what the simulation does with each attribute."""
        from zun_compose.drivers.memory.capabilities import capabilities

        return capabilities()

    def findings(self, stack: Stack) -> Sequence[Finding]:
        """Nothing: the simulation takes all there is."""
        return ()

    def close(self) -> None:
        """End the thread and everything that blocks."""
        self._world.close()

    def create(self, spec: ContainerSpec) -> str:
        """Create a container; returns its id. Raises Rejected if its fate is wrong."""
        fate = self._calls.fate_of(spec)
        with self._calls.answering(Verb.CREATE, fate, spec.name), self._entered():
            image = self._images.get(spec.image)
            if image is None:
                raise NotFound(f'image "{spec.image}" not found')
            return self._containers.add(spec, fate, image).id

    def start(self, container: str) -> None:
        """Start it; one that runs or is between two lives is left alone."""
        with self._calling(Verb.START, container), self._entered():
            found = self._containers.need(container)
            if found.up or found.state is State.RESTARTING:
                return
            self._containers.check_start(found)
            found.start()

    def inspect(self, container: str) -> Observed:
        """Look at one container now."""
        with self._calling(Verb.INSPECT, container), self._entered():
            return details(self._containers.need(container))

    def list(self, stack: str) -> Sequence[Observed]:
        """All containers of a stack, as summaries."""
        with self._entered():
            return [summary(container) for container in self._containers.of_stack(stack)]

    def everywhere(self) -> Sequence[Observed]:
        """All containers of all stacks, as summaries."""
        with self._entered():
            return [summary(container) for container in self._containers.everywhere()]

    def stop(self, container: str, grace: float | None = None) -> None:
        """Stop it: the scripted time, or `grace` if it does not heed the signal."""
        with self._calling(Verb.STOP, container, lasts=False):
            with self._entered():
                found = self._containers.find(container)
                if found is None or not (found.up or found.state is State.RESTARTING):
                    return
                life = found.starts
                if found.up:
                    found.tell("kill", attributes={"signal": str(int(stop_signal(found)))})
                found.kept_down = True
                seconds, code = stopping(found, grace)
            self._world.last(seconds)
            with self._entered():
                if found.starts == life and (found.up or found.state is State.RESTARTING):
                    found.bring_down(code)
                found.tell("stop")

    def remove(self, container: str, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it."""
        with self._calling(Verb.REMOVE, container), self._entered():
            found = self._containers.find(container)
            if found is None:
                return
            if found.up or found.state is State.RESTARTING:
                if not force:
                    raise Conflict(f'container "{found.name}" is running: stop it before removing it')
                found.kill()
            if self._containers.find(found.id) is not None:
                self._containers.forget(found, volumes=volumes)

    def rename(self, container: str, name: str) -> None:
        """Rename it."""
        with self._entered():
            self._containers.rename(self._containers.need(container), name)

    def kill(self, container: str, signal: str) -> None:
        """Send a signal; those that end processes by default end it, all others only tell."""
        number = parse_signal(signal)
        with self._entered():
            found = self._running(container)
            if number is signals.SIGKILL:
                found.kill()
                return
            found.tell("kill", attributes={"signal": str(int(number))})
            stops = number is stop_signal(found)
            if (stops or number in _ENDING) and found.state is State.RUNNING and not found.fate.ignores_term:
                found.bring_down(found.fate.stop_code if stops else 128 + number)

    def pause(self, container: str) -> None:
        """Freeze it."""
        with self._entered():
            found = self._running(container)
            if found.state is not State.PAUSED:
                found.pause()

    def unpause(self, container: str) -> None:
        """Thaw it."""
        with self._entered():
            found = self._running(container)
            if found.state is State.PAUSED:
                found.unpause()

    def wait(self, container: str, timeout: float | None = None) -> int:
        """Block until it does not run; in virtual time another thread must move the clock."""
        with self._entered():
            found = self._containers.need(container)
            deadline = None if timeout is None else self._world.now + timeout
        if not self._world.wait_until(lambda: not (found.up or found.state is State.RESTARTING), deadline):
            after = "the engine was closed" if timeout is None else f"{timeout:g} s"
            raise DriverTimeout(f'container "{found.name}" still runs after {after}')
        return found.exit_code or 0

    def execute(
        self,
        container: str,
        command: Sequence[str],
        *,
        timeout: float,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        working_dir: str | None = None,
        privileged: bool = False,
    ) -> ExecResult:
        """Run a scripted command; one that the fate does not name succeeds without a word."""
        with self._entered():
            found = self._running(container)
            life = found.starts
        if found.fate.exec_takes > timeout:
            self._world.last(timeout)
            raise DriverTimeout(f'command in container "{found.name}" did not end in {timeout:g} s')
        with self._calling(Verb.EXECUTE, container), self._entered():
            if found.starts != life or not found.up:
                return ExecResult(exit_code=137, output="")
            outcome = outcome_of(found, command)
            return ExecResult(exit_code=outcome[0], output=outcome[1][:_OUTPUT_LIMIT])

    def listening(self, container: str) -> frozenset[PortKey]:
        """Ports bound where others can reach them, now."""
        with self._entered():
            found = self._containers.need(container)
            return found.run.listening(found.elapsed) if found.up else frozenset()

    def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        until: float | None = None,
        timestamps: bool = False,
    ) -> Iterator[LogLine]:
        """Lines in order; a follower blocks, and `close` from any thread frees it."""
        with self._entered():
            found = self._containers.need(container)
            return LogStream(
                self._world,
                lambda position: found.journal.read(position, found.elapsed),
                lambda: not (found.up or found.state is State.RESTARTING),
                follow=follow,
                tail=tail,
                since=since,
                until=until,
                timestamps=timestamps,
            )

    def events(
        self,
        stack: str,
        sink: Callable[[Hint], None],
        *,
        since: float | None = None,
        until: float | None = None,
    ) -> Subscription:
        """Call `sink` for each event, one at a time, before the call or `advance` that caused it returns."""
        return self._world.listen(stack, sink, since, until)

    @contextmanager
    def _calling(self, verb: Verb, container: str, *, lasts: bool = True) -> Iterator[None]:
        found = self._containers.find(container)
        fate, name = (DEFAULT, container) if found is None else (found.fate, found.name)
        with self._calls.answering(verb, fate, name, lasts=lasts):
            yield

    def _running(self, container: str) -> Container:
        found = self._containers.need(container)
        if not found.up:
            raise Conflict(f'container "{found.name}" is not running')
        return found


class MemoryDriver(RealTimeMemoryDriver):
    """A simulated engine on a clock of its own (`VirtualTime`): nothing happens but by `advance`.

    Calls answer at once, with their effect at the present moment. A simulation that wants them to
    last advances by `latency` first, then makes the call.
    """

    real_time = False

    def now(self) -> float:
        """Seconds since the simulation began."""
        return self._world.now

    def advance(self, until: float) -> None:
        """Move the clock forward to `until`, or leave it if that is past; events are told on the way."""
        self._world.advance(until)

    def next_event(self) -> float | None:
        """When the next scripted thing happens, if anything is due."""
        return self._world.next_due()

    def latency(self, verb: str, container: str) -> float:
        """How long a call takes in virtual seconds (0 for verbs that take none).

        `container` is an id or name; before there is one, the service; for pull the reference.
        """
        if verb == "pull":
            return self._pulls.get(normalised(container), 0.0)
        with self._world.changed:
            found = self._containers.find(container)
            if found is not None and verb == Verb.STOP:
                return stopping(found, None)[0]
            fate = self._calls.fate(container) if found is None else found.fate
        return takes(verb, fate)
