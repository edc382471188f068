"""Each way to fail becomes the error that says what to do about it."""

from __future__ import annotations

import json

import pytest
import requests
import urllib3
import urllib3.exceptions
from docker.errors import APIError, DockerException

from zun_compose.drivers.docker.errors import from_words, tidy, translated
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


def _reply(status: int, message: str) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    response._content = json.dumps({"message": message}).encode()
    return requests.HTTPError(str(status), response=response)


def _raised(error: Exception, hide: tuple[str, ...] = ()) -> DriverError:
    with pytest.raises(DriverError) as caught, translated('start container "x"', hide):
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
    error = _raised(_reply(status, message))
    assert type(error) is kind
    assert str(error).startswith('cannot start container "x": ')


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
        (requests.ConnectionError(ConnectionRefusedError(111, "Connection refused")), Unavailable),
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


def test_the_sdk_s_own_errors_keep_their_status() -> None:
    reply = _reply(409, "it is in use")
    assert type(_raised(APIError("x", response=reply.response))) is Conflict


def test_our_own_errors_pass() -> None:
    own = NotFound("x")
    with pytest.raises(NotFound) as caught, translated("do it"):
        raise own
    assert caught.value is own


def test_containers_go_by_short_ids_and_the_reason_stands_alone() -> None:
    long = "0123456789ab" + "c" * 52
    error = _raised(_reply(409, f"container {long} is not running"))
    assert error.reason == "container 0123456789ab is not running"
    assert str(error) == f'cannot start container "x": {error.reason}'
    digest = f"no such image: sha256:{'a' * 64}"
    assert _raised(_reply(404, digest)).reason == digest
    assert (short(long), short("shop-web-1")) == ("0123456789ab", "shop-web-1")
    assert NotFound("plain").reason == "plain"


def test_bugs_pass_untouched() -> None:
    with pytest.raises(KeyError), translated("do it"):
        raise KeyError("x")


def test_hidden_values_are_blotted_out() -> None:
    error = _raised(
        _reply(400, 'invalid variable "A=hunter2-long" and hunter2'), ("hunter2", "hunter2-long", "")
    )
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
