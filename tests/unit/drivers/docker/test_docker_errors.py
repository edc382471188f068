"""Each way to fail becomes the error that says what to do about it."""

from __future__ import annotations

import http.client
import json

import pytest
import requests
import urllib3
import urllib3.exceptions
from docker.errors import DockerException

from zun_compose.drivers.docker.errors import checked, from_words, tidy, translated
from zun_compose.drivers.docker.transport import Reply
from zun_compose.drivers.docker.wire import short
from zun_compose.errors import (
    Conflict,
    DriverError,
    DriverTimeout,
    NotFound,
    Rejected,
    Unavailable,
    Unsupported,
)


def _refused(status: int, content: str, hide: tuple[str, ...] = ()) -> DriverError:
    reply = Reply(status=status, reason="The Reason", headers={}, content=content.encode())
    with pytest.raises(DriverError) as caught:
        checked(reply, 'start container "x"', hide)
    return caught.value


def _message(status: int, message: str, hide: tuple[str, ...] = ()) -> DriverError:
    return _refused(status, json.dumps({"message": message}), hide)


def _raised(error: Exception) -> DriverError:
    with pytest.raises(DriverError) as caught, translated('start container "x"'):
        raise error
    assert caught.value.__suppress_context__
    return caught.value


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "invalid reference format", Rejected),
        (401, "unauthorized", Rejected),
        (403, "operation not permitted", Rejected),
        (404, "No such container: x", NotFound),
        (409, "Conflict. The container name is already in use by container", Conflict),
        (500, "driver failed: Bind for 0.0.0.0:80 failed: port is already allocated", Conflict),
        (500, "can only kill running containers: container state improper", Conflict),
        (500, 'the container name "x" is already in use by 0d20', Conflict),
        (500, "OCI runtime create failed: runc: exec failed", Rejected),
        (500, "Get https://registry/v2/: dial tcp: lookup registry: no such host", Unavailable),
        (500, "Get https://registry/v2/: context deadline exceeded", Unavailable),
        (500, "manifest for x:y not found: manifest unknown", NotFound),
        (500, "Head: unauthorized: incorrect username or password", Rejected),
        (501, "configured logging driver does not support reading", Unsupported),
        (500, "configured logging driver does not support reading", Unsupported),
        (503, "this node is not a swarm manager", Unavailable),
    ],
)
def test_statuses_and_words(status: int, message: str, kind: type[DriverError]) -> None:
    error = _message(status, message)
    assert type(error) is kind
    assert str(error).startswith('cannot start container "x": ')


@pytest.mark.parametrize(
    ("content", "reason"),
    [("plain words\n", "plain words"), ("", "the Reason"), ("[1]", "[1]"), ('{"error": 1}', '{"error": 1}')],
)
def test_a_refusal_that_is_not_the_daemon_s_own_is_quoted(content: str, reason: str) -> None:
    assert _refused(400, content).reason == reason


def test_what_is_granted() -> None:
    for status in (101, 200, 204, 304):
        reply = Reply(status=status, reason="", headers={}, content=b"")
        assert checked(reply, "do it") is reply
    assert type(_refused(301, "Moved Permanently")) is Rejected


MID_BODY = urllib3.exceptions.ReadTimeoutError(
    urllib3.HTTPConnectionPool("localhost"), "/", "Read timed out."
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (requests.ConnectTimeout(), DriverTimeout),
        (requests.ReadTimeout(), DriverTimeout),
        # how requests wraps a timeout in the middle of a body
        (requests.ConnectionError(MID_BODY), DriverTimeout),
        (TimeoutError(), DriverTimeout),
        (PermissionError(13, "Permission denied"), Unavailable),
        (http.client.RemoteDisconnected("closed"), Unavailable),
        (http.client.IncompleteRead(b"x", 5), Unavailable),
        (http.client.BadStatusLine("x"), Unavailable),
        (requests.ConnectionError(ConnectionRefusedError(111, "Connection refused")), Unavailable),
        # urllib3 counts it among the timeouts
        (
            urllib3.exceptions.NewConnectionError(urllib3.connection.HTTPConnection("x"), "refused"),
            Unavailable,
        ),
        (FileNotFoundError(2, "No such file or directory"), Unavailable),
        (urllib3.exceptions.ProtocolError("Connection broken"), Unavailable),
        (requests.exceptions.ChunkedEncodingError("broken"), Unavailable),
        (requests.exceptions.InvalidURL("bad"), Rejected),
        (DockerException("Credentials store error"), Rejected),
        (json.JSONDecodeError("no", "", 0), Unavailable),
    ],
)
def test_exceptions_without_a_reply(error: Exception, kind: type[DriverError]) -> None:
    assert type(_raised(error)) is kind


@pytest.mark.parametrize(
    ("words", "port"),
    [
        (
            "driver failed programming external connectivity on endpoint a-1 (7287de355d1b): Error starting "
            "userland proxy: listen tcp4 127.0.0.1:80: bind: address already in use",
            "127.0.0.1:80",
        ),
        ("driver failed: Bind for 0.0.0.0:80 failed: port is already allocated", "0.0.0.0:80"),
        ("failed to bind host port: listen udp6 [::1]:53: bind: address already in use", "[::1]:53"),
    ],
)
def test_a_taken_port_is_named_and_what_to_do(words: str, port: str) -> None:
    error = _message(500, words)
    assert type(error) is Conflict
    assert error.reason == (
        f'port "{port}" of the machine is taken: stop what uses it, or publish another port'
    )


def test_the_words_are_those_people_know() -> None:
    assert _raised(PermissionError(13, "Permission denied")).reason == "permission denied"
    assert _raised(http.client.IncompleteRead(b"x", 5)).reason == "the docker engine's answer was cut short"
    assert _raised(http.client.BadStatusLine("x")).reason == "the docker engine's answer could not be read"


def test_a_failure_after_a_timeout_that_was_dealt_with_is_no_timeout() -> None:
    late = DriverTimeout("x")
    late.__context__ = TimeoutError()
    late.__suppress_context__ = True
    refused = ConnectionRefusedError(111, "Connection refused")
    refused.__context__ = late
    assert type(_raised(refused)) is Unavailable


def test_a_missing_sdk_is_told_with_what_to_do() -> None:
    error = _raised(ModuleNotFoundError("No module named 'docker'", name="docker"))
    assert type(error) is Unsupported
    assert 'pip install "zun-compose[docker]"' in str(error)
    with pytest.raises(ModuleNotFoundError), translated("do it"):
        raise ModuleNotFoundError("x", name="zun_compose.nowhere")


def test_our_own_errors_pass() -> None:
    own = NotFound("x")
    with pytest.raises(NotFound) as caught, translated("do it"):
        raise own
    assert caught.value is own


def test_containers_go_by_short_ids_and_the_reason_stands_alone() -> None:
    long = "0123456789ab" + "c" * 52
    error = _message(409, f"container {long} is not running")
    assert error.reason == "container 0123456789ab is not running"
    assert str(error) == f'cannot start container "x": {error.reason}'
    digest = f"no such image: sha256:{'a' * 64}"
    assert _message(404, digest).reason == digest
    assert (short(long), short("shop-web-1")) == ("0123456789ab", "shop-web-1")
    assert NotFound("plain").reason == "plain"


def test_bugs_pass_untouched() -> None:
    with pytest.raises(KeyError), translated("do it"):
        raise KeyError("x")


def test_hidden_values_are_blotted_out() -> None:
    words = 'invalid variable "A=hunter2-long" and hunter2'
    error = _message(400, words, ("hunter2", "hunter2-long", ""))
    assert "hunter2" not in str(error)
    assert "***" in str(error)


def test_words_are_tidied() -> None:
    assert tidy("Conflict. The name\n is taken.") == "the name is taken"
    assert tidy("OCI runtime failed") == "OCI runtime failed"
    assert len(tidy("x" * 5000)) == 400
    assert tidy(" ") == "no explanation given"


def test_a_stream_s_words_are_judged_alike() -> None:
    assert type(from_words("manifest unknown", "pull")) is NotFound
    assert type(from_words("The command '/bin/sh' returned a non-zero code: 7", "build")) is Rejected
