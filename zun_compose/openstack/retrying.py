"""When a call is sent again: bounded, with growing pauses, and never a POST whose fate is unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from keystoneauth1 import exceptions as ksa

from zun_compose.openstack.errors import UNAVAILABLE, retry_after

if TYPE_CHECKING:
    from requests import Response

# Doing these twice leaves the same state as once.
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})


class RetryPolicy(NamedTuple):
    """How often and how patiently; times are in seconds.

    `tries` counts the first one. A pause doubles from `pause` up to `longest`; a server that asks for
    more than `patience` is not waited for.
    """

    tries: int = 4
    pause: float = 0.5
    longest: float = 8.0
    patience: float = 60.0

    def before(self, retry: int) -> float:
        """Return the pause before a retry; the first is number 0."""
        return min(self.pause * 2.0**retry, self.longest)


def send(
    policy: RetryPolicy, method: str, call: Callable[[], Response], sleep: Callable[[float], None]
) -> Response:
    """Make a call until it is answered for good, and return its last answer.

    Raises:
        keystoneauth1.exceptions.ConnectionError: The last try had no answer.
    """
    for retry in range(policy.tries - 1):
        try:
            response = call()
        except ksa.SSLError:
            raise
        except ksa.ConnectionError:
            if method not in IDEMPOTENT:
                raise
            sleep(policy.before(retry))
            continue
        pause = _pause(policy, retry, method, response)
        if pause is None:
            return response
        sleep(pause)
    return call()


def may_pass(error: ksa.ClientException) -> bool:
    """Return whether Keystone may do next time what it did not now. Who kept us waiting may do so again."""
    if isinstance(error, ksa.HttpError):
        return error.http_status in UNAVAILABLE
    return isinstance(error, ksa.ConnectionError) and not isinstance(error, ksa.ConnectTimeout | ksa.SSLError)


def _pause(policy: RetryPolicy, retry: int, method: str, response: Response) -> float | None:
    """Return how long to wait before sending again; None if this answer stands."""
    # 429 says that nothing was done, so also a POST may be sent again.
    if response.status_code != 429 and not (response.status_code in UNAVAILABLE and method in IDEMPOTENT):
        return None
    wished = retry_after(response)
    if wished is None:
        return policy.before(retry)
    return wished if wished <= policy.patience else None
