"""Reads fates as people write them, under `x-zun: {fate: ...}` or in Python, into frozen types."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from zun_compose.container import PortKey
from zun_compose.drivers.memory.fate import (
    ALWAYS,
    ANY_COMMAND,
    DEFAULT,
    Failing,
    Failure,
    Fate,
    Line,
    Outcome,
    Run,
    Verb,
)
from zun_compose.errors import Fault, Mark, SpecError
from zun_compose.record import replace

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_STREAMS: Sequence[Sequence[str]] = ([], ["stdout"], ["stderr"])
_RUN_KEYS = (*(name for name in Run.__struct_fields__ if name != "execs"), "exec")
_FATE_KEYS = (*Fate.__struct_fields__, *_RUN_KEYS)


def read(script: Mapping[str, Any], *, subject: str = "", mark: Mark | None = None) -> Fate:
    """Read one fate; `subject` names its service in the faults.

    Raises:
        SpecError: a key or value is wrong (code spec.fate); all faults are collected.
    """
    if not script:
        return DEFAULT
    reader = _Reader(subject, mark)
    fate = reader.fate(script)
    if reader.faults:
        raise SpecError(reader.faults)
    return fate


class _Reader:
    """Turns one script into a Fate, collecting what is wrong with it."""

    def __init__(self, subject: str, mark: Mark | None) -> None:
        self.faults: list[Fault] = []
        self._subject = subject
        self._mark = mark

    def fault(self, what: str, hint: str = "") -> None:
        where = f'fate of service "{self._subject}"' if self._subject else "fate"
        self.faults.append(Fault(code="spec.fate", what=f"{where}: {what}", mark=self._mark, hint=hint))

    def fate(self, script: object) -> Fate:
        if not isinstance(script, Mapping):
            self.fault("must be a mapping")
            return DEFAULT
        base = self.run(script, Run(), _FATE_KEYS)
        runs: tuple[Run, ...] = (base,)
        if (listed := script.get("runs")) is not None:
            if isinstance(listed, Sequence) and listed and all(isinstance(e, Mapping) for e in listed):
                runs = tuple(self.run(entry, base, _RUN_KEYS) for entry in listed)
            else:
                self.fault('"runs" must be a list of mappings')
        values: dict[str, Any] = {"runs": runs}
        for key, value in script.items():
            if key.endswith("_takes") and key in _FATE_KEYS:
                values[key] = self.seconds(key, value)
            elif key == "stop_code":
                values[key] = self.whole(key, value)
            elif key == "ignores_term":
                values[key] = self.truth(key, value)
            elif key == "fail":
                values[key] = self.failures(value)
        return Fate(**values)

    def run(self, script: Mapping[str, Any], base: Run, allowed: tuple[str, ...]) -> Run:
        values: dict[str, Any] = {}
        for key, value in script.items():
            if key not in allowed:
                near = get_close_matches(str(key), allowed, n=1)
                self.fault(f'unknown key "{key}"', f'did you mean "{near[0]}"?' if near else "")
            elif key in _RUN_READERS:
                name, read = _RUN_READERS[key]
                values[name] = read(self, key, value)
        return replace(base, **values) if values else base

    def seconds(self, key: str, value: Any) -> float:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
            return float(value)
        if value == "never":
            return math.inf
        if isinstance(value, str):
            parts = _DURATION.findall(value)
            if parts and "".join(number + unit for number, unit in parts) == value:
                return sum(float(number) * _UNITS[unit] for number, unit in parts)
        self.fault(f'"{key}" must be seconds, a duration such as 1.5s, or never')
        return 0.0

    def whole(self, key: str, value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self.fault(f'"{key}" must be a whole number')
        return 0

    def truth(self, key: str, value: Any) -> bool:
        if not isinstance(value, bool):
            self.fault(f'"{key}" must be true or false')
        return value is True

    def port(self, key: str, value: Any) -> PortKey | None:
        number, _, protocol = str(value).partition("/")
        if number.isdecimal() and 0 < int(number) < 65536 and protocol in ("", "tcp", "udp", "sctp"):
            return PortKey(int(number), protocol or "tcp")
        self.fault(f'"{key}" names ports such as 8080 or 53/udp')
        return None

    def ports(self, key: str, value: Any) -> Mapping[PortKey, float]:
        if not isinstance(value, Mapping):
            self.fault(f'"{key}" must map ports to seconds')
            return {}
        found = {self.port(key, port): self.seconds(key, at) for port, at in value.items()}
        return {port: at for port, at in found.items() if port is not None}

    def port_set(self, key: str, value: Any) -> frozenset[PortKey]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            self.fault(f'"{key}" must be a list of ports')
            return frozenset()
        return frozenset(port for entry in value if (port := self.port(key, entry)) is not None)

    def lines(self, key: str, value: Any) -> tuple[Line, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            self.fault(f'"{key}" must be a list')
            return ()
        lines = []
        for entry in value:
            if isinstance(entry, str):
                lines.append(Line(0.0, entry))
            elif isinstance(entry, Sequence) and entry[1:] and list(entry[2:]) in _STREAMS:
                lines.append(Line(self.seconds(key, entry[0]), str(entry[1]), *entry[2:]))
            else:
                self.fault(f'"{key}" holds lines, or [seconds, line, stdout|stderr]')
        return tuple(sorted(lines, key=lambda line: line.at))

    def execs(self, key: str, value: Any) -> Mapping[str, tuple[Outcome, ...]]:
        if isinstance(value, Mapping) and not all(isinstance(at, (int, float)) for at in value):
            return {str(command): self.outcomes(key, outcomes) for command, outcomes in value.items()}
        return {ANY_COMMAND: self.outcomes(key, value)}

    def outcomes(self, key: str, value: Any) -> tuple[Outcome, ...]:
        if isinstance(value, int) and not isinstance(value, bool):
            return (Outcome(0.0, value),)
        entries = list(value.items()) if isinstance(value, Mapping) else value
        outcomes = []
        for entry in entries if isinstance(entries, Sequence) and not isinstance(entries, str) else [None]:
            if not isinstance(entry, Sequence) or isinstance(entry, str) or not 2 <= len(entry) <= 3:
                self.fault(f'"{key}" is an exit code, or a list of [seconds, exit code, output]')
                continue
            output = str(entry[2]) if len(entry) == 3 else ""
            outcomes.append(Outcome(self.seconds(key, entry[0]), self.whole(key, entry[1]), output))
        return tuple(sorted(outcomes, key=lambda outcome: outcome.at))

    def failures(self, value: Any) -> Mapping[str, Failing]:
        if not isinstance(value, Mapping):
            self.fault('"fail" must map calls to failures')
            return {}
        found = {}
        for verb, how in value.items():
            if verb not in tuple(Verb):
                near = get_close_matches(str(verb), tuple(Verb), n=1)
                self.fault(f'"fail" knows no call "{verb}"', f'did you mean "{near[0]}"?' if near else "")
            elif (failing := self.failing(how)) is not None:
                found[str(verb)] = failing
        return found

    def failing(self, how: Any) -> Failing | None:
        if isinstance(how, str):
            how = {"kind": how}
        elif isinstance(how, Sequence) and 1 <= len(how) <= 2:
            how = dict(zip(("kind", "times"), how, strict=False))
        if not isinstance(how, Mapping) or how.keys() - {"kind", "times", "takes_effect"}:
            self.fault('"fail" is [kind, times], or a mapping of kind, times, takes_effect')
            return None
        kind, times = how.get("kind"), how.get("times", 1)
        if kind not in tuple(Failure):
            near = get_close_matches(str(kind), tuple(Failure), n=1)
            self.fault(f'"fail" knows no kind "{kind}"', f'did you mean "{near[0]}"?' if near else "")
            return None
        return Failing(
            kind=Failure(kind),
            times=ALWAYS if times == "always" else self.whole("times", times),
            takes_effect=self.truth("takes_effect", how.get("takes_effect", False)),
        )


_RUN_READERS: Mapping[str, tuple[str, Callable[[_Reader, str, Any], Any]]] = {
    "listens": ("listens", _Reader.ports),
    "closes": ("closes", _Reader.ports),
    "loopback": ("loopback", _Reader.port_set),
    "healthy_after": ("healthy_after", _Reader.seconds),
    "unhealthy_after": ("unhealthy_after", _Reader.seconds),
    "exits_after": ("exits_after", _Reader.seconds),
    "exit_code": ("exit_code", _Reader.whole),
    "oom": ("oom", _Reader.truth),
    "log": ("log", _Reader.lines),
    "exec": ("execs", _Reader.execs),
}
