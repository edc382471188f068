"""Values that editors offer where more than these is possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXAMPLES: Mapping[str, tuple[Any, ...]] = {
    "services.*.deploy.endpoint_mode": ("vip", "dnsrr"),
    "services.*.deploy.mode": ("replicated", "replicated-job", "global", "global-job"),
    "services.*.deploy.restart_policy.condition": ("any", "on-failure", "none"),
    "services.*.deploy.rollback_config.failure_action": ("continue", "pause"),
    "services.*.deploy.update_config.failure_action": ("continue", "pause", "rollback"),
    "services.*.depends_on.*.replicas": ("all", "any", 1),
    "services.*.depends_on.*.x-replicas": ("all", "any", 1),
    "services.*.ipc": ("private", "shareable", "host", "none"),
    "services.*.network_mode": ("bridge", "host", "none", "service:"),
    "services.*.pid": ("host", "service:"),
    "services.*.ports[].mode": ("ingress", "host"),
    "services.*.ports[].protocol": ("tcp", "udp", "sctp"),
    "services.*.pull_policy": ("always", "never", "missing", "build", "daily", "weekly"),
    "services.*.restart": ("no", "always", "on-failure", "unless-stopped"),
    "services.*.userns_mode": ("host",),
    "services.*.uts": ("host",),
    "services.*.volumes[].bind.propagation": (
        "private",
        "rprivate",
        "shared",
        "rshared",
        "slave",
        "rslave",
    ),
}
