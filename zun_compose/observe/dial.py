"""TCP connections that keep a deadline and let themselves be stopped, and names that resolve in time."""

from __future__ import annotations

import errno
import ipaddress
import os
import queue
import select
import socket
import threading
import time

from zun_compose.record import Record

_SLICE = 0.1


class Stopped(Exception):
    """The caller wants no answer any more; never leaves this package."""


class Patience(Record, kw_only=True):
    """Until when (monotonic seconds) an answer is waited for; `seconds` is how long that was at the start."""

    seconds: float
    until: float
    stop: threading.Event | None = None

    @classmethod
    def of(cls, seconds: float, stop: threading.Event | None = None) -> Patience:
        """Return a patience of so many seconds from now."""
        return cls(seconds=seconds, until=time.monotonic() + seconds, stop=stop)

    def left(self) -> float:
        """Return the seconds left, more than 0. Raises TimeoutError or Stopped."""
        if self.stop is not None and self.stop.is_set():
            raise Stopped
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def share(self, count: int) -> Patience:
        """Return the patience for one of `count` attempts still to be made. Raises as `left` does."""
        if count <= 1:
            return self
        return Patience(seconds=self.seconds, until=time.monotonic() + self.left() / count, stop=self.stop)

    def slice(self) -> float:
        """Return how long to block at most before looking at the clock again. Raises as `left` does."""
        return min(self.left(), _SLICE)


def family(address: str) -> socket.AddressFamily:
    """Return the family of a numeric address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def connect(address: str, port: int, patience: Patience, made: socket.socket | None = None) -> socket.socket:
    """Connect to a numeric address, with the socket `made` if it comes from elsewhere.

    Raises OSError (TimeoutError when the time is up) or Stopped.
    """
    patience.left()
    made = made or socket.socket(family(address), socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        code = made.connect_ex((address, port))
        if code == errno.EINPROGRESS:
            # poll, not select: descriptors beyond 1023 are ordinary here.
            poller = select.poll()
            poller.register(made, select.POLLOUT)
            while not poller.poll(patience.slice() * 1000):
                pass
            code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except BaseException:
        made.close()
        raise
    if code:
        made.close()
        raise OSError(code, os.strerror(code))
    return made


def resolve(host: str, patience: Patience) -> tuple[str, ...]:
    """Return the addresses of a name, or the address itself. Raises OSError or Stopped.

    The system's resolver knows no time limit, so it is asked by a thread that may be left behind.
    """
    try:
        return (str(ipaddress.ip_address(host.strip("[]"))),)
    except ValueError:
        pass
    # not SimpleQueue: interrupted by a signal, its get() may forget its timeout
    answers: queue.Queue[tuple[str, ...] | OSError] = queue.Queue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            answers.put(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except OSError as error:
            answers.put(error)
        except UnicodeError:
            answers.put(OSError(errno.EINVAL, "not a host name"))

    threading.Thread(target=ask, name="zun-compose-resolve", daemon=True).start()
    while True:
        try:
            answer = answers.get(timeout=patience.slice())
        except queue.Empty:
            continue
        if isinstance(answer, OSError):
            raise answer
        return answer


def reason(error: OSError, patience: Patience) -> str:
    """Say in a few words why a connection failed."""
    match error:
        case TimeoutError():
            return f"no answer within {patience.seconds:g} s"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError() | BrokenPipeError():
            return "connection reset"
        case socket.gaierror():
            return "the name does not resolve"
    return (error.strerror or type(error).__name__).lower()
