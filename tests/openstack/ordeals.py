"""Which faults meet which calls of the proxy for Zun, and what has to come of it.

Pure data: the same seed gives the same cases in the same order, and any first part of them meets every call.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tests.faults.script import Answer, At, Delay, Drop, Fault, Garble, Nonsense, Silence, refusal
from zun_compose.openstack import errors

SEED = 20161122

# A try waits so many seconds for a byte of its answer; a late answer is later than that.
PATIENCE = 4.0
LATE = PATIENCE + 1.5


class Call(StrEnum):
    """The calls that are put to the test."""

    LIST = "list"
    GET = "get"
    FIND = "find"
    LOGS = "logs"
    UPDATE = "update"
    EXECUTE = "execute"
    PAUSE = "pause"
    DELETE = "delete"
    CREATE = "create"


# What is sent once only, whatever becomes of it, unless the answer says that nothing was done.
ONCE = frozenset({Call.EXECUTE, Call.PAUSE})

METHOD = {
    Call.UPDATE: "PATCH",
    Call.EXECUTE: "POST",
    Call.PAUSE: "POST",
    Call.DELETE: "DELETE",
    Call.CREATE: "POST",
}

# Creating is where a fault does the most harm.
_TURNS = (*Call, Call.CREATE, Call.CREATE)

Expected = type[Exception] | None


@dataclass(frozen=True, kw_only=True)
class Ordeal:
    """One call that meets one fault; `lasting` is met by every try, else by the first."""

    number: int
    call: Call
    fault: Fault
    lasting: bool

    @property
    def method(self) -> str:
        return METHOD.get(self.call, "GET")

    @property
    def forwarded(self) -> bool:
        """Whether Zun acts on a request that meets the fault."""
        return _forwards(self.fault)

    @property
    def expected(self) -> Expected:
        """What the call must raise; None: it must give the right answer."""
        outcome = _outcome(self.fault)
        if outcome is None or (self.call is Call.CREATE and outcome.lost and self.forwarded):
            # what was created is there to be found
            return None
        if self.call is Call.CREATE:
            passing = outcome.again or outcome.lost
        else:
            passing = outcome.again and (outcome.undone or self.call not in ONCE)
        return None if passing and not self.lasting else outcome.error

    def __str__(self) -> str:
        lasting = "always" if self.lasting else "once"
        return f"{self.number:03d} {self.call}: {describe(self.fault)}, {lasting}"


@dataclass(frozen=True)
class _Outcome:
    """What a try comes to.

    `again`: another try may go well. `undone`: the service says that nothing was done. `lost`: nobody can
    tell whether anything was.
    """

    error: type[Exception]
    again: bool = False
    undone: bool = False
    lost: bool = False


_REFUSALS = {
    400: _Outcome(errors.BadRequest),
    403: _Outcome(errors.Forbidden),
    404: _Outcome(errors.NotFound),
    409: _Outcome(errors.Conflict),
    429: _Outcome(errors.RateLimited, again=True, undone=True),
    500: _Outcome(errors.ServerFault),
    502: _Outcome(errors.Unavailable, again=True, lost=True),
    503: _Outcome(errors.Unavailable, again=True, lost=True),
    504: _Outcome(errors.Unavailable, again=True, lost=True),
}


def _outcome(fault: Fault) -> _Outcome | None:
    """Return what comes of it; None: nothing but time."""
    match fault:
        case Delay(before_forwarding=before, before_answer=after):
            slow = max(before, after) > PATIENCE
            return _Outcome(errors.CallTimeout, again=True, lost=True) if slow else None
        case Silence():
            return _Outcome(errors.CallTimeout, again=True, lost=True)
        case Drop():
            return _Outcome(errors.Unreachable, again=True, lost=True)
        case Answer(headers={"Retry-After": "3600"}):
            # nobody waits for so long
            return _Outcome(errors.Unavailable, lost=True)
        case Answer(status=status):
            return _REFUSALS[status]
        case Garble(what=Nonsense.NOT_HTTP | Nonsense.CUT_CHUNK):
            return _Outcome(errors.Unreachable, again=True, lost=True)
        case Garble():
            return _Outcome(errors.Unreadable, lost=True)


def _forwards(fault: Fault) -> bool:
    """Whether the service acts on a request that meets it."""
    match fault:
        case Delay():
            return True
        case Drop(at=at):
            return at is not At.FORWARDING
        case Silence(forward=forward) | Answer(forward=forward) | Garble(forward=forward):
            return forward


def describe(fault: Fault) -> str:
    """Return a fault in a few words."""
    forwarded = " after forwarding" if _forwards(fault) else ""
    match fault:
        case Delay(drip=drip) if drip:
            return "answer drips"
        case Delay(before_forwarding=before) if before:
            return f"{before:g} s late forwarded"
        case Delay(before_answer=after):
            return f"{after:g} s late answered"
        case Drop(at=at, reset=reset):
            return ("reset " if reset else "closed ") + at.name.lower()
        case Silence():
            return f"silence{forwarded}"
        case Answer(status=status):
            return f"{status}{forwarded}"
        case Garble(what=what):
            return f"{what.name.lower()}{forwarded}"


def _faults() -> tuple[Fault, ...]:
    both = (False, True)
    return (
        Delay(before_forwarding=0.5),
        Delay(before_answer=0.5),
        Delay(before_forwarding=LATE),
        Delay(before_answer=LATE),
        Delay(drip=0.01, piece=64),
        *(Drop(at=at, reset=reset) for at in At for reset in both),
        *(Silence(forward=forward) for forward in both),
        *(refusal(status) for status in (400, 403, 404, 409, 500)),
        refusal(429),
        refusal(429, retry_after=1),
        *(refusal(status, forward=forward) for status in (502, 503, 504) for forward in both),
        refusal(503, retry_after=1),
        refusal(503, retry_after=3600, forward=True),
        *(Garble(what=what, forward=forward) for what in Nonsense for forward in both),
    )


def _makes_sense(call: Call, fault: Fault) -> bool:
    match fault:
        case Answer(status=404) if call in (Call.FIND, Call.DELETE):
            # that is what they are for
            return False
        case Garble(what=Nonsense.EMPTY | Nonsense.WRONG_SHAPE) if call is Call.PAUSE:
            # its answer has no body, and one that has is as good
            return False
        case Garble(what=what) if call is Call.DELETE:
            # here nobody reads it
            return what in (Nonsense.NOT_HTTP, Nonsense.CUT_CHUNK)
        case Delay(before_forwarding=before) if call is Call.CREATE and before > PATIENCE:
            # what comes later than the second try has its own test
            return False
    return True


def ordeals(number: int) -> tuple[Ordeal, ...]:
    """Return the first so many cases."""
    chance = random.Random(SEED)
    waiting: dict[Call, Iterator[tuple[Fault, bool]]] = {}
    for call in Call:
        cases = [(fault, lasting) for fault in _faults() for lasting in (False, True)]
        cases = [case for case in cases if _makes_sense(call, case[0])]
        chance.shuffle(cases)
        waiting[call] = iter(cases)
    found: list[Ordeal] = []
    while len(found) < number:
        call = _TURNS[len(found) % len(_TURNS)]
        fault, lasting = next(waiting[call])
        found.append(Ordeal(number=len(found) + 1, call=call, fault=fault, lasting=lasting))
    return tuple(found)
