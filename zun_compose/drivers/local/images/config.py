"""An image's configuration document (OCI image-spec, config.md; Docker's is the same where it matters)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from zun_compose.container import PortKey
from zun_compose.drivers.local.images.records import ImageConfig
from zun_compose.drivers.local.images.references import DIGEST
from zun_compose.drivers.local.images.wording import shown
from zun_compose.errors import Rejected
from zun_compose.model import Healthcheck
from zun_compose.record import Record

_NANOSECONDS = 10**9


class Document(Record, kw_only=True):
    """What a configuration document says: `diff_ids` are its layers' digests, lowest first."""

    config: ImageConfig
    diff_ids: tuple[str, ...]
    created: str


def as_object(text: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object that a stranger wrote; raises Rejected naming `what`."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"{what} is not JSON") from error
    if not isinstance(body, dict):
        raise Rejected(f"{what} is not a JSON object")
    return body


def read_document(text: bytes) -> Document:
    """Read a configuration document. Raises Rejected."""
    body = as_object(text, "its configuration")
    rootfs = _object(body, "rootfs")
    diff_ids = _texts(rootfs, "diff_ids")
    if rootfs.get("type") != "layers":
        raise Rejected('its configuration does not say of what layers it is made ("rootfs")')
    for diff_id in diff_ids:
        if not DIGEST.fullmatch(diff_id):
            raise Rejected(f"its configuration names a layer {shown(diff_id)}, which is no sha256 digest")
    found = _object(body, "config")
    return Document(
        config=ImageConfig(
            entrypoint=_texts(found, "Entrypoint"),
            command=_texts(found, "Cmd"),
            environment=_environment(_texts(found, "Env")),
            working_dir=_text(found, "WorkingDir"),
            user=_text(found, "User"),
            exposed=_ports(_object(found, "ExposedPorts")),
            volumes=tuple(sorted(_object(found, "Volumes"))),
            stop_signal=_text(found, "StopSignal"),
            labels=_labels(_object(found, "Labels")),
            healthcheck=_healthcheck(found),
        ),
        diff_ids=diff_ids,
        created=_text(body, "created"),
    )


def _wrong(key: str) -> Rejected:
    return Rejected(f'its configuration has an entry "{key}" of a wrong type')


def _object(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(key)
    return value


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or "\0" in value:
        raise _wrong(key)
    return value


def _texts(body: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = body.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) and "\0" not in one for one in value):
        raise _wrong(key)
    return tuple(value)


def _labels(found: Mapping[str, Any]) -> Mapping[str, str]:
    if not all(isinstance(value, str) for value in found.values()):
        raise _wrong("Labels")
    return dict(found)


def _environment(entries: tuple[str, ...]) -> Mapping[str, str]:
    return {name: value for name, equals, value in (one.partition("=") for one in entries) if name and equals}


def _ports(found: Mapping[str, Any]) -> tuple[PortKey, ...]:
    """Read "80/tcp", "53/udp", "80" and ranges such as "8000-8002/tcp"."""
    ports: set[PortKey] = set()
    for text in found:
        numbers, _, protocol = text.partition("/")
        first, dash, last = numbers.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(numbers) > 11:
            raise Rejected(f"its configuration exposes {shown(text)}, which is no port")
        low, high = int(first), int(last or first)
        if not 0 < low <= high <= 65535:
            raise Rejected(f"its configuration exposes {shown(text)}, which is no port")
        ports.update(PortKey(port, protocol or "tcp") for port in range(low, high + 1))
    return tuple(sorted(ports))


def _healthcheck(found: Mapping[str, Any]) -> Healthcheck | None:
    declared = _object(found, "Healthcheck")
    test = _texts(declared, "Test")
    if not test:
        return None
    retries = declared.get("Retries") or None
    if retries is not None and (not isinstance(retries, int) or retries < 0):
        raise _wrong("Healthcheck")
    return Healthcheck(
        test=test,
        interval=_seconds(declared, "Interval"),
        timeout=_seconds(declared, "Timeout"),
        retries=retries,
        start_period=_seconds(declared, "StartPeriod"),
        start_interval=_seconds(declared, "StartInterval"),
    )


def _seconds(declared: Mapping[str, Any], key: str) -> float | None:
    """Read nanoseconds; 0 means "inherit" (Docker's HealthConfig)."""
    value = declared.get(key) or None
    if value is None:
        return None
    if not isinstance(value, int) or not 0 < value < 1 << 63:
        raise _wrong("Healthcheck")
    return value / _NANOSECONDS
