"""What the exceptions of the SDK and of its HTTP library mean. Loads them; see errors.py, which does not."""

from __future__ import annotations

import requests
from docker.errors import DockerException
from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError

from zun_compose.drivers.docker.errors import LATE, Verdict, chain, root
from zun_compose.errors import DriverTimeout, Rejected, Unavailable


def judge(error: Exception) -> Verdict | None:
    """Return the class of error and its words; None for what is not of theirs."""
    if any(_late(cause) for cause in chain(error)):
        return DriverTimeout, LATE
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return Rejected, str(error)
    if isinstance(error, requests.RequestException | HTTPError):
        return Unavailable, root(error)
    if isinstance(error, DockerException):
        cause = error.__cause__ or error.__context__
        return (Unavailable, root(cause)) if isinstance(cause, OSError) else (Rejected, str(error))
    return None


def _late(error: BaseException) -> bool:
    """Whether somebody waited in vain. requests wraps a timeout in the middle of a body as something else."""
    # a refused connection is a kind of timeout to urllib3
    return isinstance(error, requests.Timeout | TimeoutError) and not isinstance(error, NewConnectionError)
