"""The words for a service's `deploy`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zun_compose.parse.reference.wording.shared import devices


def _update(what: str) -> Mapping[str, Any]:
    return {
        "": f"How {what} in a swarm. It is left alone here.",
        "parallelism": "How many containers at once; 0 is all.",
        "delay": "The pause between two batches.",
        "failure_action": "What follows a failure: `continue`, `pause`, or for an update `rollback`.",
        "monitor": "How long a container is watched for failures once it runs.",
        "max_failure_ratio": "The share of containers that may fail, from 0 to 1.",
        "order": "Whether the old container is stopped first, or the new one started first.",
    }


DEPLOY: Mapping[str, Any] = {
    "": "How many containers, with which resources. What only a swarm would do is left alone.",
    "mode": (
        "`replicated` (the default) or `global`; `replicated-job` and `global-job` are meant to end. A "
        "service with `replicated-job` is a job: done once it has exited with 0."
    ),
    "endpoint_mode": "How a swarm gives the service an address: `vip` or `dnsrr`.",
    "replicas": (
        "How many containers of the service there are. A gate on it waits for all, unless the edge says "
        "otherwise."
    ),
    "labels": "Labels of the service in a swarm, not of its containers.",
    "resources": "What the containers may use, and what is set aside for them.",
    "resources.limits": "What a container cannot get more of.",
    "resources.limits.cpus": "CPUs, such as `0.5` for half of one.",
    "resources.limits.memory": "Memory, such as `512m`.",
    "resources.limits.pids": "Processes and threads.",
    "resources.reservations": "What a container can count on.",
    "resources.reservations.cpus": "CPUs that are set aside in a swarm.",
    "resources.reservations.memory": (
        "Memory that the engine tries to leave the container when it runs short."
    ),
    "resources.reservations.generic_resources": {
        "": "Resources of a kind that the administrator of a swarm has named.",
        "[].discrete_resource_spec": "A number of things of one kind.",
        "[].discrete_resource_spec.kind": "The kind.",
        "[].discrete_resource_spec.value": "How many.",
    },
    "resources.reservations.devices": devices("Devices that the container needs, such as GPUs."),
    "restart_policy": "When an ended container is started again; `restart` wins where both are given.",
    "restart_policy.condition": "`any` (always), `on-failure` or `none`.",
    "restart_policy.delay": "The pause before a restart, in a swarm.",
    "restart_policy.max_attempts": "How often it is tried under `on-failure`. Default: without end.",
    "restart_policy.window": "How long a container must run for its start to count, in a swarm.",
    "placement": "Which nodes of a swarm run the containers.",
    "placement.constraints": "What a node must be, such as `node.role==worker`.",
    "placement.preferences": "How the containers are spread over the nodes.",
    "placement.preferences[].spread": "The node's label whose values each get as many.",
    "placement.max_replicas_per_node": "How many containers one node may run.",
    "update_config": _update("containers are replaced"),
    "rollback_config": _update("a failed update is taken back"),
}
