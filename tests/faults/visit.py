"""One client's connection: each request is read, meets its fault or none, and is answered."""

from __future__ import annotations

import http.client
import io
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import assert_never

from tests.faults.ledger import Ledger
from tests.faults.script import Answer, At, Delay, Drop, Fault, Garble, Nonsense, Silence
from tests.faults.wire import (
    PIECE,
    Request,
    bodiless,
    chunk,
    end_to_end,
    find,
    head,
    phrase,
    read_request,
)

CONNECT = 5.0
# No answer of a service under test takes longer; without a bound a lost one would hold a thread for ever.
PATIENCE = 300.0
LENGTH = "content-length"
JSON = ("Content-Type", "application/json")


class Visit:
    """A connection of one client, served by one thread until either side ends it."""

    def __init__(
        self,
        client: socket.socket,
        upstream: tuple[str, int],
        choose: Callable[[Request], Fault | None],
        ledger: Ledger,
        stopping: threading.Event,
    ) -> None:
        self._client = client
        self._upstream = upstream
        self._choose = choose
        self._ledger = ledger
        self._stopping = stopping
        self._onward: socket.socket | None = None
        self._pace = Delay()

    def run(self) -> None:
        """Serve to the end of the connection, and close it."""
        # OSError: the client has gone, or the proxy is being stopped; both end a connection and nothing else
        with self._client, suppress(OSError), self._client.makefile("rb") as stream:
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self._stopping.is_set() and self._next(stream):
                pass

    def cut(self) -> None:
        """End it from another thread: whatever waits on its sockets wakes up."""
        for end in (self._client, self._onward):
            if end is not None:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _next(self, stream: io.BufferedReader) -> bool:
        """Serve one request; returns whether another may follow."""
        try:
            request = read_request(stream, self._send)
        except (ValueError, http.client.HTTPException):
            self._send(head(400, "", [("Content-Length", "0"), ("Connection", "close")]))
            return False
        if request is None:
            return False
        fault = self._choose(request)
        number = self._ledger.open(request, fault)
        try:
            return self._serve(number, request, fault) and request.keeps
        except http.client.HTTPException:
            # the service itself broke off within its answer: so does the connection to the client
            return False
        finally:
            self._ledger.note(number, ended=True)

    def _serve(self, number: int, request: Request, fault: Fault | None) -> bool:
        match fault:
            case None:
                return self._late(number, request, Delay())
            case Delay():
                return self._late(number, request, fault)
            case Drop():
                return self._drop(number, request, fault)
            case Silence():
                if fault.forward:
                    self._spend(number, request)
                # until the client closes, or the proxy
                while self._client.recv(PIECE):
                    pass
                return False
            case Answer():
                if fault.forward:
                    self._spend(number, request)
                return self._answer(number, request, fault)
            case Garble():
                status = self._spend(number, request) if fault.forward else 200
                return self._garble(number, request, fault.what, status)
            case _:
                assert_never(fault)

    # --- towards the service ---

    @contextmanager
    def _forwarded(self, number: int, request: Request) -> Iterator[http.client.HTTPResponse]:
        """Send the request on. Raises OSError, HTTPException."""
        connection = http.client.HTTPConnection(*self._upstream, timeout=CONNECT)
        try:
            connection.connect()
            connection.sock.settimeout(PATIENCE)
            self._onward = connection.sock
            if self._stopping.is_set():
                raise ConnectionAbortedError("the proxy is being stopped")
            connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in end_to_end(request.headers):
                if name.lower() != LENGTH:
                    connection.putheader(name, value)
            if request.body is not None:
                connection.putheader("Content-Length", str(len(request.body)))
            connection.putheader("Connection", "close")
            connection.endheaders(request.body)
            self._ledger.note(number, reached=True)
            response = connection.getresponse()
            self._ledger.note(number, upstream=response.status)
            with response:
                yield response
        finally:
            self._onward = None
            connection.close()

    def _spend(self, number: int, request: Request) -> int:
        """Let the service do what is asked and throw its answer away; returns the status."""
        with self._forwarded(number, request) as response:
            response.read()
            return response.status

    # --- towards the client ---

    def _late(self, number: int, request: Request, delay: Delay) -> bool:
        self._stopping.wait(delay.before_forwarding)
        try:
            with self._forwarded(number, request) as response:
                self._stopping.wait(delay.before_answer)
                self._pace = delay
                return self._pass_on(number, request, response)
        except (ConnectionRefusedError, http.client.RemoteDisconnected):
            return self._answer(number, request, Answer(status=502, body=b"the service is not there"))
        finally:
            self._pace = Delay()

    def _pass_on(self, number: int, request: Request, response: http.client.HTTPResponse) -> bool:
        """Hand the service's answer over as it comes."""
        headers = [*end_to_end(response.getheaders())]
        nothing = bodiless(request.method, response.status)
        length = find(headers, LENGTH)
        chunked = not nothing and length is None and request.chunkable
        ends_by_close = not nothing and length is None and not chunked
        if chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        if ends_by_close or not request.keeps:
            headers.append(("Connection", "close"))
        self._begin(number, response.status, headers, response.reason)
        if nothing:
            return True
        total = 0
        while data := response.read1(PIECE):
            total += len(data)
            self._send(chunk(data) if chunked else data)
        if chunked:
            self._send(chunk(b""))
        return not ends_by_close and (length is None or total == int(length))

    def _answer(self, number: int, request: Request, answer: Answer) -> bool:
        headers = list(answer.headers.items())
        if find(headers, LENGTH) is None and answer.status not in (204, 304):
            headers.append(("Content-Length", str(len(answer.body))))
        if not request.keeps:
            headers.append(("Connection", "close"))
        self._begin(number, answer.status, headers)
        if not bodiless(request.method, answer.status):
            self._send(answer.body)
        return True

    def _drop(self, number: int, request: Request, drop: Drop) -> bool:
        if drop.at is At.BODY:
            with self._forwarded(number, request) as response:
                body = response.read()
                headers = [pair for pair in end_to_end(response.getheaders()) if pair[0].lower() != LENGTH]
                first = head(response.status, response.reason, [*headers, ("Content-Length", str(len(body)))])
                self._ledger.note(number, status=response.status)
            # where there is no body to break, the head is: clients take one without its end for whole
            self._send(first + body[: len(body) // 2] if len(body) > 1 else first[:8])
        elif drop.at is At.ANSWER:
            self._spend(number, request)
        if drop.reset:
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def _garble(self, number: int, request: Request, what: Nonsense, status: int) -> bool:
        match what:
            case Nonsense.NOT_HTTP:
                self._send(b"\x16\x03\x01 no protocol that you know\r\n\r\n")
                return False
            case Nonsense.NOT_JSON:
                body = b'{"containers": [{"uuid": '
                return self._answer(number, request, Answer(status=status, headers=dict([JSON]), body=body))
            case Nonsense.WRONG_SHAPE:
                body = b'["welcome"]'
                return self._answer(number, request, Answer(status=status, headers=dict([JSON]), body=body))
            case Nonsense.EMPTY:
                return self._answer(number, request, Answer(status=status, headers=dict([JSON])))
            case Nonsense.WRONG_TYPE:
                page = b"<html><title>Welcome</title><body>a login page of some gateway</body></html>"
                return self._answer(
                    number, request, Answer(status=status, headers={"Content-Type": "text/html"}, body=page)
                )
            case Nonsense.CUT_CHUNK:
                self._begin(number, status, [JSON, ("Transfer-Encoding", "chunked")])
                self._send(b'40\r\n{"containers": [')
                return False
            case _:
                assert_never(what)

    def _begin(self, number: int, status: int, headers: list[tuple[str, str]], reason: str = "") -> None:
        # noted first, so that whoever has an answer finds it noted
        self._ledger.note(number, status=status)
        self._send(head(status, reason or phrase(status), headers))

    def _send(self, data: bytes) -> None:
        if not self._pace.drip:
            self._client.sendall(data)
            return
        for place in range(0, len(data), self._pace.piece):
            self._stopping.wait(self._pace.drip)
            self._client.sendall(data[place : place + self._pace.piece])
