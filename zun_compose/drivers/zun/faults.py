"""The one place where exceptions of openstacksdk and keystoneauth become this package's errors.

The SDK's messages may hold a URL with its query, in which commands stand; Zun's own, made by
zun_compose.openstack, do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zun_compose.errors import (
    Conflict,
    DriverError,
    DriverTimeout,
    NotFound,
    Rejected,
    Unavailable,
    Unsupported,
)

_LONGEST = 400


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn whatever fails inside into a DriverError that begins with "cannot `doing`".

    DriverErrors pass unchanged, and so do faults of our own.
    """
    try:
        yield
    except DriverError:
        raise
    except Exception as error:
        kind = _judged(error)
        if kind is None:
            raise
        reason = _words(error)
        # "from None": the SDK's exceptions hold whole requests, environment included
        raise kind(f"cannot {doing}: {reason}", reason=reason) from None


def _judged(error: Exception) -> type[DriverError] | None:
    """Return the class of error; None for a fault of our own."""
    from keystoneauth1 import exceptions as auth
    from openstack import exceptions as sdk

    from zun_compose.openstack import errors

    table: tuple[tuple[type[Exception] | tuple[type[Exception], ...], type[DriverError]], ...] = (
        ((errors.NotFound, sdk.NotFoundException), NotFound),
        (errors.CommandTimeout, DriverTimeout),
        ((errors.Conflict, sdk.ConflictException, sdk.DuplicateResource), Conflict),
        (errors.CallTimeout, DriverTimeout),
        ((errors.Unavailable, errors.Unreachable, errors.RateLimited, errors.ServerFault), Unavailable),
        (sdk.ResourceTimeout, DriverTimeout),
        ((errors.MicroversionNotSupported, sdk.EndpointNotFound), Unsupported),
        ((auth.EndpointNotFound, auth.CatalogException), Unsupported),
        ((auth.ConnectTimeout, auth.RequestTimeout), DriverTimeout),
        (auth.ConnectionError, Unavailable),
        (sdk.HttpException, Rejected),
        ((auth.ClientException, sdk.SDKException), Rejected),
        (OSError, Unavailable),
    )
    if isinstance(error, sdk.HttpException) and not isinstance(error, errors.ServiceError):
        status = getattr(error, "status_code", None) or 0
        if status in (502, 503, 504, 429) or status >= 500:
            return Unavailable
    return next((verdict for kinds, verdict in table if isinstance(error, kinds)), None)


def _words(error: Exception) -> str:
    """Return the explanation in one short line that starts in lower case."""
    from openstack import exceptions as sdk

    from zun_compose.openstack import errors

    if isinstance(error, errors.ServiceError):
        words = error.reason
    elif isinstance(error, sdk.HttpException):
        # the SDK's own text names the URL with its query
        words = str(error.details or error.message or type(error).__name__)
    else:
        words = str(error) or type(error).__name__
    line = " ".join(words.split()).rstrip(".")
    if len(line) > 1 and line[0].isupper() and not line[1].isupper():
        line = line[0].lower() + line[1:]
    if len(line) > _LONGEST:
        line = line[: _LONGEST - 3] + "..."
    return line or "no explanation given"
