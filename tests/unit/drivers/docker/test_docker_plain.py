"""Calls over a Unix socket to a small real server: connections are reused, broken ones told as they are."""

from __future__ import annotations

import io
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from zun_compose.drivers.docker import connect
from zun_compose.drivers.docker.address import Address
from zun_compose.drivers.docker.plain import KEPT, Plain
from zun_compose.drivers.docker.wire import Wire
from zun_compose.errors import Conflict, DriverTimeout, NotFound, Unavailable

INFO = b'HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/x\r\nContent-Length: 13\r\n\r\n{"ID": "one"}'
NOBODY = 65534


class Request:
    """A request as it came: its first line, its headers and body, and the number of its connection."""

    def __init__(self, file: io.BufferedReader, connection: int, pause: Callable[[], float]) -> None:
        self.connection = connection
        self.line = file.readline().decode().strip()
        if not self.line:
            raise EOFError
        self.headers = dict(
            line.decode().strip().lower().split(": ", 1) for line in iter(file.readline, b"\r\n")
        )
        time.sleep(pause())
        self.body = b""
        self.sizes: list[int] = []
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(file.readline(), 16):
                self.sizes.append(size)
                self.body += file.read(size)
                file.readline()
            file.readline()
        else:
            self.body = file.read(int(self.headers.get("content-length", 0)))

    @property
    def path(self) -> str:
        return self.line.split()[1].removeprefix("/v1.41")


Answer = Callable[[socket.socket, Request], bool]


class Server:
    """A thread a connection; `answer` says what a request gets and whether the connection stays open."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.seen: list[Request] = []
        self.answer: Answer = say(reply(b"{}"))
        self.connections = 0
        # seconds between a request's headers and its body
        self.pause = 0.0
        self.open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                self.open.append(sock)
                threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with sock, sock.makefile("rb") as file, suppress(OSError, EOFError):
            while True:
                request = Request(file, number, lambda: self.pause)
                self.seen.append(request)
                if request.path == "/info":
                    sock.sendall(INFO)
                elif not self.answer(sock, request):
                    break
        sock.close()

    def hang_up(self) -> None:
        """Close all connections, as an engine does that restarts, and return once that is done."""
        for sock in self.open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.open.clear()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()


def reply(content: bytes, status: str = "200 OK", length: int | None = None) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(content) if length is None else length}\r\n\r\n"
    return head.encode() + content


def say(*answers: bytes, stay: bool = True) -> Answer:
    """Answer with these bytes, one after the other, the last one again and again."""
    left = list(answers)

    def answer(sock: socket.socket, request: Request) -> bool:
        sock.sendall(left.pop(0) if len(left) > 1 else left[0])
        return stay

    return answer


def hang_up(sock: socket.socket, request: Request) -> bool:
    return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "engine.sock")
    yield made
    made.close()


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    made = Wire(Address(url=f"unix://{server.path}"), 5.0)
    yield made
    made.close()


def ask(wire: Wire, method: str = "GET", path: str = "/x") -> bytes:
    return wire.call(method, path, doing="do it")


def test_one_thread_needs_one_connection_whatever_it_asks(server: Server, wire: Wire) -> None:
    for number in range(5):
        assert wire.json("GET", f"/p{number}", doing="do it", parameters={"q": "a b&c"}) == {}
    ask(wire, "POST", "/q")
    assert server.connections == 1
    assert server.seen[1].line == "GET /v1.41/p0?q=a+b%26c HTTP/1.1"
    assert server.seen[-1].headers["content-length"] == "0"
    wire.call("POST", "/r", doing="do it", body={"ä": 1})
    assert server.seen[-1].body == b'{"\\u00e4": 1}'
    assert server.seen[-1].headers["content-type"] == "application/json"


def test_many_threads_each_get_their_own_answer(server: Server, wire: Wire) -> None:
    def echo(sock: socket.socket, request: Request) -> bool:
        body = request.path.encode()
        # in pieces, so that answers would mix if connections were shared
        for part in (reply(body)[:20], reply(body)[20:]):
            sock.sendall(part)
        return True

    server.answer = echo
    paths = [f"/{number}" for number in range(400)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda path: ask(wire, path=path), paths)) == [one.encode() for one in paths]
    assert server.connections <= 16 + 1


def test_no_more_connections_are_kept_than_agreed(server: Server) -> None:
    plain = Plain(server.path, 5.0)
    barrier = threading.Barrier(KEPT + 4)

    def together(sock: socket.socket, request: Request) -> bool:
        barrier.wait(10)
        sock.sendall(reply(b""))
        return True

    server.answer = together
    with ThreadPoolExecutor(KEPT + 4) as pool:
        list(pool.map(lambda _: plain.ask("GET", "/x", None, {}, 10.0), range(KEPT + 4)))
    assert len(plain._idle) == KEPT
    plain.close()
    assert plain._idle == []


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_connection_closed_between_two_calls_goes_unnoticed(
    server: Server, wire: Wire, method: str
) -> None:
    ask(wire)
    server.hang_up()
    ask(wire, method)
    assert server.connections == 2
    assert [request.path for request in server.seen] == ["/info", "/x", "/x"]


def test_a_connection_that_says_it_closes_is_not_used_again(server: Server, wire: Wire) -> None:
    server.answer = say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    for _ in range(3):
        ask(wire)
    assert [request.connection for request in server.seen] == [1, 1, 2, 3]


def test_what_nobody_asked_for_is_taken_for_no_answer(server: Server, wire: Wire) -> None:
    ask(wire)
    server.answer = say(reply(b"right"))
    server.open[0].sendall(reply(b"wrong", "408 Request Timeout"))
    assert ask(wire, "POST") == b"right"
    assert server.connections == 2


def test_a_question_lost_on_an_old_connection_is_asked_again_once(server: Server, wire: Wire) -> None:
    answers = [hang_up, say(reply(b"1"))]
    server.answer = lambda sock, request: answers.pop(0)(sock, request)
    _ = wire.engine
    assert ask(wire) == b"1"
    assert [request.connection for request in server.seen] == [1, 1, 2]
    server.answer = hang_up
    with pytest.raises(Unavailable, match="cannot do it: remote end closed connection without response"):
        ask(wire)
    assert [request.connection for request in server.seen] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_an_engine_may_have_done_is_not_asked_again(server: Server, wire: Wire, method: str) -> None:
    server.answer = hang_up
    _ = wire.engine
    with pytest.raises(Unavailable):
        ask(wire, method)
    assert len(server.seen) == 2


def test_what_was_never_sent_is_sent_again(
    server: Server, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other side may close between the look at a connection and the first byte."""
    ask(wire)
    monkeypatch.setattr("zun_compose.drivers.docker.plain._Connection.dead", False)
    server.hang_up()
    ask(wire, "POST")
    assert [request.line.split()[0] for request in server.seen] == ["GET", "GET", "POST"]


@pytest.mark.parametrize(
    "answer",
    [
        reply(b"{", length=10),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n12\r\n",
    ],
)
def test_a_reply_cut_short_is_unavailable(server: Server, wire: Wire, answer: bytes) -> None:
    server.answer = say(answer, stay=False)
    with pytest.raises(Unavailable, match="cannot do it: the docker engine's answer was cut short"):
        ask(wire)
    with pytest.raises(Unavailable, match="cut short"), cut(wire) as pieces:
        list(pieces)
    with pytest.raises(Unavailable, match="cut short"), cut(wire, lines=True) as pieces:
        list(pieces)
    # not even a GET is asked again once its reply began
    assert len(server.seen) == 4


@contextmanager
def cut(wire: Wire, *, lines: bool = False) -> Iterator[Iterator[bytes]]:
    from zun_compose.drivers.docker.errors import translated

    stream = wire.stream("GET", "/x", doing="do it")
    try:
        with translated("do it"):
            yield stream.lines() if lines else iter(stream.read, b"")
    finally:
        stream.close()


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 2", b"SSH-2.0-OpenSSH\r\n", b"\0\0\0\0", b"HTTP/1.1 200 OK\r\nConten"]
)
def test_nonsense_is_unavailable(server: Server, wire: Wire, answer: bytes) -> None:
    server.answer = say(answer, stay=False)
    with pytest.raises(Unavailable):
        wire.json("GET", "/x", doing="do it")


def test_a_slow_reply_is_a_timeout_and_its_connection_is_given_up(server: Server, wire: Wire) -> None:
    release = threading.Event()

    def late(sock: socket.socket, request: Request) -> bool:
        release.wait(10)
        sock.sendall(reply(b"late"))
        return True

    server.answer = late
    _ = wire.engine
    began = time.monotonic()
    with pytest.raises(DriverTimeout, match="cannot do it: the docker engine did not answer in time"):
        wire.call("GET", "/x", doing="do it", timeout=0.2)
    assert time.monotonic() - began < 9.0
    release.set()
    server.answer = say(reply(b"right"))
    assert ask(wire) == b"right"
    assert server.connections == 2


def test_a_timeout_in_the_middle_of_a_body(server: Server, wire: Wire) -> None:
    server.answer = say(reply(b"{", length=10))
    with pytest.raises(DriverTimeout):
        wire.call("GET", "/x", doing="do it", timeout=0.2)


def test_a_short_timeout_does_not_stay_with_the_connection(server: Server, wire: Wire) -> None:
    wire.call("GET", "/x", doing="do it", timeout=0.1)

    def slow(sock: socket.socket, request: Request) -> bool:
        time.sleep(0.4)
        sock.sendall(reply(b"there"))
        return True

    server.answer = slow
    assert ask(wire) == b"there"
    server.answer = say(reply(b""))
    wire.call("GET", "/x", doing="do it", timeout=0.2)
    server.answer, server.pause = say(reply(b"got it")), 0.6
    # more than fits into the socket before the other side reads
    assert wire.call("PUT", "/x", doing="do it", data=bytes(3_000_000)) == b"got it"
    assert server.connections == 1


def test_a_refusal_keeps_the_connection(server: Server, wire: Wire) -> None:
    server.answer = say(reply(b'{"message": "No such thing: x"}', "404 Not Found"))
    with pytest.raises(NotFound, match="cannot do it: no such thing: x"):
        ask(wire)
    with pytest.raises(NotFound, match="cannot do it: no such thing: x"):
        wire.stream("GET", "/x", doing="do it")
    with pytest.raises(NotFound, match="cannot do it: no such thing: x"):
        wire.hijack("/x", doing="do it")
    ask_again = [request.connection for request in server.seen]
    assert ask_again == [1, 1, 2, 3]


def test_a_stream_comes_as_it_is_told(server: Server, wire: Wire) -> None:
    heard = threading.Event()

    def tell(sock: socket.socket, request: Request) -> bool:
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\none\r\ntwo\r\n")
        assert heard.wait(10)
        sock.sendall(b"7\r\n words\n\r\n0\r\n\r\n")
        return False

    server.answer = tell
    stream = wire.stream("GET", "/x", doing="do it")
    lines = stream.lines()
    assert next(lines) == b"one\r"
    heard.set()
    assert list(lines) == [b"two words"]
    stream.close()
    assert server.seen[-1].headers["connection"] == "close"
    assert server.connections == 2


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n",
    ],
)
def test_a_hijacked_connection_carries_bytes_both_ways(server: Server, wire: Wire, head: bytes) -> None:
    def upper(sock: socket.socket, request: Request) -> bool:
        # the first bytes come along with the headers
        sock.sendall(head + b"hello ")
        while data := sock.recv(100):
            sock.sendall(data.upper())
        sock.sendall(b"!")
        return False

    server.answer = upper
    stream = wire.hijack("/x", doing="do it", body={})
    assert stream.read() == b"hello "
    stream.send(b"you")
    assert stream.read() == b"YOU"
    stream.end_input()
    assert stream.read() == b"!"
    assert stream.read() == b""
    stream.close()


def test_a_read_that_blocks_is_cut(server: Server, wire: Wire) -> None:
    server.answer = say(b"HTTP/1.1 101 UPGRADED\r\n\r\n")
    stream = wire.hijack("/x", doing="do it", timeout=None)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(stream.read()))
    reader.start()
    stream.cut()
    reader.join(5)
    assert got == [b""]
    stream.close()
    stream.cut()


def test_a_file_goes_out_in_chunks(server: Server, wire: Wire) -> None:
    content = os.urandom(300_000)
    stream = wire.stream("POST", "/build", doing="build", data=io.BytesIO(content))
    stream.close()
    assert server.seen[-1].body == content
    assert len(server.seen[-1].sizes) > 3
    wire.call("PUT", "/archive", doing="put", data=content)
    assert server.seen[-1].body == content
    assert server.seen[-1].headers["content-length"] == "300000"


def test_a_refused_upload_says_why(tmp_path: Path) -> None:
    path = tmp_path / "hasty.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def refuse() -> None:
            sock, _ = listener.accept()
            sock.recv(20)
            # it reads no more: what is on its way is lost, and sending breaks
            sock.sendall(reply(b'{"message": "too long"}', "409 Conflict"))
            sock.close()

        server = threading.Thread(target=refuse)
        server.start()
        stream = Plain(str(path), 5.0).open("POST", "/build", io.BytesIO(bytes(10_000_000)), {}, 5.0)
        assert stream.status == 409
        assert stream.rest().content == b'{"message": "too long"}'
        server.join(5)
        stream.close()


def test_nobody_there(tmp_path: Path) -> None:
    missing = tmp_path / "missing.sock"
    with pytest.raises(Unavailable) as nothing:
        connect(f"unix://{missing}").engine()
    assert str(nothing.value) == (
        f"cannot reach the docker engine at unix://{missing}: no such file or directory"
    )
    left = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(left))
    with pytest.raises(Unavailable, match=f"at {left}: connection refused"):
        connect(str(left)).engine()


def test_a_socket_that_is_not_for_us(server: Server) -> None:
    os.chmod(server.path, 0o600)
    root = os.geteuid() == 0
    if not root:
        os.chmod(server.path, 0)
    try:
        if root:
            os.seteuid(NOBODY)
        with pytest.raises(Unavailable, match="permission denied"):
            connect(f"unix://{server.path}").engine()
    finally:
        if root:
            os.seteuid(0)


def test_a_driver_that_was_closed_connects_again(server: Server, wire: Wire) -> None:
    ask(wire)
    wire.close()
    ask(wire)
    assert [(request.connection, request.path) for request in server.seen] == [
        (1, "/info"),
        (1, "/x"),
        (2, "/info"),
        (2, "/x"),
    ]


def test_a_conflict_in_a_stream_s_place_leaves_no_connection(server: Server, wire: Wire) -> None:
    server.answer = say(reply(b'{"message": "in use"}', "409 Conflict"))
    _ = wire.engine
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(Conflict):
            wire.stream("GET", "/x", doing="do it", timeout=5.0)
    deadline = time.monotonic() + 10
    while len(os.listdir("/proc/self/fd")) > before:
        # the server's ends close in threads of their own
        assert time.monotonic() < deadline
        time.sleep(0.01)
