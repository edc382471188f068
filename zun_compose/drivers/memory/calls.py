"""How calls on a simulated engine last and fail: the scripted side of each call."""

from __future__ import annotations

import signal as signals
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from zun_compose.container import ContainerSpec
from zun_compose.drivers.memory.container import Container
from zun_compose.drivers.memory.fate import ALWAYS, ANY_COMMAND, DEFAULT, Failing, Failure, Fate, Verb
from zun_compose.drivers.memory.health import outcome_at
from zun_compose.drivers.memory.script import read
from zun_compose.drivers.memory.world import World
from zun_compose.errors import (
    Conflict,
    DriverError,
    DriverTimeout,
    NotFound,
    Rejected,
    SpecError,
    Unavailable,
    Unsupported,
)

_GRACE = 10.0
_ERRORS: Mapping[Failure, type[DriverError]] = {
    Failure.NOT_FOUND: NotFound,
    Failure.CONFLICT: Conflict,
    Failure.REJECTED: Rejected,
    Failure.UNSUPPORTED: Unsupported,
    Failure.UNAVAILABLE: Unavailable,
    Failure.TIMEOUT: DriverTimeout,
}


class Calls:
    """Knows every service's fate and counts the failures that calls have had."""

    def __init__(self, world: World, fates: Mapping[str, Fate | Mapping[str, Any]]) -> None:
        self._world = world
        self._fates: dict[str, Fate] = {
            service: fate if isinstance(fate, Fate) else read(fate, subject=service)
            for service, fate in fates.items()
        }
        self._given = frozenset(self._fates)
        self._failed: dict[tuple[str, str], int] = {}

    def fate(self, service: str) -> Fate:
        """The fate that a service is known to have."""
        return self._fates.get(service, DEFAULT)

    def fate_of(self, spec: ContainerSpec) -> Fate:
        """The fate of a container to be: the engine's for its service, else the one in the file.

        Raises:
            Rejected: that one is wrong.
        """
        service = spec.service
        if service.name in self._given:
            return self._fates[service.name]
        if not service.fate:
            return DEFAULT
        try:
            fate = read(service.fate, subject=service.name, mark=service.mark)
        except SpecError as error:
            raise Rejected(str(error)) from error
        self._fates[service.name] = fate
        return fate

    @contextmanager
    def answering(self, verb: Verb, fate: Fate, name: str, *, lasts: bool = True) -> Iterator[None]:
        """Wrap the work of one call: it lasts and fails as scripted."""
        failing = self._next_failure(verb, fate, name)
        if lasts:
            self._world.last(takes(verb, fate))
        if failing is not None and not failing.takes_effect:
            raise _error(verb, name, failing)
        yield
        if failing is not None:
            raise _error(verb, name, failing)

    def _next_failure(self, verb: Verb, fate: Fate, name: str) -> Failing | None:
        failing = fate.fail.get(verb)
        if failing is None:
            return None
        with self._world.changed:
            failed = self._failed.get((name, verb), 0)
            if failing.times != ALWAYS and failed >= failing.times:
                return None
            self._failed[name, verb] = failed + 1
        return failing


def _error(verb: Verb, name: str, failing: Failing) -> DriverError:
    return _ERRORS[failing.kind](f'cannot {verb} container "{name}": scripted {failing.kind}')


def takes(verb: str, fate: Fate) -> float:
    """Seconds that a call lasts by its fate alone."""
    match verb:
        case Verb.CREATE:
            return fate.create_takes
        case Verb.START:
            return fate.start_takes
        case Verb.STOP:
            return fate.stop_takes
        case Verb.REMOVE:
            return fate.remove_takes
        case Verb.EXECUTE:
            return fate.exec_takes
        case _:
            return 0.0


def stopping(container: Container, grace: float | None) -> tuple[float, int]:
    """How long a stop takes and what the process ends with."""
    if not container.up:
        return 0.0, 0
    if grace is None:
        declared = container.spec.service.stop_grace_period
        grace = _GRACE if declared is None else declared
    if container.fate.ignores_term or container.fate.stop_takes > grace:
        return grace, 128 + signals.SIGKILL
    return container.fate.stop_takes, container.fate.stop_code


def stop_signal(container: Container) -> signals.Signals:
    """The signal that asks its process to end."""
    return parse_signal(container.spec.service.stop_signal or "SIGTERM")


def parse_signal(name: str) -> signals.Signals:
    """A signal by name (SIGTERM, TERM) or number; raises Rejected."""
    try:
        if name.isdecimal():
            return signals.Signals(int(name))
        return signals.Signals["SIG" + name.upper().removeprefix("SIG")]
    except (KeyError, ValueError):
        raise Rejected(f'invalid signal "{name}"') from None


def outcome_of(container: Container, command: Sequence[str]) -> tuple[int, str]:
    """What a command says now: the declared healthcheck's own test by its health, others by their script."""
    keys = [" ".join(command)]
    if len(command) == 3 and command[1] == "-c":
        keys.insert(0, command[2])
    test = container.check.test if container.check is not None else None
    if test and " ".join(test[1:]) in keys:
        outcomes = container.health_outcomes()
    else:
        execs = container.run.execs
        outcomes = next((execs[key] for key in (*keys, ANY_COMMAND) if key in execs), ())
    outcome = outcome_at(outcomes, container.elapsed)
    return outcome.exit_code, outcome.output
