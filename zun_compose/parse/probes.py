"""Our own words: readiness probes, x-zun, and what edges say beyond the Compose Specification.

Reads both spellings (`readiness` and `x-readiness`), checks every key and value, returns model types.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from zun_compose.model import Condition, External, Probe, ProbeKind
from zun_compose.parse import units
from zun_compose.parse.attributes import own
from zun_compose.parse.tree import Faults, Path, locate, spell

PATTERN = 10_000
"""Characters of a regular expression; longer ones take seconds to compile."""

_HOST_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<host>[^:/\s]*)):(?P<port>\d+)")


class Reader:
    """Reads our own words out of one tree."""

    def __init__(self, tree: Any, faults: Faults) -> None:
        self.tree = tree
        self.faults = faults

    def _fault(
        self, path: Path, what: str, hint: str = "", *, key: bool = False, code: str = "value"
    ) -> None:
        self.faults.at(self.tree, path, code, f"{spell(path)} {what}", hint, key=key)

    def keys(self, value: Any, allowed: Iterable[str], path: Path) -> bool:
        """Tell whether a value is a mapping with known keys only; what is wrong is noted."""
        if not isinstance(value, dict):
            self._fault(path, "must be a mapping", code="type")
            return False
        known = tuple(allowed)
        unknown = [key for key in value if key not in known]
        for key in unknown:
            what = f'{spell(path)} has no attribute "{key}"'
            hint = self.faults.near(key, known) or "one of: " + ", ".join(known)
            self.faults.at(self.tree, (*path, key), "unknown_key", what, hint, key=True)
        return not unknown

    def seconds(self, value: Any, path: Path) -> float | None:
        """Read a duration; a bare number is seconds."""
        if isinstance(value, bool) or value is None:
            self._fault(path, 'must be a duration such as "5s"')
            return None
        try:
            found = float(value) if isinstance(value, int | float) else units.duration(str(value)).seconds
        except ValueError:
            try:
                found = float(str(value))
            except ValueError:
                self._fault(path, 'must be a duration such as "5s"')
                return None
        if not 0 <= found < 1e9:
            self._fault(path, "is out of range")
            return None
        return found

    def count(self, value: Any, path: Path, least: int = 0) -> int | None:
        """Read a whole number of at least `least`."""
        if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            self._fault(path, f"must be a whole number of at least {least}")
            return None
        return value

    def port(self, value: Any, path: Path) -> int | None:
        """Read a port number."""
        if isinstance(value, str) and re.fullmatch(r"\d{1,5}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536:
            self._fault(path, "must be a port from 1 to 65535")
            return None
        return value

    def probes(self, value: Any, path: Path, *, external: bool = False) -> tuple[Probe, ...]:
        """Read one probe or a list of them."""
        if isinstance(value, list):
            found = [self._probe(item, (*path, index), external) for index, item in enumerate(value)]
        else:
            found = [self._probe(value, path, external)]
        return tuple(probe for probe in found if probe is not None)

    def _probe(self, value: Any, path: Path, external: bool) -> Probe | None:
        if isinstance(value, str) and value == "listening":
            value = {"listening": True}
        if not self.keys(value, own.PROBE_WORDS, path):
            return None
        kinds = [kind for kind in own.PROBE_KINDS if kind in value]
        if len(kinds) != 1:
            self._fault(
                path,
                "needs exactly one of " + ", ".join(own.PROBE_KINDS),
                code="missing" if not kinds else "conflict",
            )
            return None
        fields = self._timing(value, path)
        kind = ProbeKind(kinds[0])
        inner = (*path, kind.value)
        if external and kind not in (ProbeKind.TCP, ProbeKind.HTTP):
            self._fault(inner, "cannot ask something outside the stack", "use tcp or http")
            return None
        before = len(self.faults.found)
        fields.update(getattr(self, f"_{kind.value}")(value[kind.value], inner, external))
        if external and not fields.get("host"):
            self._fault(inner, "needs a host")
        if len(self.faults.found) > before:
            return None
        return Probe(kind=kind, mark=locate(self.tree, path), **fields)

    def _timing(self, value: Mapping[str, Any], path: Path) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for name in ("interval", "timeout", "deadline"):
            if name in value:
                seconds = self.seconds(value[name], (*path, name))
                if seconds == 0:
                    self._fault((*path, name), "must be more than 0")
                elif seconds is not None:
                    fields[name] = seconds
        if "successes" in value:
            fields["successes"] = self.count(value["successes"], (*path, "successes"), 1) or 1
        return fields

    def _listening(self, value: Any, path: Path, external: bool) -> dict[str, Any]:
        if value is True:
            return {}
        if value is False or value is None:
            self._fault(path, "must be true, a port or a list of ports")
            return {}
        items = value if isinstance(value, list) else [value]
        ports = [
            self.port(item, (*path, index) if isinstance(value, list) else path)
            for index, item in enumerate(items)
        ]
        return {"ports": tuple(port for port in ports if port is not None)}

    def _tcp(self, value: Any, path: Path, external: bool) -> dict[str, Any]:
        if isinstance(value, dict):
            self.keys(value, own.TCP_WORDS, path)
            if "port" not in value:
                self._fault(path, "needs a port", code="missing")
                return {}
            return {"port": self.port(value["port"], (*path, "port")), **self._host(value, path, external)}
        if isinstance(value, str):
            match = _HOST_PORT.fullmatch(value)
            if match is not None:
                host = match["six"] or match["host"]
                return {
                    "port": self.port(match["port"], path),
                    **self._host({"host": host} if host else {}, path, external),
                }
        return {"port": self.port(value, path)}

    def _host(self, value: Mapping[str, Any], path: Path, external: bool) -> dict[str, Any]:
        host = value.get("host")
        if host is None:
            return {}
        if not external:
            self._fault(
                path, "cannot name a host: a probe asks the service's own container", "use x-zun externals"
            )
            return {}
        if not isinstance(host, str) or not re.fullmatch(r"[A-Za-z0-9._:%-]+", host):
            self._fault((*path, "host"), "must be a host name or address")
            return {}
        return {"host": host}

    def _http(self, value: Any, path: Path, external: bool) -> dict[str, Any]:
        if isinstance(value, int) and not isinstance(value, bool):
            return {"port": self.port(value, path)}
        if isinstance(value, str):
            return self._url(value, path, external)
        if not self.keys(value, own.HTTP_WORDS, path):
            return {}
        return {
            **self._host(value, path, external),
            **self._place(value, path, external),
            **self._expectation(value, path),
        }

    def _place(self, value: Mapping[str, Any], path: Path, external: bool) -> dict[str, Any]:
        fields: dict[str, Any] = {"scheme": value.get("scheme", "http"), "path": value.get("path", "/")}
        if fields["scheme"] not in ("http", "https"):
            self._fault((*path, "scheme"), "must be http or https")
        if "port" in value:
            fields["port"] = self.port(value["port"], (*path, "port"))
        elif external:
            fields["port"] = 443 if fields["scheme"] == "https" else 80
        else:
            self._fault(path, "needs a port", code="missing")
        target = fields["path"]
        if not isinstance(target, str) or not re.fullmatch(r"/[^\s\x00-\x1f]*", target):
            self._fault((*path, "path"), "must start with / and hold no blanks")
        return fields

    def _expectation(self, value: Mapping[str, Any], path: Path) -> dict[str, Any]:
        method = value.get("method", "GET")
        fields: dict[str, Any] = {"method": str(method).upper()}
        if not isinstance(method, str) or not re.fullmatch(r"[A-Z]{1,16}", fields["method"]):
            self._fault((*path, "method"), "is no HTTP method")
        if "status" in value:
            fields["statuses"] = self._statuses(value["status"], (*path, "status"))
        if "headers" in value:
            fields["headers"] = self._headers(value["headers"], (*path, "headers"))
        if "body" in value:
            fields["body"] = self._regex(value["body"], (*path, "body"))
        return fields

    def _url(self, value: str, path: Path, external: bool) -> dict[str, Any]:
        text = value if "://" in value else f"http://{value}"
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            self._fault(path, "is no address", 'such as ":8080/healthz"')
            return {}
        good = parts.scheme in ("http", "https") and parts.username is None and port != 0
        if not good or re.search(r"\s", value):
            self._fault(path, "is no address", 'such as ":8080/healthz"')
            return {}
        fields: dict[str, Any] = {"scheme": parts.scheme}
        if parts.hostname:
            fields.update(self._host({"host": parts.hostname}, path, external))
        if port is None and not external:
            self._fault(path, "needs a port", 'such as ":8080/healthz"', code="missing")
        fields["port"] = port if port is not None else 443 if parts.scheme == "https" else 80
        fields["path"] = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return fields

    def _statuses(self, value: Any, path: Path) -> tuple[tuple[int, int], ...]:
        found = []
        for item in value if isinstance(value, list) else [value]:
            match = re.fullmatch(r"(\d{3})(?:\s*-\s*(\d{3}))?", str(item))
            if match is None or isinstance(item, bool):
                self._fault(path, 'must be a status such as 200, "200-299", or a list of them')
                continue
            low = int(match[1])
            high = int(match[2] or match[1])
            if high < low:
                self._fault(path, "runs backwards")
            found.append((low, high))
        if value == []:
            self._fault(path, "must not be empty")
        return tuple(found)

    def _headers(self, value: Any, path: Path) -> Mapping[str, str]:
        if not isinstance(value, dict):
            self._fault(path, "must be a mapping", code="type")
            return {}
        found = {}
        for name, item in value.items():
            text = "" if item is None else str(item)
            bad = isinstance(item, dict | list) or re.search(r"[\r\n\x00]", text)
            if bad or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                self._fault((*path, name), "is no valid header")
            found[name] = text
        return found

    def _exec(self, value: Any, path: Path, external: bool) -> dict[str, Any]:
        if isinstance(value, str) and value.strip():
            return {"command": ("CMD-SHELL", value)}
        if (
            isinstance(value, list)
            and value
            and all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in value)
        ):
            words = tuple(str(item) for item in value)
            return {"command": words if words[0] in ("CMD", "CMD-SHELL") else ("CMD", *words)}
        self._fault(path, "must be a command: a list of words, or a line for the shell")
        return {}

    def _log(self, value: Any, path: Path, external: bool) -> dict[str, Any]:
        return {"pattern": self._regex(value, path)}

    def _regex(self, value: Any, path: Path) -> str | None:
        if not isinstance(value, str) or not value:
            self._fault(path, "must be a regular expression")
            return None
        if len(value) > PATTERN:
            self._fault(path, f"is a regular expression of more than {PATTERN:,} characters")
            return None
        try:
            re.compile(value)
        except (re.error, RecursionError, OverflowError) as error:
            self._fault(path, f"is no regular expression: {error}")
            return None
        return value

    def condition(self, value: Any, path: Path, *, prefix: str = "service_") -> Condition | None:
        """Read a condition word, with or without "service_"."""
        if isinstance(value, str):
            for word in (value, f"{prefix}{value}"):
                if word in Condition._value2member_map_:
                    return Condition(word)
        words = [condition.value.removeprefix("service_") for condition in Condition]
        self._fault(
            path,
            f'cannot be "{value}"',
            self.faults.near(str(value).removeprefix("service_"), words) or "one of: " + ", ".join(words),
        )
        return None

    def externals(self, value: Any, path: Path) -> dict[str, External]:
        """Read x-zun externals."""
        found: dict[str, External] = {}
        if not isinstance(value, dict):
            self._fault(path, "must be a mapping", code="type")
            return found
        for name, entry in value.items():
            place = (*path, name)
            if not self.keys(entry, own.EXTERNAL_WORDS, place):
                continue
            given = [key for key in own.EXTERNAL_KINDS if key in entry]
            if len(given) != 1:
                self._fault(
                    place,
                    "needs exactly one of readiness, tcp, http",
                    code="missing" if not given else "conflict",
                )
                continue
            if given[0] in ("readiness", "x-readiness"):
                for key in own.TIMING_WORDS:
                    if key in entry:
                        self._fault((*place, key), "belongs to a probe", "put it below", code="conflict")
                probes = self.probes(entry[given[0]], (*place, given[0]), external=True)
            else:
                probes = self.probes(entry, place, external=True)
            found[name] = External(name=name, probes=probes, mark=locate(self.tree, place))
        return found
