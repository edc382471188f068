"""Requests to a registry through oras, with what that lacks: time limits, short retries, and plain errors."""

from __future__ import annotations

import ipaddress
import logging
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import oras.container  # type: ignore[import-untyped]
import oras.provider  # type: ignore[import-untyped]
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from zun_compose.credentials import DEFAULT_DOMAIN, credentials
from zun_compose.drivers.local.images.references import Reference
from zun_compose.errors import NotFound, Rejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where Docker Hub answers; "docker.io" itself is a web page.
_HUB = "registry-1.docker.io"
_CONNECT_SECONDS = 10.0
# Between two pieces of an answer, not for the whole.
_READ_SECONDS = 60.0
_TRIES = 2


class _Adapter(HTTPAdapter):
    """Gives each request the time limits that requests itself does not set."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (_CONNECT_SECONDS, _READ_SECONDS)
        return super().send(request, *args, **kwargs)


class Answer:
    """What a registry sent: its media type, and its bytes as they were sent, read once. Close it."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response
        self.kind = response.headers.get("Content-Type", "").partition(";")[0].strip()

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; raises Unavailable where the answer breaks off."""
        try:
            data: bytes = self._response.raw.read(size)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise Unavailable("the registry broke off in the middle of an answer") from error
        return data

    def close(self) -> None:
        """Let go of the connection."""
        self._response.close()


class Transport:
    """One repository of one registry. Methods raise NotFound, Rejected and Unavailable."""

    def __init__(self, name: Reference) -> None:
        self._name = name
        host = _HUB if name.domain == DEFAULT_DOMAIN else name.domain
        plain = _is_loopback(name.domain)
        self._registry = oras.provider.Registry(hostname=host, insecure=plain)
        self._session: requests.Session = self._registry.session
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter())
        # It tells of refusals on stderr; we raise them.
        logging.getLogger("oras.logger").setLevel(logging.CRITICAL)
        self._container = oras.container.Container(f"{host}/{name.path}")
        self._basic: str | None = None
        self._known = credentials(name.domain)
        if self._known is not None:
            self._registry.auth.set_basic_auth(*self._known)

    def close(self) -> None:
        """Let go of connections."""
        self._session.close()

    def manifest(self, which: str, accepted: str) -> Answer:
        """Ask for a manifest or index by tag or digest; the answer is not read yet."""
        return self._get(self._container.manifest_url(which), {"Accept": accepted})

    def blob(self, digest: str) -> Answer:
        """Ask for a layer or configuration; the answer is not read yet."""
        return self._get(self._container.get_blob_url(digest), {})

    def _get(self, address: str, headers: Mapping[str, str]) -> Answer:
        url = f"{self._registry.prefix}://{address}"
        # Digests are of what was stored, not of what somebody compressed on the way.
        headers = {"Accept-Encoding": "identity", **headers}
        for left in reversed(range(_TRIES)):
            try:
                response = self._asked(url, dict(headers))
            except (requests.ConnectionError, requests.Timeout) as error:
                if left:
                    continue
                raise Unavailable(
                    f'registry "{self._name.domain}" does not answer: {_reason(error)}'
                ) from error
            except (requests.RequestException, ValueError) as error:
                raise Rejected(f'registry "{self._name.domain}" cannot be asked: {_reason(error)}') from error
            if response.status_code < 500 or not left:
                self._check(response)
                return Answer(response)
            response.close()
        raise AssertionError("the last try returns or raises")

    def _asked(self, url: str, headers: dict[str, str]) -> requests.Response:
        """Ask once, and once more with what the registry wants to see first."""
        session, auth = self._session, self._registry.auth
        if self._basic is not None:
            headers["Authorization"] = self._basic
        else:
            headers.update(auth.get_auth_header())
        response = session.get(url, headers=headers, stream=True)
        challenge = response.headers.get("Www-Authenticate", "")
        if response.status_code != 401 or not challenge:
            return response
        response.close()
        if challenge.lower().startswith("basic"):
            if self._known is None or self._basic is not None:
                return response
            self._basic = f"Basic {b64encode(':'.join(self._known).encode()).decode()}"
            headers["Authorization"] = self._basic
            return session.get(url, headers=headers, stream=True)
        # A token that has run out while we fetched is asked for anew.
        headers.pop("Authorization", None)
        headers, changed = auth.authenticate_request(response, headers, refresh=True)
        return session.get(url, headers=headers, stream=True) if changed else response

    def _check(self, response: requests.Response) -> None:
        status = response.status_code
        if status == 200:
            return
        response.close()
        where = f'registry "{self._name.domain}"'
        if status == 404:
            raise NotFound(f'image "{self._name}": {where} does not have it')
        if status in (401, 403):
            who = (
                "the credentials that the Docker CLI has" if self._known else "us without credentials: log in"
            )
            raise Rejected(f"{where} refuses {who}")
        if status == 429 or status >= 500:
            raise Unavailable(f"{where} cannot answer now: it says {status}")
        raise Rejected(f"{where} answers {status}")


def _is_loopback(domain: str) -> bool:
    """Whether a registry is on this machine, where Docker speaks plain HTTP too."""
    host = domain.rpartition(":")[0] if domain.rpartition(":")[2].isdigit() else domain
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _reason(error: BaseException) -> str:
    """Return the innermost cause in a few words; the HTTP library's own messages are of no use."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__
