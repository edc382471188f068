"""The rules of a service's `deploy`."""

from __future__ import annotations

from zun_compose.parse.attributes.shapes import (
    COUNT,
    DURATION,
    Group,
    devices,
    pairs,
    rule,
    strings,
    text,
)
from zun_compose.parse.rules import ARRAY, NULL, NUMBER, OBJECT, STRING

_UPDATE: Group = {
    "": rule(OBJECT),
    "parallelism": COUNT,
    "delay": DURATION,
    "failure_action": text(),
    "monitor": DURATION,
    "max_failure_ratio": rule(NUMBER, STRING, cast="float"),
    "order": text(words=("start-first", "stop-first")),
}

_CORES = rule(NUMBER, STRING, kind="cores")

DEPLOY: Group = {
    "": rule(OBJECT, NULL),
    "mode": text(),
    "endpoint_mode": text(),
    "replicas": COUNT,
    "labels": pairs(),
    "resources": rule(OBJECT, keep=True),
    "resources.limits": rule(OBJECT),
    "resources.limits.cpus": _CORES,
    "resources.limits.memory": text(kind="size"),
    "resources.limits.pids": COUNT,
    "resources.reservations": rule(OBJECT),
    "resources.reservations.cpus": _CORES,
    "resources.reservations.memory": text(kind="size"),
    "resources.reservations.generic_resources": {
        "": rule(ARRAY),
        "[]": rule(OBJECT),
        "[].discrete_resource_spec": rule(OBJECT),
        "[].discrete_resource_spec.kind": text(),
        "[].discrete_resource_spec.value": rule(NUMBER, STRING, kind="amount"),
    },
    "resources.reservations.devices": devices(single=False),
    "restart_policy": rule(OBJECT),
    "restart_policy.condition": text(kind="restart_condition"),
    "restart_policy.delay": DURATION,
    "restart_policy.max_attempts": COUNT,
    "restart_policy.window": DURATION,
    "placement": rule(OBJECT, keep=True),
    "placement.constraints": strings(),
    "placement.preferences": {"": rule(ARRAY), "[]": rule(OBJECT), "[].spread": text()},
    "placement.max_replicas_per_node": COUNT,
    "update_config": _UPDATE,
    "rollback_config": _UPDATE,
}
