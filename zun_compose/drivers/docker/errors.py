"""The one place where exceptions of HTTP, of sockets and of the SDK become this package's errors.

Messages carry the daemon's own explanation, shortened, and never an environment value: what a call
sent is handed in as `hide` and blotted out should the daemon quote it.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from zun_compose.drivers.docker.transport import Reply
from zun_compose.errors import (
    Conflict,
    DriverError,
    DriverTimeout,
    NotFound,
    Rejected,
    Unavailable,
    Unsupported,
)

LONGEST = 400
NOT_MODIFIED = 304
LATE = "the docker engine did not answer in time"
_SDK = frozenset({"docker", "requests", "urllib3"})

Verdict = tuple[type[DriverError], str]
# An engine names containers by their whole id; images keep theirs, after "sha256:".
_ID = re.compile(r"(?<![0-9a-f:])([0-9a-f]{12})[0-9a-f]{52}(?![0-9a-f])")

_BY_STATUS: dict[int, type[DriverError]] = {
    404: NotFound,
    405: Unsupported,
    409: Conflict,
    501: Unsupported,
    502: Unavailable,
    503: Unavailable,
    504: DriverTimeout,
}
# The machine's port is named in two ways, after whole sentences about endpoints and proxies.
_TAKEN = re.compile(
    r"(?:listen (?:tcp|udp)[46]? (?P<one>\S+:\d+): bind: address already in use"
    r"|Bind for (?P<other>\S+:\d+) failed: port is already allocated)"
)
# The daemon answers 500 for faults of very different kinds; its words tell them apart, most telling first.
# Patterns of re, compiled once one is needed.
_BY_WORDS: tuple[tuple[str, type[DriverError]], ...] = (
    (r"is already in use by|already exists|already in progress|has active endpoints", Conflict),
    (r"port is already allocated|address already in use", Conflict),
    # Podman's words for a container that is not in the state that the call needs
    (r"container state improper", Conflict),
    (r"manifest unknown|manifest for .* not found|repository .* not found|no such image", NotFound),
    (r"unauthorized|access denied|authentication required|no basic auth|denied:", Rejected),
    (r"no such (container|network|volume|exec)|^network .* not found|not found: manifest", NotFound),
    (r"configured logging driver does not support reading|not supported on this platform", Unsupported),
    (
        r"context deadline exceeded|i/o timeout|TLS handshake timeout|Client\.Timeout|"
        r"dial tcp|dial unix|server misbehaving|connection refused|connection reset|"
        r"toomanyrequests|daemon is shutting down|transport is closing|unexpected HTTP status: 5",
        Unavailable,
    ),
)


@contextmanager
def translated(doing: str, hide: Collection[str] = ()) -> Iterator[None]:
    """Turn whatever fails inside into a DriverError that begins with "cannot `doing`".

    DriverErrors pass unchanged. Values in `hide` do not appear in the message.
    """
    try:
        yield
    except DriverError:
        raise
    except Exception as error:
        verdict = _judge(error)
        if verdict is None:
            raise
        kind, words = verdict
        reason = tidy(words, hide)
        # "from None": the SDK's exception holds the whole request, environment included
        raise kind(f"cannot {doing}: {reason}", reason=reason) from None


def refused(status: int) -> bool:
    """Whether a reply does not grant what was asked; a redirection is nobody's here to follow."""
    return status >= 300 and status != NOT_MODIFIED


def checked(reply: Reply, doing: str, hide: Collection[str] = ()) -> Reply:
    """Return a reply that grants what was asked; raises the DriverError for any other."""
    if not refused(reply.status):
        return reply
    words = _explanation(reply)
    kind = _BY_STATUS.get(reply.status)
    if kind is None:
        kind = _by_words(words, Rejected) if reply.status >= 500 else Rejected
    reason = tidy(words, hide)
    raise kind(f"cannot {doing}: {reason}", reason=reason)


def _explanation(reply: Reply) -> str:
    """Return the daemon's message of a failed reply."""
    try:
        return str(json.loads(reply.content)["message"])
    except (ValueError, KeyError, TypeError):
        return reply.content.decode("utf-8", "replace") or reply.reason


def from_words(words: str, doing: str, hide: Collection[str] = ()) -> DriverError:
    """Return the error for an explanation that came inside a stream, without a status."""
    reason = tidy(words, hide)
    return _by_words(words, Rejected)(f"cannot {doing}: {reason}", reason=reason)


def tidy(words: str, hide: Collection[str] = ()) -> str:
    """Return the daemon's words in one short line that starts in lower case, without hidden values."""
    for value in sorted((v for v in hide if len(v) > 2), key=len, reverse=True):
        words = words.replace(value, "***")
    line = " ".join(words.split()).removeprefix("Conflict. ").rstrip(".")
    line = _ID.sub(r"\1", line)
    if taken := _TAKEN.search(line):
        port = taken["one"] or taken["other"]
        return f'port "{port}" of the machine is taken: stop what uses it, or publish another port'
    if len(line) > 1 and line[0].isupper() and not line[1].isupper():
        line = line[0].lower() + line[1:]
    if len(line) > LONGEST:
        line = line[: LONGEST - 3] + "..."
    return line or "no explanation given"


def _judge(error: Exception) -> Verdict | None:
    """Return the class of error and its words; None for a fault of our own."""
    if "docker" in sys.modules:
        from zun_compose.drivers.docker.faults import judge

        verdict = judge(error)
        if verdict is not None:
            return verdict
    if isinstance(error, ModuleNotFoundError) and error.name in _SDK:
        return Unsupported, 'the docker driver needs the extra "docker": pip install "zun-compose[docker]"'
    if any(isinstance(cause, TimeoutError) for cause in chain(error)):
        return DriverTimeout, LATE
    if isinstance(error, http.client.IncompleteRead):
        return Unavailable, "the docker engine's answer was cut short"
    if isinstance(error, OSError):
        return Unavailable, root(error)
    if isinstance(error, ValueError | http.client.HTTPException):
        return Unavailable, "the docker engine's answer could not be read"
    return None


def _by_words(words: str, otherwise: type[DriverError]) -> type[DriverError]:
    return next((kind for pattern, kind in _BY_WORDS if re.search(pattern, words, re.IGNORECASE)), otherwise)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Walk through an exception and those it wraps, by cause and by argument (urllib3 nests by argument)."""
    todo: list[BaseException] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += [arg for arg in one.args if isinstance(arg, BaseException)]
        reason = getattr(one, "reason", None)
        # one that was raised "from None" stands for itself, whatever it was raised in the midst of
        context = None if one.__suppress_context__ else one.__context__
        todo += [e for e in (reason, one.__cause__, context) if isinstance(e, BaseException)]


def root(error: BaseException) -> str:
    """Return the innermost operating system error's words, which are the ones people know."""
    for one in chain(error):
        if isinstance(one, OSError) and one.strerror:
            return one.strerror
    return str(error) or type(error).__name__
