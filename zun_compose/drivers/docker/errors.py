"""The one place where exceptions of the SDK, of HTTP and of sockets become this package's errors.

Messages carry the daemon's own explanation, shortened, and never an environment value: what a call
sent is handed in as `hide` and blotted out should the daemon quote it.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import requests
import urllib3.exceptions
from docker.errors import BuildError, DockerException, ImageNotFound

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
# The daemon answers 500 for faults of very different kinds; its words tell them apart, most telling first.
_BY_WORDS: tuple[tuple[re.Pattern[str], type[DriverError]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
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
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        http.client.HTTPException,
        DockerException,
        OSError,
        ValueError,
    ) as error:
        # "from None": the SDK's exception holds the whole request, environment included
        raise failure(error, doing, hide) from None


def failure(error: Exception, doing: str, hide: Collection[str] = ()) -> DriverError:
    """Return the DriverError that says what `error` means."""
    kind, words = _judge(error)
    reason = tidy(words, hide)
    return kind(f"cannot {doing}: {reason}", reason=reason)


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
    if len(line) > 1 and line[0].isupper() and not line[1].isupper():
        line = line[0].lower() + line[1:]
    if len(line) > LONGEST:
        line = line[: LONGEST - 3] + "..."
    return line or "no explanation given"


def _judge(error: Exception) -> tuple[type[DriverError], str]:
    response = getattr(error, "response", None)
    if isinstance(response, requests.Response):
        return _of_reply(response.status_code, explanation(response))
    if isinstance(error, ImageNotFound):
        return NotFound, str(error)
    if _is_timeout(error):
        return DriverTimeout, "the docker engine did not answer in time"
    if isinstance(error, BuildError):
        return Rejected, str(error)
    if isinstance(error, DockerException):
        cause = error.__cause__ or error.__context__
        if isinstance(cause, OSError):
            return Unavailable, root(cause)
        return Rejected, str(error)
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return Rejected, str(error)
    if isinstance(error, OSError | urllib3.exceptions.HTTPError | http.client.HTTPException):
        return Unavailable, root(error)
    return Unavailable, "the docker engine's answer could not be read"


def explanation(response: requests.Response) -> str:
    """Return the daemon's message of a failed reply."""
    try:
        reply: Any = response.json()
        return str(reply["message"])
    except (ValueError, KeyError, TypeError, requests.RequestException, urllib3.exceptions.HTTPError):
        try:
            return response.text or str(response.reason)
        except (requests.RequestException, RuntimeError):
            return str(response.reason)


def _of_reply(status: int, words: str) -> tuple[type[DriverError], str]:
    kind = _BY_STATUS.get(status)
    if kind is None:
        kind = _by_words(words, Rejected) if status >= 500 else Rejected
    return kind, words


def _by_words(words: str, otherwise: type[DriverError]) -> type[DriverError]:
    return next((kind for pattern, kind in _BY_WORDS if pattern.search(words)), otherwise)


def _is_timeout(error: BaseException) -> bool:
    timeouts = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
    return any(isinstance(cause, timeouts) for cause in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
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
        todo += [e for e in (reason, one.__cause__, one.__context__) if isinstance(e, BaseException)]


def root(error: BaseException) -> str:
    """Return the innermost operating system error's words, which are the ones people know."""
    for one in _chain(error):
        if isinstance(one, OSError) and one.strerror:
            return one.strerror
    return str(error) or type(error).__name__
