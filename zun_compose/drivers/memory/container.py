"""One simulated container: its states, its lives, its restart policy, its daemon's health verdict.

Every method is called with the world's lock held.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from zun_compose.container import ContainerSpec, Health, Hint, ImageSeen, MountSeen, Published, State
from zun_compose.drivers.memory.fate import Fate, Outcome, Run
from zun_compose.drivers.memory.health import verdicts
from zun_compose.drivers.memory.journal import Journal
from zun_compose.drivers.memory.ports import HostPorts
from zun_compose.drivers.memory.world import Actor, World
from zun_compose.errors import Conflict
from zun_compose.model import Healthcheck, RestartName

# Docker's backoff between the lives that a restart policy gives.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 60.0
_STEADY = 10.0
# The difference of two moments may be this much short of the span that made them.
_ROUNDING = 1e-9
_KILLED = 137
_NOT_STARTED = 128


class Container(Actor):
    """A container record; `began` is when its process started, moved on by the time it was frozen."""

    __slots__ = (
        "_journal",
        "_pause",
        "_upcoming",
        "_verdicts",
        "began",
        "check",
        "created_at",
        "error",
        "exit_code",
        "fate",
        "finished_at",
        "gone",
        "health",
        "host_ports",
        "id",
        "image",
        "kept_down",
        "mounts",
        "name",
        "oom_killed",
        "paused_at",
        "ports",
        "restart_count",
        "run",
        "spec",
        "started_at",
        "starts",
        "state",
        "world",
    )

    def __init__(
        self,
        world: World,
        host_ports: HostPorts,
        spec: ContainerSpec,
        *,
        identity: str,
        fate: Fate,
        image: ImageSeen,
        mounts: tuple[MountSeen, ...],
        gone: Callable[[Container], None],
    ) -> None:
        super().__init__()
        self.world = world
        self.host_ports = host_ports
        self.spec = spec
        self.id = identity
        self.name = spec.name
        self.fate = fate
        self.image = image
        self.mounts = mounts
        self.gone = gone
        self.check = _effective(spec.service.healthcheck, image.healthcheck)
        self.state = State.CREATED
        self.run: Run = fate.run(0)
        self.starts = 0
        self.began = 0.0
        self.created_at = world.now
        self.started_at: float | None = None
        self.finished_at: float | None = None
        self.paused_at: float | None = None
        self.exit_code: int | None = None
        self.oom_killed = False
        self.restart_count = 0
        self.kept_down = False
        self.error = ""
        self.ports: tuple[Published, ...] = ()
        self.health = Health.NONE
        self._pause = 0.0
        self._verdicts: Iterator[tuple[float, Health]] | None = None
        self._upcoming: tuple[float, Health] | None = None
        self._journal: Journal | None = Journal() if any(run.log for run in fate.runs) else None

    @property
    def elapsed(self) -> float:
        """Seconds that the process has been running, frozen time not counted."""
        moment = self.world.now if self.paused_at is None else self.paused_at
        return moment - self.began + _ROUNDING

    @property
    def up(self) -> bool:
        """Whether it has a process, frozen or not."""
        return self.state in (State.RUNNING, State.PAUSED)

    def start(self) -> None:
        """Start by request: the restart policy counts from nothing.

        Raises:
            Conflict: a host port is allocated.
        """
        try:
            self.ports = self.host_ports.take(self.id, self.spec.service.ports)
        except Conflict as error:
            self.error = str(error)
            self.exit_code = _NOT_STARTED
            raise
        self.kept_down = False
        self.restart_count = 0
        self._pause = 0.0
        self._begin()

    def end(self, code: int, *, oom: bool = False) -> None:
        """The process ends; the restart policy decides what follows."""
        if self._journal is not None:
            self._journal.end(self.elapsed)
        ran = self.elapsed
        self.alarm = 0
        self.state = State.EXITED
        self.exit_code = code
        self.oom_killed = oom
        self.finished_at = self.world.now
        self.paused_at = None
        self._verdicts = self._upcoming = None
        self.host_ports.release(self.id, self.ports)
        self.ports = ()
        if oom:
            self.tell("oom")
        self.tell("die", exit_code=code)
        if self._comes_back(code):
            if ran >= _STEADY:
                self._pause = 0.0
            self._pause = min(self._pause * 2, _LONGEST_PAUSE) if self._pause else _FIRST_PAUSE
            self.restart_count += 1
            self.state = State.RESTARTING
            self.world.set_alarm(self, self.world.now + self._pause)
        elif self.spec.auto_remove:
            self.gone(self)

    def bring_down(self, code: int) -> None:
        """End by request: no restart policy brings it back."""
        self.kept_down = True
        if self.state is State.RESTARTING:
            self.alarm = 0
            self.state = State.EXITED
        elif self.up:
            self.end(code)

    def kill(self) -> None:
        """End by SIGKILL."""
        self.tell("kill", attributes={"signal": "9"})
        self.bring_down(_KILLED)

    def pause(self) -> None:
        """Freeze a running process: nothing scripted happens until it is thawed."""
        if self._journal is not None:
            self._journal.keep(self.elapsed)
        self.paused_at = self.world.now
        self.state = State.PAUSED
        self.alarm = 0
        self.tell("pause")

    def unpause(self) -> None:
        """Thaw it."""
        if self.paused_at is not None:
            self.began += self.world.now - self.paused_at
        self.paused_at = None
        self.state = State.RUNNING
        if self._journal is not None:
            self._journal.shift(self.began)
        self.tell("unpause")
        self._schedule()

    def act(self) -> None:
        """Do what the fate has for this moment."""
        if self.state is State.RESTARTING:
            self._come_back()
            return
        elapsed = self.elapsed
        while self._upcoming is not None and self._upcoming[0] <= elapsed:
            self.health = self._upcoming[1]
            self.tell("health_status", health=self.health)
            self._look_ahead()
        if self.run.exits_after <= elapsed:
            self.end(_KILLED if self.run.oom else self.run.exit_code, oom=self.run.oom)
        else:
            self._schedule()

    def health_outcomes(self) -> tuple[Outcome, ...]:
        """What the declared test says over the time of the present run."""
        test = self.check.test if self.check is not None else None
        return self.run.health_outcomes((" ".join(test[1:]),) if test else ())

    def tell(
        self,
        action: str,
        *,
        exit_code: int | None = None,
        health: Health | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Queue a hint about this container."""
        spec = self.spec
        hint = Hint(
            container=self.id,
            action=action,
            service=spec.service.name,
            number=spec.number,
            exit_code=exit_code,
            health=health,
            at=self.world.engine_time,
            name=self.name,
            image=spec.image,
            attributes=attributes or {},
        )
        self.world.broadcast.emit(spec.stack, hint)

    @property
    def journal(self) -> Journal:
        """What it wrote."""
        return self._journal if self._journal is not None else Journal()

    def _begin(self) -> None:
        self.run = self.fate.run(self.starts)
        self.starts += 1
        self.state = State.RUNNING
        self.began = self.world.now
        self.started_at = self.world.now
        self.exit_code = None
        self.oom_killed = False
        self.error = ""
        if self._journal is not None:
            self._journal.begin(self.run, self.began)
        self._watch_health()
        self.tell("start")
        self._schedule()

    def _watch_health(self) -> None:
        self.health = Health.NONE
        self._verdicts = None
        if self.check is not None and not self.check.disabled and self.world.runs_healthchecks:
            self.health = Health.STARTING
            self._verdicts = verdicts(self.check, self.health_outcomes(), self.fate.exec_takes)
        self._look_ahead()

    def _look_ahead(self) -> None:
        self._upcoming = next(self._verdicts, None) if self._verdicts is not None else None

    def _schedule(self) -> None:
        following = self.run.next_change(self.elapsed)
        if self._upcoming is not None:
            following = min(following, self._upcoming[0])
        if following == math.inf:
            self.alarm = 0
        else:
            self.world.set_alarm(self, self.began + following)

    def _comes_back(self, code: int) -> bool:
        policy = self.spec.service.restart
        if self.kept_down or (self.spec.oneoff and self.spec.auto_remove):
            return False
        if policy.name is RestartName.ON_FAILURE:
            return code != 0 and (not policy.maximum or self.restart_count < policy.maximum)
        return policy.name in (RestartName.ALWAYS, RestartName.UNLESS_STOPPED)

    def _come_back(self) -> None:
        try:
            self.ports = self.host_ports.take(self.id, self.spec.service.ports)
        except Conflict as error:
            self.error = str(error)
            self.exit_code = _NOT_STARTED
            self.state = State.EXITED
            return
        self._begin()


def _effective(declared: Healthcheck | None, image: Healthcheck | None) -> Healthcheck | None:
    """The check that runs: what the file leaves open is as the image says."""
    if declared is None:
        return image
    if image is None:
        return declared if declared.test else None
    return Healthcheck(
        test=declared.test or image.test,
        interval=declared.interval if declared.interval is not None else image.interval,
        timeout=declared.timeout if declared.timeout is not None else image.timeout,
        retries=declared.retries if declared.retries is not None else image.retries,
        start_period=declared.start_period if declared.start_period is not None else image.start_period,
        start_interval=(
            declared.start_interval if declared.start_interval is not None else image.start_interval
        ),
    )
