"""Transport over the SDK's low-level client: TCP, TLS and ssh."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import docker
import requests
from docker.transport import UnixHTTPAdapter

from zun_compose.drivers.docker.address import Address
from zun_compose.drivers.docker.transport import Body, Reply, Stream

POOL = 32
# any that the SDK accepts: what it would negotiate with, a call that brings nothing else, is not used
VERSION = "1.40"


class OnePool(UnixHTTPAdapter):
    """Adapter for what is like a Unix socket; its connections serve all paths, where the SDK's serve one."""

    def __init__(self, seconds: int, pool: Any) -> None:
        super().__init__("http+unix://", seconds, 1, POOL)
        self._pool = pool

    def get_connection(self, url: Any, proxies: Any = None) -> Any:
        """Return the one pool, whatever the path."""
        return self._pool

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()
        super().close()


class Client:
    """A session of the SDK with one engine."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._timeout = timeout
        seconds = math.ceil(timeout)
        self._session = docker.APIClient(
            # the SDK takes no part in ssh; see ssh.py
            base_url="unix:///ssh" if address.ssh else address.url,
            version=VERSION,
            timeout=seconds,
            tls=address.tls or False,
            max_pool_size=POOL,
        )
        if address.ssh:
            from zun_compose.drivers.docker.ssh import Pool

            self._session.mount("http+docker://", OnePool(seconds, Pool(address.url, seconds, POOL)))
        # ssh needs no look-ups of proxies and .netrc, which cost more than the call; and with TLS the
        # engine's own authority counts, which a REQUESTS_CA_BUNDLE of the environment would displace.
        self._session.trust_env = not address.ssh and address.tls is None

    def _send(
        self, method: str, path: str, body: Any, headers: Any, timeout: float | None, *, stream: bool
    ) -> requests.Response:
        return self._session.request(
            method,
            f"{self._session.base_url}{path}",
            data=body,
            headers=headers,
            timeout=(self._timeout, timeout),
            stream=stream,
        )

    def ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout: float | None
    ) -> Reply:
        """Send one request and read the whole reply."""
        reply = self._send(method, path, body, headers, timeout, stream=False)
        return Reply(
            status=reply.status_code, reason=reply.reason, headers=reply.headers, content=reply.content
        )

    def open(
        self, method: str, path: str, body: Body, headers: Mapping[str, str], timeout: float | None
    ) -> Stream:
        """Send one request whose connection does not go back into the pool."""
        # what is read as it comes is not decoded
        headers = {"Accept-Encoding": "identity", **headers}
        reply = self._send(method, path, body, headers, timeout, stream=True)
        raw: Any = reply.raw
        return Stream(raw._fp, reply)

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()
