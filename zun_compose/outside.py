"""Paces and judges the probes of externals: things outside the stack that services wait for. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from zun_compose.model import External
from zun_compose.readiness import ProbeFacts, Verdict, Word, describe
from zun_compose.record import Record
from zun_compose.sighting import Answer


class AskOutside(Record, kw_only=True):
    """Ask one probe of an external."""

    external: str
    probe: int


class OutsideWatch:
    """What is known of one external since `now`, and when to ask again."""

    def __init__(self, external: External, now: float) -> None:
        self.external = external
        self._since = now
        self._facts = [ProbeFacts() for _ in external.probes]
        self._asking = [False] * len(external.probes)
        self._next = [0.0] * len(external.probes)

    def due(self, now: float) -> Iterator[AskOutside]:
        """Yield the probes to be asked now, and remember that they are under way."""
        for index, probe in enumerate(self.external.probes):
            settled = self._facts[index].streak >= probe.successes
            if not settled and not self._asking[index] and now >= self._next[index]:
                self._asking[index] = True
                yield AskOutside(external=self.external.name, probe=index)

    def wake_at(self) -> float:
        """When something is due next (infinity if all is settled or under way)."""
        return min(
            (
                self._next[index]
                for index, probe in enumerate(self.external.probes)
                if not self._asking[index] and self._facts[index].streak < probe.successes
            ),
            default=float("inf"),
        )

    def asked(self, index: int, answer: Answer, now: float) -> None:
        """Fold one answer in."""
        self._asking[index] = False
        probe = self.external.probes[index]
        streak = self._facts[index].streak + 1 if answer.ok else 0
        overdue = not answer.ok and probe.deadline is not None and now - self._since >= probe.deadline
        self._facts[index] = ProbeFacts(streak=streak, last=answer, overdue=overdue)
        self._next[index] = now + probe.interval

    def verdict(self) -> Verdict:
        """Judge it: ready once every probe has held, never once the deadline of one has passed."""
        for probe, facts in zip(self.external.probes, self._facts, strict=True):
            if facts.streak < probe.successes:
                answer = facts.last.text if facts.last is not None else ""
                asked = describe(probe)
                if facts.overdue:
                    reason = f"{asked} did not hold within {probe.deadline:g} s"
                    return Verdict(word=Word.NEVER, reason=reason, asked=asked, answer=answer)
                reason = f"{asked} does not hold yet"
                return Verdict(word=Word.NOT_YET, reason=reason, asked=asked, answer=answer)
        return Verdict(word=Word.READY, reason="ready")
