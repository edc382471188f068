"""The proxy without faults is not noticed, but by its account; stopped it leaves nothing."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.proxy import FaultProxy
from tests.faults.script import At, Delay, Drop, Rule, Silence
from tests.faults.upstream import PAGE, Service, large, serving

LIMIT = 10.0


def ask(proxy: FaultProxy, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=LIMIT)
    try:
        connection.request(method, path, body)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def raw(proxy: FaultProxy, sent: bytes) -> bytes:
    """Send bytes and return all that comes until the proxy closes."""
    with socket.create_connection(("127.0.0.1", proxy.port), LIMIT) as client:
        client.sendall(sent)
        found = b""
        while data := client.recv(65536):
            found += data
        return found


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/list?limit=2", 200, PAGE),
        ("GET", "/chunks", 200, b"one two three"),
        ("GET", "/close", 200, b"until the end"),
        ("GET", "/nothing", 204, b""),
        ("GET", "/unchanged", 304, b""),
        ("HEAD", "/list", 200, b""),
        ("HEAD", "/chunks", 200, b""),
        ("DELETE", "/nothing", 204, b""),
        ("POST", "/new", 202, b'{"name": "web"}'),
    ],
)
def test_an_exchange_is_as_without_the_proxy_and_accounted_for(
    service: Service, proxy: FaultProxy, method, path, status, body
):
    sent = body if method == "POST" else None
    assert ask(proxy, method, path, sent) == (status, body)
    (passed,) = proxy.settle()
    assert (passed.method, passed.path, passed.status, passed.upstream) == (method, path, status, status)
    assert passed.reached
    assert passed.fault is None
    assert service.asked == [(method, path, sent or b"")]


def test_many_requests_share_one_connection(service: Service, proxy: FaultProxy):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=LIMIT)
    connection.connect()
    first = connection.sock.getsockname()
    for path in ("/list", "/chunks", "/nothing", "/unchanged", "/close", "/list"):
        connection.request("GET", path)
        connection.getresponse().read()
    connection.request("HEAD", "/list")
    reply = connection.getresponse()
    assert (reply.getheader("Content-Length"), reply.read()) == (str(len(PAGE)), b"")
    connection.request("POST", "/new", b"x" * 100)
    assert connection.getresponse().read() == b"x" * 100
    assert connection.sock.getsockname() == first
    connection.close()
    assert len(proxy.passed()) == len(service.asked) == 8


def test_large_bodies_pass_both_ways(service: Service, proxy: FaultProxy):
    body = large()
    assert ask(proxy, "GET", "/large") == (200, body)
    assert ask(proxy, "POST", "/new", body) == (202, body)


def test_a_chunked_request_is_put_together(service: Service, proxy: FaultProxy):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=LIMIT)
    connection.request("POST", "/new", iter([b"one ", b"two"]), encode_chunked=True)
    assert connection.getresponse().read() == b"one two"
    connection.request("GET", "/list")
    assert connection.getresponse().read() == PAGE
    connection.close()
    assert service.asked[0] == ("POST", "/new", b"one two")


def test_who_waits_for_a_go_ahead_gets_it(proxy: FaultProxy):
    with socket.create_connection(("127.0.0.1", proxy.port), LIMIT) as client:
        client.sendall(
            b"POST /new HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"abc")
        assert client.makefile("rb").read().endswith(b"\r\n\r\nabc")


def test_an_old_client_gets_its_body_until_the_close(proxy: FaultProxy):
    found = raw(proxy, b"GET /chunks HTTP/1.0\r\n\r\n")
    assert b"chunked" not in found
    assert found.endswith(b"\r\n\r\none two three")


def test_headers_pass_and_links_are_not_rewritten(proxy: FaultProxy):
    found = raw(
        proxy, b"GET /linked HTTP/1.1\r\nHost: zun.test:1\r\nX-Auth-Token: t\r\nConnection: close\r\n\r\n"
    )
    assert b"\r\nLocation: http://zun.test:1/elsewhere\r\n" in found
    assert b"\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n" in found
    (passed,) = proxy.passed()
    assert passed.header("x-auth-token") == "t"
    assert "x-auth-token" not in repr(passed).lower()


def test_clients_are_served_at_once(service: Service, proxy: FaultProxy):
    # all but one are answered while that one is not
    proxy.play(Rule(fault=Silence(), path="^/held"))
    with socket.create_connection(("127.0.0.1", proxy.port), LIMIT) as held:
        held.sendall(b"GET /held HTTP/1.1\r\nHost: h\r\n\r\n")
        proxy.until(lambda passed: len(passed) == 1)
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda number: ask(proxy, "POST", "/new", b"%d" % number), range(64)))
        assert found == [(202, b"%d" % number) for number in range(64)]
    assert len(proxy.settle()) == 65
    assert len(service.asked) == 64


def test_a_service_that_breaks_off_is_passed_on_as_that(proxy: FaultProxy):
    found = raw(proxy, b"GET /broken HTTP/1.1\r\nHost: h\r\n\r\n")
    assert b"Content-Length: 100" in found
    assert found.endswith(b"\r\n\r\nhalf")


def test_a_service_that_is_not_there_is_a_502_that_never_reached():
    with serving() as gone:
        pass
    with FaultProxy(gone.url) as proxy:
        assert ask(proxy, "GET", "/list")[0] == 502
        (passed,) = proxy.settle()
        assert (passed.reached, passed.upstream, passed.status) == (False, None, 502)


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a" * 70000,
    ],
)
def test_a_request_that_is_none_is_refused(proxy: FaultProxy, sent):
    assert raw(proxy, sent).startswith(b"HTTP/1.1 400 ")
    assert proxy.passed() == ()


def test_the_account_can_be_begun_anew_and_waited_for(proxy: FaultProxy):
    ask(proxy, "GET", "/one")
    proxy.settle()
    proxy.forget()
    ask(proxy, "GET", "/two")
    assert [(one.number, one.path) for one in proxy.settle()] == [(2, "/two")]
    with pytest.raises(TimeoutError, match="/two"):
        proxy.until(lambda passed: len(passed) == 2, 0.01)


def test_only_http_addresses_are_served():
    with pytest.raises(ValueError, match="no http"):
        FaultProxy("https://127.0.0.1:1")


def test_stopped_in_the_middle_of_everything_it_leaves_no_thread_and_no_socket():
    with serving() as service:
        before, threads = _sockets(), threading.active_count()
        proxy = FaultProxy(
            service.url,
            Rule(fault=Silence(), path="silent", times=None),
            Rule(fault=Delay(before_forwarding=600), path="late", times=None),
            Rule(fault=Delay(before_answer=600), path="slow", times=None),
            Rule(fault=Delay(drip=600), path="drip", times=None),
            Rule(fault=Drop(at=At.FORWARDING), path="gone", times=None),
        )
        clients = []
        for path in ("silent", "late", "slow", "drip", "gone", "list"):
            client = socket.create_connection(("127.0.0.1", proxy.port), LIMIT)
            client.sendall(f"GET /{path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            clients.append(client)
        # and one that never asks anything
        clients.append(socket.create_connection(("127.0.0.1", proxy.port), LIMIT))
        proxy.until(lambda passed: len(passed) == 6 and any(one.status == 200 for one in passed))
        proxy.stop()
        proxy.stop()
        for client in clients:
            client.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", proxy.port), LIMIT)
        assert threading.active_count() <= threads + _serving()
    assert _sockets() < before


def _serving() -> int:
    """Count the service's own threads, which end when their connections have."""
    return sum("process_request" in thread.name for thread in threading.enumerate())


def _sockets() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found
