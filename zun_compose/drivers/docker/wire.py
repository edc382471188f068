"""Calls to the engine: connect once, on first use; every call bounded; every fault translated."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from threading import Lock
from typing import Any
from urllib.parse import quote

import requests

from zun_compose import labels
from zun_compose.drivers.docker.address import Address
from zun_compose.drivers.docker.client import Client, Stream, stream_of
from zun_compose.drivers.docker.errors import translated
from zun_compose.errors import DriverTimeout, Unavailable

UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
# a stream's connection is cut by whoever closes it, so it must never go back into the pool, where
# another thread's call might have it by then
ALONE = {"Connection": "close"}
_ID = re.compile(r"[0-9a-f]{64}")


def project_filter(stack: str, **more: list[str]) -> str:
    """Return the API's `filters` parameter that keeps what carries the stack's label."""
    return json.dumps({"label": [f"{labels.PROJECT}={stack}"], **more})


class Wire:
    """The way to one engine. Safe from several threads."""

    def __init__(self, address: Address, timeout: float) -> None:
        self.address = address
        self.timeout = timeout
        # networks that were seen to exist, so that a creation need not ask again; see Containers.create
        self.networks: set[str] = set()
        self._client: Client | None = None
        self._lock = Lock()

    @property
    def client(self) -> Client:
        """The client, connected; raises Unavailable if the engine does not answer."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = self._connect()
        return self._client

    @property
    def api(self) -> tuple[int, int]:
        """The API version in use."""
        return self.client.api

    def _connect(self) -> Client:
        try:
            with translated(f"reach the docker engine at {self.address}"):
                return Client(self.address, self.timeout)
        except DriverTimeout as error:
            # nothing was asked of it yet: to a caller, it is just not there
            raise Unavailable(str(error)) from None

    def call(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        parameters: Mapping[str, str | int | float] | None = None,
        body: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = -1.0,
        stream: bool = False,
        hide: Collection[str] = (),
    ) -> requests.Response:
        """Send one request; `path` comes quoted. `timeout` seconds bound each read (None: not at all).

        `doing` completes "cannot ..." in the message of the DriverError that any failure raises.
        """
        client = self.client
        seconds = self.timeout if timeout == -1.0 else timeout
        sent = dict(headers or {})
        if body is not None:
            data = json.dumps(body)
            sent["Content-Type"] = "application/json"
        with translated(doing, hide):
            response = client.request(
                method,
                f"{client.base_url}/v{client.api_version}{path}",
                params=parameters,
                data=data,
                headers=sent,
                timeout=(self.timeout, seconds),
                stream=stream,
            )
            # reading the daemon's explanation, which `translated` does, gives the connection back
            response.raise_for_status()
        return response

    def json(self, method: str, path: str, *, doing: str, **more: Any) -> Any:
        """Send one request and return its reply, read."""
        with translated(doing):
            return self.call(method, path, doing=doing, **more).json()

    def stream(
        self, method: str, path: str, *, doing: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Stream:
        """Send one request whose reply is read as it comes, over a connection of its own."""
        sent = {**(headers or {}), **ALONE}
        return stream_of(self.call(method, path, doing=doing, headers=sent, stream=True, **more))

    def hijack(self, path: str, *, doing: str, **more: Any) -> Stream:
        """Send a POST whose connection then carries raw bytes both ways."""
        return stream_of(self.call("POST", path, doing=doing, headers=UPGRADE, stream=True, **more))

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()


class Part:
    """A group of calls that share one wire; the driver is all groups together."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire


def short(container: str) -> str:
    """Return what people call a container by: its name, or the first twelve digits of its id."""
    return container[:12] if _ID.fullmatch(container) else container


def quoted(name: str) -> str:
    """Quote a name for use as one segment of a path."""
    return quote(name, safe=":@")
