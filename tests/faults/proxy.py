"""A proxy that stands before one HTTP service and does what its script says.

`with FaultProxy("http://127.0.0.1:9517", Rule(...)) as proxy:` listens on a port of its own choice; the
client under test is pointed at `proxy.url`. What the service answers is not rewritten: absolute links in it
go where the service says, which for most is the Host header, so back to the proxy. See docs/fault-proxy.md.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit

from tests.faults.ledger import Ledger, Passed
from tests.faults.script import Fault, Rule, Script
from tests.faults.visit import Visit
from tests.faults.wire import Request

BACKLOG = 128
JOIN = 10.0


class FaultProxy:
    """Listens from its making until `stop`; may be asked and told from any thread."""

    def __init__(self, upstream: str, *rules: Rule) -> None:
        parts = urlsplit(upstream)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f'"{upstream}" is no http:// address')
        self._upstream = (parts.hostname, parts.port or 80)
        self._script = Script(*rules)
        self._ledger = Ledger()
        self._lock = threading.Lock()
        self._visits: dict[threading.Thread, Visit] = {}
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.port: int = self._listener.getsockname()[1]
        self._doorman = threading.Thread(target=self._admit, name=f"fault-proxy-{self.port}")
        self._doorman.start()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def play(self, *rules: Rule) -> None:
        """Put other rules in force, none of which has matched yet; without any all passes."""
        with self._lock:
            self._script = Script(*rules)

    def passed(self) -> tuple[Passed, ...]:
        """Return all exchanges so far, in the order of their arrival."""
        return self._ledger.passed()

    def forget(self) -> None:
        """Begin the account anew."""
        self._ledger.forget()

    def until(self, true: Callable[[tuple[Passed, ...]], bool], timeout: float = 10.0) -> tuple[Passed, ...]:
        """Wait until something holds of the exchanges, and return them. Raises TimeoutError."""
        return self._ledger.until(true, timeout)

    def settle(self, timeout: float = 10.0) -> tuple[Passed, ...]:
        """Wait until nothing is on its way any more, and return all exchanges. Raises TimeoutError.

        A client that gave up does not end its exchange: what is late still reaches the service.
        """
        return self.until(lambda passed: all(one.ended for one in passed), timeout)

    def stop(self) -> None:
        """Close all connections and end all threads; twice is once. Raises RuntimeError if one stays."""
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._doorman.join(JOIN)
        self._listener.close()
        with self._lock:
            visits = dict(self._visits)
        for visit in visits.values():
            visit.cut()
        for thread in visits:
            thread.join(JOIN)
        left = [thread.name for thread in (self._doorman, *visits) if thread.is_alive()]
        if left:
            raise RuntimeError(f"still running: {', '.join(left)}")

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _admit(self) -> None:
        # the listener's shutdown ends accept with an error
        with suppress(OSError):
            while not self._stopping.is_set():
                client, _ = self._listener.accept()
                visit = Visit(client, self._upstream, self._choose, self._ledger, self._stopping)
                thread = threading.Thread(
                    target=self._receive, args=[visit], name=f"fault-proxy-{self.port}-visit"
                )
                with self._lock:
                    self._visits[thread] = visit
                thread.start()

    def _receive(self, visit: Visit) -> None:
        try:
            visit.run()
        finally:
            with self._lock:
                del self._visits[threading.current_thread()]

    def _choose(self, request: Request) -> Fault | None:
        with self._lock:
            return self._script.take(request.method, request.path)
