"""Probes of externals, against real servers in threads."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from zun_compose.container import Observed, PortKey, State
from zun_compose.driver import EngineInfo
from zun_compose.model import Probe, ProbeKind
from zun_compose.observe.probes import Prober
from zun_compose.record import replace
from zun_compose.sighting import Answer

INFO = EngineInfo(id="none", driver="none", name="none")


class Bare:
    """A driver without any capability."""

    name = "bare"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str, Mapping[str, str]]]

    def do_GET(self) -> None:
        self.asked.append((self.command, self.path, dict(self.headers.items())))
        code = int(self.path.split("/")[1].split("?")[0] or 200)
        body = b"x" * 70_000 + b"far" if "long" in self.path else b"all systems go"
        self.send_response(code)
        if code in (301, 302):
            self.send_header("Location", "/200")
        if "chunked" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"4\r\nall \r\n7\r\nsystems\r\n0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # who asks may hang up in the middle


@pytest.fixture
def site() -> Iterator[Server]:
    handler = type("Fresh", (Handler,), {"asked": []})
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def prober() -> Iterator[Prober]:
    made = Prober(Bare(), INFO)  # type: ignore[arg-type]
    yield made
    made.close()


def probe(port: int, **rest: object) -> Probe:
    fields: dict[str, object] = {"kind": ProbeKind.HTTP, "host": "127.0.0.1", "port": port, "timeout": 5.0}
    return Probe(**(fields | rest))  # type: ignore[arg-type]


@contextmanager
def raw(talk: Callable[[socket.socket], object]) -> Iterator[int]:
    """Serve one connection with a function of the test's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            with connection, suppress(OSError):  # who asked may have hung up
                talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def told(answer: Answer) -> tuple[bool, bool, str]:
    return answer.ok, answer.ran, answer.text


class TestHttp:
    def test_a_good_status_is_ok(self, prober: Prober, site: Server) -> None:
        answer = prober.ask(probe(site.server_port, path="/200"), None)
        assert told(answer) == (True, True, "http 200 OK")
        assert 0 < answer.seconds < 5

    def test_a_bad_status_is_told(self, prober: Prober, site: Server) -> None:
        answer = prober.ask(probe(site.server_port, path="/503"), None)
        assert told(answer) == (False, True, "http 503 Service Unavailable")

    def test_redirects_are_not_followed(self, prober: Prober, site: Server) -> None:
        only200 = probe(site.server_port, path="/302", statuses=((200, 200),))
        assert told(prober.ask(only200, None)) == (False, True, "http 302 Found")
        assert told(prober.ask(replace(only200, statuses=((200, 200), (300, 399))), None))[0]
        assert [path for _, path, _ in site.RequestHandlerClass.asked] == ["/302", "/302"]  # type: ignore[attr-defined]

    def test_what_is_sent(self, prober: Prober, site: Server) -> None:
        asked = site.RequestHandlerClass.asked  # type: ignore[attr-defined]
        headers = {"X-Token": "geheim", "host": "shop.example"}
        prober.ask(probe(site.server_port, path="/204?a=ü", method="HEAD", headers=headers), None)
        prober.ask(probe(site.server_port, path="/200"), None)
        method, path, sent = asked[0]
        assert (method, path) == ("HEAD", "/204?a=%C3%BC")
        assert (sent["host"], sent["X-Token"], sent["Connection"]) == ("shop.example", "geheim", "close")
        assert asked[1][2]["Host"] == f"127.0.0.1:{site.server_port}"

    @pytest.mark.parametrize("path", ["/200", "/200/chunked"])
    def test_the_body_is_searched(self, prober: Prober, site: Server, path: str) -> None:
        assert told(prober.ask(probe(site.server_port, path=path, body="^all sys"), None))[0]
        answer = prober.ask(probe(site.server_port, path=path, body="nothing goes"), None)
        assert told(answer) == (False, True, "http 200 OK, but the body does not match")

    def test_only_so_much_of_a_body_is_read(self, prober: Prober, site: Server) -> None:
        assert not prober.ask(probe(site.server_port, path="/200/long", body="far"), None).ok
        assert prober.ask(probe(site.server_port, path="/200/long", body="^x{60000}"), None).ok

    def test_a_header_can_not_smuggle_a_line_and_is_never_shown(self, prober: Prober, site: Server) -> None:
        answer = prober.ask(probe(site.server_port, headers={"X": "geheim\r\nY: 1"}), None)
        assert (answer.ok, answer.ran) == (False, False)
        assert "geheim" not in answer.text
        assert not prober.ask(probe(site.server_port, path="/a b"), None).ran
        assert not prober.ask(probe(site.server_port, method="GET /"), None).ran
        assert not site.RequestHandlerClass.asked  # type: ignore[attr-defined]

    def test_a_wrong_pattern_is_no_verdict(self, prober: Prober, site: Server) -> None:
        answer = prober.ask(probe(site.server_port, path="/200", body="("), None)
        assert (answer.ok, answer.ran) == (False, False)

    def test_a_server_that_speaks_something_else(self, prober: Prober) -> None:
        with raw(lambda connection: connection.sendall(b"220 smtp ready\r\n")) as port:
            assert told(prober.ask(probe(port), None)) == (False, True, "not an http answer")

    def test_a_server_that_hangs_up(self, prober: Prober) -> None:
        with raw(lambda connection: connection.recv(65536)) as port:
            assert told(prober.ask(probe(port), None)) == (False, True, "closed without an answer")

    def test_a_silent_server_is_given_up(self, prober: Prober) -> None:
        done = threading.Event()
        with raw(lambda _: done.wait(10)) as port:
            answer = prober.ask(probe(port, timeout=0.3), None)
            done.set()
        assert told(answer) == (False, True, "no answer within 0.3 s")
        assert answer.seconds < 9

    def test_a_dripping_server_is_given_up(self, prober: Prober) -> None:
        done = threading.Event()

        def drip(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not done.wait(0.02):
                connection.sendall(b"x")

        with raw(drip) as port:
            answer = prober.ask(probe(port, timeout=0.4), None)
            done.set()
        assert told(answer) == (False, True, "no answer within 0.4 s")
        assert answer.seconds < 9

    def test_stopping_ends_the_wait(self, prober: Prober) -> None:
        stop = threading.Event()

        def wait(connection: socket.socket) -> None:
            connection.recv(65536)
            stop.set()
            connection.recv(65536)

        with raw(wait) as port:
            answer = prober.ask(probe(port, timeout=60.0), None, stop)
        assert told(answer) == (False, False, "stopped")
        assert answer.seconds < 50

    def test_https_answers_without_checking_names(self, prober: Prober, site: Server, tmp_path: Path) -> None:
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]  # noqa: RUF005
            + [
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=x",
                "-keyout",
                tmp_path / "key",
                "-out",
                tmp_path / "cert",
            ],
            capture_output=True,
            check=False,
            timeout=60,
        )
        if made.returncode:
            pytest.skip("no openssl to make a certificate with")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
        site.socket = context.wrap_socket(site.socket, server_side=True)
        answer = prober.ask(probe(site.server_port, scheme="https", path="/200"), None)
        assert told(answer) == (True, True, "https 200 OK (certificate not checked)")


class TestTcp:
    def test_accepts(self, prober: Prober) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            for kind, more in ((ProbeKind.TCP, {}), (ProbeKind.LISTENING, {"ports": (port,)})):
                answer = prober.ask(probe(port, kind=kind, host="localhost", **more), None)
                assert told(answer) == (True, True, f"{port}/tcp accepts")

    def test_refuses(self, prober: Prober) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        answer = prober.ask(probe(port, kind=ProbeKind.TCP), None)
        assert told(answer) == (False, True, "connection refused")

    def test_a_full_backlog_is_given_up(self, prober: Prober) -> None:
        with socket.socket() as server, socket.socket() as first, socket.socket() as second:
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            for filler in (first, second):
                filler.setblocking(False)
                filler.connect_ex(server.getsockname())
            answer = prober.ask(probe(server.getsockname()[1], kind=ProbeKind.TCP, timeout=0.3), None)
        assert told(answer) == (False, True, "no answer within 0.3 s")

    def test_an_unknown_name(self, prober: Prober) -> None:
        answer = prober.ask(probe(80, kind=ProbeKind.TCP, host="no-such-host.invalid", timeout=20.0), None)
        assert told(answer) == (False, True, "the name does not resolve")

    def test_what_can_not_be_asked_of_an_external(self, prober: Prober) -> None:
        for kind in (ProbeKind.EXEC, ProbeKind.LOG):
            assert not prober.ask(probe(1, kind=kind), None).ran
        assert not prober.ask(probe(1, kind=ProbeKind.TCP, host=None), None).ran
        assert not prober.ask(Probe(kind=ProbeKind.TCP, host="127.0.0.1"), None).ran


class Told(Bare):
    """An engine that knows its containers' ports, as the memory driver does."""

    ports = frozenset({PortKey(80)})

    def listening(self, container: str) -> frozenset[PortKey]:
        return self.ports


def test_an_engine_that_knows_is_asked_directly() -> None:
    prober = Prober(Told(), INFO)  # type: ignore[arg-type]
    seen = Observed(
        id="c", name="c", service="c", number=1, state=State.RUNNING, exposed=(PortKey(80), PortKey(90))
    )
    listening = Probe(kind=ProbeKind.LISTENING)
    assert told(prober.ask(replace(listening, ports=(80,)), seen)) == (True, True, "listening on 80/tcp")
    answer = prober.ask(replace(listening, ports=(80, 81)), seen)
    assert told(answer) == (False, True, "not listening on 81/tcp")
    assert prober.ask(listening, seen).ok, "of what the image exposes one is enough"
    declared = frozenset({PortKey(80), PortKey(90)})
    assert not prober.ask(listening, seen, declared=declared).ok, "of what the file declares all"
    assert told(prober.ask(listening, replace(seen, exposed=()))) == (False, False, "no port is declared")
    assert not prober.ask(listening, replace(seen, state=State.EXITED)).ran
    began = time.monotonic()
    stop = threading.Event()
    stop.set()
    assert told(prober.ask(listening, seen, stop)) == (False, False, "stopped")
    assert time.monotonic() - began < 5
    prober.close()
