"""What Zun's answers and silences become: subclasses of the SDK's exceptions, caught as those are.

Messages hold the method, the path without its query, Zun's own words and the request id. The values of
environment entries, passwords and injected files are masked: Zun quotes what it found invalid.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from keystoneauth1 import exceptions as ksa
from openstack import exceptions as sdk

from zun_compose.openstack.secrecy import masked, secrets_of

if TYPE_CHECKING:
    from requests import Response

UNAVAILABLE = frozenset({502, 503, 504})


class ServiceError(sdk.HttpException):
    """Zun answered with an error.

    `status_code` is HTTP's, `code` Zun's own word, such as "container.over-quota" (may be empty), `reason`
    its sentence, `request_id` what to look for in its logs.
    """

    def __init__(
        self, message: str, response: Response | None = None, *, code: str = "", reason: str = ""
    ) -> None:
        super().__init__(message, response=response, details=reason or message)
        self.code = code
        self.reason = reason or message

    def __str__(self) -> str:
        """Return the message alone; the SDK's adds the URL with its query."""
        return str(self.message)


class BadRequest(ServiceError, sdk.BadRequestException):
    """400: Zun found the request invalid; repeating it will not help."""


class NotFound(ServiceError, sdk.NotFoundException):
    """404: there is no such object in reach of this project."""


class Unauthorized(ServiceError):
    """401, with a token that was fetched a moment ago: this Zun does not trust that Keystone."""


class Forbidden(ServiceError, sdk.ForbiddenException):
    """403: the policy does not let this user do that."""


class QuotaExceeded(Forbidden):
    """403: the project's quota is used up. `resources` names of what, such as "containers" or "memory"."""

    resources: tuple[str, ...] = ()


class Conflict(ServiceError, sdk.ConflictException):
    """409: what is there forbids the call."""


class WrongState(Conflict):
    """409: the container's state forbids the action. `state` is that state, such as "Stopped"."""

    state: str = ""
    action: str = ""


class AmbiguousName(Conflict, sdk.DuplicateResource):
    """More than one object has that name; use the id."""


class CommandTimeout(Conflict, sdk.ResourceTimeout):
    """409: a command inside a container ran longer than Zun waits (5 s unless configured); it may run on."""


class RateLimited(ServiceError):
    """429, still after the retries. `retry_after` is the server's wish in seconds, None without one."""

    retry_after: float | None = None


class ServerFault(ServiceError):
    """500 and above: the service failed."""


class Unavailable(ServerFault):
    """502, 503 or 504, after the retries: nobody answered for the service. A POST may have taken effect."""


class Unreadable(ServerFault):
    """What came is no answer of Zun's, whatever its status says. The call may have taken effect."""


class MicroversionNotSupported(sdk.NotSupported):
    """The call needs a microversion that the server, or the Connection's configuration, does not have.

    `needed` is the lowest that will do, `last` the last that has it (None: not removed), `offered` the range.
    """

    def __init__(self, what: str, *, needed: str, last: str | None, offered: str, instead: str = "") -> None:
        wanted = f"microversion {needed}" + (f" to {last}" if last else " or newer")
        super().__init__(
            f"{what} needs {wanted}, {offered} is in force" + (f"; {instead}" if instead else "")
        )
        self.needed = needed
        self.last = last
        self.offered = offered


class AuthenticationFailed(sdk.SDKException, ksa.AuthorizationFailure):
    """Keystone gave no token, so nothing was asked of Zun.

    `status_code` is what Keystone answered, None where it did not answer.
    """

    def __init__(self, message: str, status_code: int | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code


class CallTimeout(sdk.ResourceTimeout, ksa.ConnectTimeout):
    """No answer in time; whether the call took effect is unknown."""


class Unreachable(sdk.SDKException, ksa.ConnectFailure):
    """The connection failed or broke; whether the call took effect is unknown."""


class CreationUnknown(Unreachable):
    """A container may or may not have been created, and nobody can be asked.

    Whoever goes on looks for containers of that `name` whose label creation.LABEL is `token`.
    """

    def __init__(self, message: str, *, name: str, token: str) -> None:
        super().__init__(message)
        self.name = name
        self.token = token


_BY_STATUS: dict[int, type[ServiceError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
}

_STATE = re.compile(r"Cannot (?P<action>\S+) container \S+ in (?P<state>\w+) state")


def raise_for(response: Response) -> None:
    """Raise what this answer means; return if it is no error."""
    if response.status_code < 400:
        return
    code, words = _said(response)
    place = place_of(response.request.method or "", response.request.url or "")
    secrets = secrets_of(response.request.body)
    reason = masked(words, secrets)
    kind = _kind(response.status_code, code, words)
    if code.endswith(".image-not-found") and response.request.method in ("GET", "DELETE"):
        # Zun says 400 there.
        kind = NotFound
    if kind is CommandTimeout:
        # Zun repeats the command, which may hold a password.
        reason = "the command did not end in the time that Zun gives it"
    request = response.headers.get("x-openstack-request-id")
    status = f"HTTP {response.status_code}" + (f", {request}" if request else "")
    error = kind(f"{place}: {reason or response.reason} ({status})", response, code=code, reason=reason)
    _complete(error, words, response)
    raise error


def _said(response: Response) -> tuple[str, str]:
    """Return Zun's code and its sentence, both empty where the answer is not Zun's."""
    try:
        first = response.json()["errors"][0]
        title, detail = str(first.get("title") or ""), str(first.get("detail") or "")
        code = str(first.get("code") or "")
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", ""
    # A fault of the schema is followed by the schema itself.
    words = detail if title in detail else f"{title}: {detail}"
    return code, words.split("\n\n", 1)[0].strip(": \n")


def _kind(status: int, code: str, words: str) -> type[ServiceError]:
    if status == 403 and code.endswith("over-quota"):
        return QuotaExceeded
    if status == 409:
        if _STATE.search(words):
            return WrongState
        if words.startswith("Multiple "):
            return AmbiguousName
        if words.startswith("Timeout on executing"):
            return CommandTimeout
    if status in UNAVAILABLE:
        return Unavailable
    return _BY_STATUS.get(status, ServerFault if status >= 500 else ServiceError)


def _complete(error: ServiceError, words: str, response: Response) -> None:
    if isinstance(error, WrongState) and (found := _STATE.search(words)):
        error.state, error.action = found["state"], found["action"]
    elif isinstance(error, QuotaExceeded):
        named = words.rpartition(":")[2]
        error.resources = tuple(re.findall(r"\w+", named))
    elif isinstance(error, RateLimited):
        error.retry_after = retry_after(response)


def retry_after(response: Response) -> float | None:
    """Return how many seconds the server asks to wait; None if it does not say so in seconds."""
    said = response.headers.get("Retry-After", "")
    return float(said) if said.isdecimal() else None


def place_of(method: str, url: str) -> str:
    """Return the call for a message: a query may hold a command or a password, so it is left out."""
    return f"{method} /{urlsplit(url).path.lstrip('/')}"


def silence(error: ksa.ConnectionError, method: str, url: str) -> sdk.SDKException:
    """Return what a call without an answer raises. keystoneauth's own words hold the URL with its query."""
    place = place_of(method, url)
    if isinstance(error, ksa.ConnectTimeout):
        return CallTimeout(f"{place}: no answer in time; whether it took effect is unknown")
    return Unreachable(f"{place}: the connection failed ({_cause(error)}); whether it took effect is unknown")


def no_token(error: ksa.ClientException) -> AuthenticationFailed:
    """Return what becomes of a failed attempt to get a token; a word of Keystone's own is kept."""
    if isinstance(error, ksa.HttpError):
        return AuthenticationFailed(f"no token from Keystone: {error}", error.http_status)
    return AuthenticationFailed(f"no token from Keystone: {_cause(error)}")


def _cause(error: BaseException) -> str:
    """Return the innermost word for what went wrong, such as ConnectionRefusedError, without any URL."""
    word = type(error).__name__
    seen: BaseException | None = error
    while seen is not None:
        arguments: list[Any] = [part for part in seen.args if isinstance(part, BaseException)]
        arguments += [part for one in seen.args if isinstance(one, tuple) for part in one]
        inner = seen.__cause__ or seen.__context__
        inner = inner or next((part for part in arguments if isinstance(part, BaseException)), None)
        inner = inner or getattr(seen, "reason", None)
        seen = inner if isinstance(inner, BaseException) else None
        word = type(seen).__name__ if seen is not None else word
    return word


def body_of(response: Response, kind: type | tuple[type, ...] = dict) -> Any:
    """Return an answer's JSON, which must be of that kind.

    Raises:
        Unreadable: It is none, or is an answer to something else.
    """
    try:
        body = response.json()
    except ValueError:
        flaw = "is not JSON"
    else:
        if isinstance(body, kind):
            return body
        flaw = "answers something else"
    raise unreadable(response, flaw)


def unreadable(response: Response, flaw: str) -> Unreadable:
    """Return the error for an answer with such a flaw, in words that go on after "what came"."""
    place = place_of(response.request.method or "", response.request.url or "")
    return Unreadable(f"{place}: what came {flaw} (HTTP {response.status_code})", response)
