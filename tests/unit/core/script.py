"""Plays a schedule by hand: a line that sets a stack up, lines of what happens, lines of what comes out.

Setup: services separated by ";", each `NAME ATTRIBUTE... [needs EDGE, EDGE...]`.
Attributes: `:80` declares a port, `hc` a healthcheck (interval 10 s, timeout 5 s, retries 3), `x2` replicas,
`job`, `once`, `always`, `on-failure`.
Edges: `NAME CONDITION` and then any of `5s` (timeout), `r2` (retries), `of1` (replicas), `optional`,
`outside`.

Happenings: `+5` lets five seconds pass; `start db` answers that launch, `break start db CODE` fails it
(`!CODE` for good); `db runs`, `db runs 80 81`, `db exits 3`, `db crashed 2 code 1`, `db healthy`,
`db unhealthy`, `db gone` are looks that came back; `db check ok` a run of its healthcheck; `hint db`,
`outside NAME ok`, `cancel`, `swept`. Replica 2 of db is `db/2`.
"""

from __future__ import annotations

from collections.abc import Iterable

from zun_compose.container import Health, Observed, PortKey, State
from zun_compose.driver import EngineInfo
from zun_compose.events import (
    GateFailed,
    GateOpened,
    GateWaiting,
    ServiceChanged,
    StepFailed,
    StepSkipped,
    Unsteady,
)
from zun_compose.model import (
    Condition,
    Dependency,
    Expose,
    External,
    Healthcheck,
    Probe,
    ProbeKind,
    Restart,
    RestartName,
    Service,
    Stack,
)
from zun_compose.options import UpOptions
from zun_compose.outside import AskOutside
from zun_compose.plan.up import plan_up
from zun_compose.plan.world import World
from zun_compose.schedule import (
    Action,
    Asked,
    Broke,
    CancelRequested,
    Checked,
    Hinted,
    Input,
    Launch,
    Report,
    Saw,
    Schedule,
    Succeeded,
    Sweep,
    Swept,
    Tell,
)
from zun_compose.sighting import Answer, Sighting, SocketReading
from zun_compose.watch import Check, Look

ENGINE = EngineInfo(id="e", driver="memory", name="e")
CHECK = Healthcheck(test=("CMD", "check"), interval=10.0, timeout=5.0, retries=3)

_CONDITIONS = {
    "started": Condition.STARTED,
    "listening": Condition.LISTENING,
    "healthy": Condition.HEALTHY,
    "ready": Condition.READY,
    "completed": Condition.COMPLETED,
    "succeeded": Condition.COMPLETED_SUCCESSFULLY,
}
_RESTARTS = {
    "always": Restart(name=RestartName.ALWAYS),
    "on-failure": Restart(name=RestartName.ON_FAILURE),
}


def stack(setup: str) -> Stack:
    """Read a setup line."""
    services = [_service(text.strip()) for text in setup.split(";")]
    outside = {edge.on for service in services for edge in service.dependencies if edge.external}
    probe = Probe(kind=ProbeKind.TCP, host="far", port=1, interval=2.0)
    return Stack(
        name="t",
        services={service.name: service for service in services},
        externals={name: External(name=name, probes=(probe,)) for name in sorted(outside)},
    )


def _service(text: str) -> Service:
    head, _, edges = text.partition(" needs ")
    name, *attributes = head.split()
    declared: dict[str, object] = {}
    expose = []
    for attribute in attributes:
        if attribute.startswith(":"):
            expose.append(Expose(first=int(attribute[1:]), last=int(attribute[1:])))
        elif attribute == "hc":
            declared["healthcheck"] = CHECK
        elif attribute.startswith("x"):
            declared["replicas"] = int(attribute[1:])
        elif attribute in _RESTARTS:
            declared["restart"] = _RESTARTS[attribute]
        else:
            declared[attribute] = True
    dependencies = tuple(_edge(edge.split()) for edge in edges.split(",") if edge)
    return Service(
        name=name,
        image="app",
        networks=(),
        expose=tuple(expose),
        dependencies=dependencies,
        **declared,  # type: ignore[arg-type]
    )


def _edge(words: list[str]) -> Dependency:
    on, condition, *rest = words
    told: dict[str, object] = {}
    for word in rest:
        if word == "optional":
            told["required"] = False
        elif word == "outside":
            told["external"] = True
        elif word.startswith("of"):
            told["replicas"] = int(word[2:])
        elif word.startswith("r"):
            told["retries"] = int(word[1:])
        else:
            told["timeout"] = float(word.removesuffix("s"))
    return Dependency(on=on, condition=_CONDITIONS[condition], **told)  # type: ignore[arg-type]


class Play:
    """A schedule under way. `lines` are what came out since the last happening."""

    def __init__(
        self,
        setup: str | Stack,
        *,
        wait: bool = False,
        wait_timeout: float | None = None,
        engine_checks: bool = True,
    ) -> None:
        self.stack = stack(setup) if isinstance(setup, str) else setup
        world = World(engine=ENGINE, has_images=False, has_networks=False, has_volumes=False)
        self.plan = plan_up(self.stack, world, UpOptions(wait=wait))
        self.now = 100.0
        self.looks: list[str] = []
        self.lines: list[str] = []
        self.schedule = Schedule(
            self.plan,
            self.stack,
            now=self.now,
            engine_checks=engine_checks,
            wait_timeout=wait_timeout,
            guard_exits=wait,
        )
        self._take(self.schedule.begin(self.now))
        self.lines.clear()
        self._lives: dict[str, int] = {}

    def __call__(self, happening: str) -> list[str]:
        """Let something happen; returns what came out."""
        self.lines = []
        if happening.startswith("+"):
            self._pass(float(happening[1:]))
        else:
            for event in self._events(happening.split()):
                self._take(self.schedule.step(event, self.now))
            self._take(self.schedule.wake(self.now))
        return self.lines

    def _pass(self, seconds: float) -> None:
        until = self.now + seconds
        while (at := self.schedule.wake_at) is not None and at <= until:
            self.now = max(self.now, at)
            self._take(self.schedule.wake(self.now))
        self.now = until

    def _events(self, words: list[str]) -> Iterable[Input]:
        match words:
            case ["start", name]:
                return [Succeeded(f"start {_numbered(name)}")]
            case ["break", verb, name, code]:
                retryable = not code.startswith("!")
                return [Broke(f"{verb} {_numbered(name)}", "no", code.lstrip("!"), retryable)]
            case ["hint", name]:
                return [Hinted(_handle(name))]
            case ["outside", name, said]:
                return [Asked(name, 0, Answer(ok=said == "ok", text=said), external=True)]
            case ["cancel"]:
                return [CancelRequested()]
            case ["swept", *ended]:
                return [Swept(tuple(self._seen(name, State.EXITED, exit_code=1) for name in ended))]
            case [name, "check", said]:
                return [Checked(_handle(name), Answer(ok=said == "ok", text=said, exit_code=said != "ok"))]
            case [name, "gone"]:
                return [Saw(_handle(name), Sighting(container=name, gone=True))]
            case [name, *rest]:
                return [self._saw(name, rest)]
        raise AssertionError(words)

    def _saw(self, name: str, words: list[str]) -> Saw:
        sockets = None
        match words:
            case ["runs", *ports]:
                observed = self._seen(name, State.RUNNING)
                listening = frozenset(PortKey(int(port)) for port in ports)
                sockets = SocketReading(listening=listening, complete=True, source="test")
            case ["exits", code]:
                observed = self._seen(name, State.EXITED, exit_code=int(code))
            case ["crashed", count, "code", code]:
                observed = self._seen(name, State.RESTARTING, exit_code=int(code), restart_count=int(count))
            case ["healthy" | "unhealthy" as health]:
                observed = self._seen(name, State.RUNNING, health=Health(health))
            case _:
                raise AssertionError(words)
        return Saw(_handle(name), Sighting(container=name, observed=observed, sockets=sockets))

    def _seen(self, name: str, state: State, **facts: object) -> Observed:
        service, _, number = name.partition("/")
        return Observed(
            id=_handle(name),
            name=_handle(name),
            service=service,
            number=int(number or 1),
            state=state,
            detailed=True,
            started_at="t1",
            pid=7,
            healthcheck=self.stack.services[service].healthcheck,
            **facts,  # type: ignore[arg-type]
        )

    def _take(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Launch(step, attempt):
                    self.lines.append(step.id if attempt == 1 else f"{step.id} again ({attempt})")
                    if step.id.startswith("create"):
                        self._take(self.schedule.step(Succeeded(step.id), self.now))
                case Report(failure, _):
                    self._say(failure)
                case Tell(progress):
                    self._say(progress)
                case Look(handle=handle, detail=detail):
                    self.looks.append(f"look {handle}" if detail else f"read {handle}")
                case Check(handle=handle):
                    self.looks.append(f"check {handle}")
                case AskOutside(external=name):
                    self.looks.append(f"ask {name}")
                case Sweep():
                    self.lines.append("sweep")

    def _say(self, progress: object) -> None:
        match progress:
            case GateOpened():
                self.lines.append(f"open {_edge_name(progress)}")
            case GateWaiting():
                self.lines.append(f"wait {_edge_name(progress)}: {progress.reason}")
            case GateFailed():
                late = " (late)" if progress.timed_out else ""
                code = f" [code {progress.exit_code}]" if progress.exit_code is not None else ""
                self.lines.append(f"fail {_edge_name(progress)}: {progress.reason}{code}{late}")
            case StepFailed():
                then = "for good" if progress.retry_in is None else f"again in {progress.retry_in:g}"
                self.lines.append(f"broke {progress.step}, {then}")
            case StepSkipped():
                self.lines.append(f"skip {progress.step}: {progress.cause}")
            case Unsteady():
                self.lines.append(f"unsteady {progress.container}: {progress.detail}")
            case ServiceChanged():
                self.lines.append(f"{progress.container.removeprefix('t-')} is {progress.readiness}")


def _edge_name(progress: GateOpened | GateWaiting | GateFailed) -> str:
    condition = progress.condition.removeprefix("service_")
    return f"{progress.dependent or '--wait'}->{progress.dependency} {condition}"


def _numbered(name: str) -> str:
    service, _, number = name.partition("/")
    return f"{service}-{number or 1}"


def _handle(name: str) -> str:
    return f"t-{_numbered(name)}"
