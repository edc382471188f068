"""What is known of a stack at one moment: what `ps`, `status` and `explain` show."""

from __future__ import annotations

from enum import StrEnum

from zun_compose.container import Observed, PortKey
from zun_compose.record import Record


class Readiness(StrEnum):
    """How far a container is. Each word includes those before it, up to READY."""

    CREATED = "created"
    STARTED = "started"
    LISTENING = "listening"
    HEALTHY = "healthy"
    READY = "ready"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def good(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self in (Readiness.READY, Readiness.COMPLETED)


class ContainerStatus(Record, kw_only=True):
    """One container: what the engine says, and what we know beyond it.

    `listening` are the ports that others can reach now; None if that could not be told (`reason`
    says why). `ready_since` is seconds since the epoch on our clock, known only if some
    zun-compose saw it happen. `our_health` is our own check's verdict where it differs from the engine's.
    """

    observed: Observed
    readiness: Readiness
    reason: str = ""
    listening: tuple[PortKey, ...] | None = None
    ready_since: float | None = None
    our_health: str | None = None


class GateStatus(Record, kw_only=True):
    """One edge as it stands: verdict is open, waiting or never. `asked` says which observation decided."""

    dependent: str
    dependency: str
    condition: str
    verdict: str
    reason: str = ""
    asked: str = ""
    answer: str = ""
    exit_code: int | None = None
    log: tuple[str, ...] = ()


class ServiceStatus(Record, kw_only=True):
    """One declared service with its containers; `readiness` is that of its least advanced container."""

    name: str
    replicas: int
    containers: tuple[ContainerStatus, ...]
    readiness: Readiness
    reason: str = ""
    gates: tuple[GateStatus, ...] = ()
    job: bool = False


class StackStatus(Record, kw_only=True):
    """A whole stack. `ok` means that every service is ready or completed."""

    name: str
    services: tuple[ServiceStatus, ...]
    orphans: tuple[Observed, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether `status` exits 0."""
        return all(service.readiness.good or service.replicas == 0 for service in self.services)
