"""What goes wrong on the way to a service, as data: faults, and the rules that pick the requests they hit.

A rule looks at requests in the order of their arrival. The first rule that takes a request decides; the rules
behind it never see that request, so a list of rules with `times=1` on one path is a sequence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, kw_only=True)
class Delay:
    """The request and its answer arrive, late; all times are seconds.

    A request whose client has given up meanwhile is forwarded all the same, as a network would do. With
    `drip` the answer comes in pieces of `piece` bytes with that pause before each.
    """

    before_forwarding: float = 0.0
    before_answer: float = 0.0
    drip: float = 0.0
    piece: int = 16


class At(StrEnum):
    """When a connection breaks."""

    FORWARDING = "before it is forwarded"
    ANSWER = "after it was forwarded, without an answer"
    BODY = "in the middle of the answer's body, of its first word where it has none"


@dataclass(frozen=True, kw_only=True)
class Drop:
    """The connection breaks. `reset` ends it by a TCP reset, not by a plain close."""

    at: At
    reset: bool = False


@dataclass(frozen=True, kw_only=True)
class Silence:
    """No answer ever comes; with `forward` the service has had the request."""

    forward: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The proxy answers by itself; with `forward` after the service did, whose answer is thrown away."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    forward: bool = False


class Nonsense(StrEnum):
    """What is wrong with a garbled answer."""

    NOT_HTTP = "bytes that are not HTTP"
    NOT_JSON = "a body that says it is JSON and is not"
    WRONG_SHAPE = "JSON that is an answer to something else"
    EMPTY = "no body where one is due"
    WRONG_TYPE = "a page for people"
    CUT_CHUNK = "a chunk shorter than it says, then the end"


@dataclass(frozen=True, kw_only=True)
class Garble:
    """The answer makes no sense. With `forward` the service has had the request, and its status is kept."""

    what: Nonsense
    forward: bool = False


Fault = Delay | Drop | Silence | Answer | Garble


def refusal(
    status: int, detail: str = "injected", *, retry_after: int | None = None, forward: bool = False
) -> Answer:
    """Return an answer with an error's JSON body, in the words of Zun and of the other services at once."""
    words = {
        "errors": [{"status": status, "title": detail, "detail": detail, "code": "", "request_id": ""}],
        "error": {"code": status, "title": detail, "message": detail},
    }
    headers = {"Content-Type": "application/json"}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status == 401:
        headers["WWW-Authenticate"] = "Keystone uri=injected"
    return Answer(status=status, headers=headers, body=json.dumps(words).encode(), forward=forward)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which requests a fault hits.

    `path` is a regular expression searched for in the path with its query; `method` None is any. The `first`
    matching request that is hit counts from 1; `times` None hits all from there on.
    """

    fault: Fault
    method: str | None = None
    path: str = ""
    first: int = 1
    times: int | None = 1

    def matches(self, method: str, path: str) -> bool:
        """Whether it is about this request."""
        return self.method in (None, method) and re.search(self.path, path) is not None


class Script:
    """Rules in force, with how often each has matched. One thread at a time."""

    def __init__(self, *rules: Rule) -> None:
        self._seen = [(rule, 0) for rule in rules]

    def take(self, method: str, path: str) -> Fault | None:
        """Return what happens to this request; None: nothing."""
        for place, (rule, seen) in enumerate(self._seen):
            if rule.matches(method, path):
                self._seen[place] = (rule, seen + 1)
                if seen + 1 >= rule.first and (rule.times is None or seen + 1 < rule.first + rule.times):
                    return rule.fault
        return None
