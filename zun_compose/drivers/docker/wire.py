"""Calls to the engine: connect once, on first use; every call bounded; every fault translated."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from threading import Lock
from typing import Any, TypedDict, Unpack
from urllib.parse import quote, urlencode

from zun_compose import labels
from zun_compose.drivers.docker.address import Address
from zun_compose.drivers.docker.errors import checked, refused, translated
from zun_compose.drivers.docker.greeting import Greeted, greet
from zun_compose.drivers.docker.plain import Plain
from zun_compose.drivers.docker.transport import Body, Stream, Transport
from zun_compose.errors import DriverTimeout, Unavailable

UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
# a stream's connection is cut by whoever closes it, so it must never go back into the pool, where
# another thread's call might have it by then
ALONE = {"Connection": "close"}
TAR = {"Content-Type": "application/x-tar"}
_ID = re.compile(r"[0-9a-f]{64}")


def project_filter(stack: str, **more: list[str]) -> str:
    """Return the API's `filters` parameter that keeps what carries the stack's label."""
    return json.dumps({"label": [f"{labels.PROJECT}={stack}"], **more})


class Asked(TypedDict, total=False):
    """What a call may bring along: `body` becomes JSON, `data` goes as it is.

    `timeout` seconds bound each read, None does not bound it; without it the wire's own holds.
    """

    parameters: Mapping[str, str | int | float]
    body: Any
    data: Body
    headers: Mapping[str, str]
    timeout: float | None


class Wire:
    """The way to one engine. Safe from several threads."""

    def __init__(self, address: Address, timeout: float) -> None:
        self.address = address
        self.timeout = timeout
        # networks that were seen to exist, so that a creation need not ask again; see Containers.create
        self.networks: set[str] = set()
        self._engine: Greeted | None = None
        self._lock = Lock()

    @property
    def engine(self) -> Greeted:
        """The engine, which has answered; raises Unavailable if it does not."""
        if self._engine is None:
            with self._lock:
                if self._engine is None:
                    self._engine = self._connect()
        return self._engine

    @property
    def api(self) -> tuple[int, int]:
        """The API version in use."""
        return self.engine.api

    def _connect(self) -> Greeted:
        doing = f"reach the docker engine at {self.address}"
        try:
            with translated(doing):
                return greet(self._transport(), self.address, self.timeout, doing)
        except DriverTimeout as error:
            # nothing was asked of it yet: to a caller, it is just not there
            raise Unavailable(str(error)) from None

    def _transport(self) -> Transport:
        if self.address.socket:
            return Plain(self.address.path, self.timeout)
        from zun_compose.drivers.docker.client import Client

        return Client(self.address, self.timeout)

    def call(
        self, method: str, path: str, *, doing: str, hide: Collection[str] = (), **asked: Unpack[Asked]
    ) -> bytes:
        """Send one request and return its reply's content; `path` comes quoted.

        `doing` completes "cannot ..." in the message of the DriverError that any failure raises.
        """
        engine = self.engine
        with translated(doing, hide):
            reply = engine.transport.ask(method, *self._request(path, asked))
            return checked(reply, doing, hide).content

    def json(self, method: str, path: str, *, doing: str, **more: Any) -> Any:
        """Send one request and return its reply, read."""
        content = self.call(method, path, doing=doing, **more)
        with translated(doing):
            return json.loads(content)

    def stream(
        self, method: str, path: str, *, doing: str, hide: Collection[str] = (), **asked: Unpack[Asked]
    ) -> Stream:
        """Send one request whose reply is read as it comes, over a connection of its own."""
        asked["headers"] = {**ALONE, **asked.get("headers", {})}
        engine = self.engine
        with translated(doing, hide):
            stream = engine.transport.open(method, *self._request(path, asked))
            if refused(stream.status):
                with closing(stream):
                    checked(stream.rest(), doing, hide)
        return stream

    def hijack(self, path: str, *, doing: str, **more: Any) -> Stream:
        """Send a POST whose connection then carries raw bytes both ways."""
        return self.stream("POST", path, doing=doing, headers=UPGRADE, **more)

    def _request(self, path: str, asked: Asked) -> tuple[str, Any, Mapping[str, str], float | None]:
        major, minor = self.api
        target = f"/v{major}.{minor}{path}"
        if asked.get("parameters"):
            target += f"?{urlencode(asked['parameters'])}"
        headers = asked.get("headers", {})
        data = asked.get("data")
        if "body" in asked:
            data = json.dumps(asked["body"]).encode()
            headers = {**headers, "Content-Type": "application/json"}
        return target, data, headers, asked.get("timeout", self.timeout)

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.transport.close()


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


def chunks(stream: Stream, doing: str) -> Iterator[bytes]:
    """Yield what a reply brings as it comes, and close it in the end, also if nobody reads on."""

    def read() -> Iterator[bytes]:
        with closing(stream), translated(doing):
            yield b""
            while data := stream.read():
                yield data

    found = read()
    # only what has begun can be closed
    next(found)
    return found
