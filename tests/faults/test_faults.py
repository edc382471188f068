"""Each fault as a client sees it, byte by byte."""

from __future__ import annotations

import http.client
import json
import socket
import time

import pytest

from tests.faults.proxy import FaultProxy
from tests.faults.script import Answer, At, Delay, Drop, Garble, Nonsense, Rule, Silence, refusal
from tests.faults.upstream import PAGE, Service

LIMIT = 10.0
POST = b"POST /new HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789"
GET = b"GET /list HTTP/1.1\r\nHost: h\r\n\r\n"


def dial(proxy: FaultProxy, sent: bytes, limit: float = LIMIT) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", proxy.port), limit)
    client.sendall(sent)
    return client


def everything(client: socket.socket) -> bytes:
    with client, client.makefile("rb") as stream:
        return stream.read()


def test_a_delay_before_forwarding_holds_the_request_back(service: Service, proxy: FaultProxy):
    proxy.play(Rule(fault=Delay(before_forwarding=600)))
    with dial(proxy, POST, 0.2) as client:
        (passed,) = proxy.until(lambda passed: len(passed) == 1)
        with pytest.raises(TimeoutError):
            client.recv(1)
    assert service.asked == []
    assert not passed.reached


def test_what_is_late_arrives_though_its_client_has_given_up(service: Service, proxy: FaultProxy):
    proxy.play(Rule(fault=Delay(before_forwarding=0.3)))
    dial(proxy, POST).close()
    proxy.until(lambda passed: len(passed) == 1)
    (passed,) = proxy.settle()
    assert passed.reached
    assert service.asked == [("POST", "/new", b"0123456789")]


def test_a_delay_before_the_answer_lets_the_service_act_at_once(service: Service, proxy: FaultProxy):
    proxy.play(Rule(fault=Delay(before_answer=600)))
    with dial(proxy, POST, 0.2) as client:
        proxy.until(lambda passed: passed[0].upstream == 202 if passed else False)
        with pytest.raises(TimeoutError):
            client.recv(1)
    assert len(service.asked) == 1


def test_a_drip_is_the_answer_whole_and_slow(proxy: FaultProxy):
    proxy.play(Rule(fault=Delay(drip=0.01, piece=20)))
    began = time.monotonic()
    with dial(proxy, GET) as client:
        reply = http.client.HTTPResponse(client)
        reply.begin()
        assert reply.read() == PAGE
    assert time.monotonic() - began >= 0.01 * (len(PAGE) // 20)


@pytest.mark.parametrize(("at", "reached"), [(At.FORWARDING, False), (At.ANSWER, True)])
def test_a_connection_closed_without_an_answer(service: Service, proxy: FaultProxy, at, reached):
    proxy.play(Rule(fault=Drop(at=at)))
    assert everything(dial(proxy, POST)) == b""
    (passed,) = proxy.settle()
    assert (passed.reached, passed.upstream, passed.status) == (reached, 202 if reached else None, None)
    assert len(service.asked) == reached


def test_a_connection_closed_within_the_body(service: Service, proxy: FaultProxy):
    proxy.play(Rule(fault=Drop(at=At.BODY)))
    found = everything(dial(proxy, POST))
    assert found.startswith(b"HTTP/1.1 202 ")
    assert b"Content-Length: 10" in found
    assert found.endswith(b"\r\n\r\n01234")
    assert len(service.asked) == 1


def test_where_there_is_no_body_the_head_breaks(proxy: FaultProxy):
    proxy.play(Rule(fault=Drop(at=At.BODY)))
    found = everything(dial(proxy, b"DELETE /nothing HTTP/1.1\r\nHost: h\r\n\r\n"))
    assert found == b"HTTP/1.1"


@pytest.mark.parametrize("at", [At.FORWARDING, At.ANSWER])
def test_a_connection_may_be_reset(proxy: FaultProxy, at):
    proxy.play(Rule(fault=Drop(at=at, reset=True)))
    with dial(proxy, POST) as client, pytest.raises(ConnectionResetError):
        client.recv(1)


@pytest.mark.parametrize("forward", [False, True])
def test_silence_lasts_until_the_client_leaves(service: Service, proxy: FaultProxy, forward):
    proxy.play(Rule(fault=Silence(forward=forward)))
    with dial(proxy, POST, 0.2) as client:
        proxy.until(lambda passed: len(passed) == 1 and passed[0].reached is forward)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert not proxy.passed()[0].ended
    (passed,) = proxy.settle()
    assert passed.status is None
    assert len(service.asked) == forward


@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 502, 503, 504])
def test_an_answer_of_its_own_and_the_next_request_on_the_same_connection(
    service: Service, proxy: FaultProxy, status, forward
):
    proxy.play(Rule(fault=refusal(status, "not today", retry_after=7, forward=forward)))
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=LIMIT)
    connection.request("POST", "/new", b"0123456789")
    reply = connection.getresponse()
    assert reply.status == status
    assert reply.getheader("Retry-After") == "7"
    assert json.loads(reply.read())["errors"][0]["detail"] == "not today"
    connection.request("GET", "/list")
    assert connection.getresponse().read() == PAGE
    connection.close()
    first, second = proxy.settle()
    assert (first.reached, first.status, first.upstream) == (forward, status, 202 if forward else None)
    assert (second.reached, second.status, second.fault) == (True, 200, None)
    assert [method for method, _, _ in service.asked] == ["POST", "GET"][not forward :]


def test_an_answer_to_head_has_no_body(proxy: FaultProxy):
    proxy.play(Rule(fault=refusal(503)), Rule(fault=Answer(status=204)))
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=LIMIT)
    connection.request("HEAD", "/list")
    assert connection.getresponse().read() == b""
    connection.request("GET", "/list")
    reply = connection.getresponse()
    assert (reply.status, reply.read()) == (204, b"")
    connection.request("GET", "/list")
    assert connection.getresponse().read() == PAGE
    connection.close()


def test_bytes_that_are_not_http(service: Service, proxy: FaultProxy):
    proxy.play(Rule(fault=Garble(what=Nonsense.NOT_HTTP, forward=True)))
    with dial(proxy, POST) as client, pytest.raises(http.client.BadStatusLine):
        http.client.HTTPResponse(client).begin()
    (passed,) = proxy.settle()
    assert (passed.status, passed.upstream) == (None, 202)


@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize(
    ("what", "kind"),
    [
        (Nonsense.NOT_JSON, "application/json"),
        (Nonsense.EMPTY, "application/json"),
        (Nonsense.WRONG_TYPE, "text/html"),
    ],
)
def test_a_body_that_is_not_what_it_says(service: Service, proxy: FaultProxy, what, kind, forward):
    proxy.play(Rule(fault=Garble(what=what, forward=forward)))
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=LIMIT)
    connection.request("POST", "/new", b"{}")
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    assert reply.status == (202 if forward else 200)
    assert reply.getheader("Content-Type") == kind
    assert (body == b"") is (what is Nonsense.EMPTY)
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    assert len(service.asked) == forward


def test_json_that_answers_something_else(proxy: FaultProxy):
    proxy.play(Rule(fault=Garble(what=Nonsense.WRONG_SHAPE)))
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=LIMIT)
    connection.request("GET", "/list")
    assert json.loads(connection.getresponse().read()) == ["welcome"]
    connection.close()


def test_a_chunk_that_is_cut(proxy: FaultProxy):
    proxy.play(Rule(fault=Garble(what=Nonsense.CUT_CHUNK)))
    with dial(proxy, GET) as client:
        reply = http.client.HTTPResponse(client)
        reply.begin()
        with pytest.raises(http.client.IncompleteRead):
            reply.read()
    (passed,) = proxy.settle()
    assert (passed.status, passed.reached) == (200, False)
