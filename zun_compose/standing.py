"""Says in one word how far a container is: the word that `ps` shows. Pure."""

from __future__ import annotations

from zun_compose.container import State
from zun_compose.model import Condition, Service
from zun_compose.readiness import Facts, Word, judge, port_groups, strongest
from zun_compose.status import Readiness


def standing(service: Service, facts: Facts) -> tuple[Readiness, str]:
    """Return the word and its reason ("" where the word says it all)."""
    observed = facts.observed
    if observed is None or facts.gone:
        return Readiness.FAILED, "is gone"
    if observed.state is State.CREATED:
        return Readiness.CREATED, observed.error
    if observed.state.ended:
        return _ended(service, facts)
    if observed.state is State.RESTARTING:
        return Readiness.STARTED, judge(Condition.LISTENING, service, facts).reason
    if service.job:
        return Readiness.STARTED, "job, still running"
    verdict = judge(Condition.READY, service, facts)
    if verdict.word is Word.READY:
        return Readiness.READY, ""
    reason = verdict.reason if not verdict.answer else f"{verdict.reason}: {verdict.answer}"
    if strongest(service, observed) is Condition.READY:
        healthy = judge(Condition.HEALTHY, service, facts)
        if healthy.word is Word.READY:
            return Readiness.HEALTHY, reason
    groups = port_groups(service, observed.exposed)
    if groups and facts.sockets is not None and all(group & facts.sockets.listening for group in groups):
        return Readiness.LISTENING, reason
    return Readiness.STARTED, reason


def _ended(service: Service, facts: Facts) -> tuple[Readiness, str]:
    observed = facts.observed
    assert observed is not None
    code = observed.exit_code
    killed = ", out of memory" if observed.oom_killed else ""
    words = f"exited with code {code}{killed}" if code is not None else "exited"
    if code == 0 and (service.job or strongest(service, observed) is Condition.STARTED):
        return Readiness.COMPLETED, words
    return Readiness.FAILED, words
