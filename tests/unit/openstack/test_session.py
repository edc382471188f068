"""Retries, timeouts, headers and errors, on the wire to a scripted server."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from keystoneauth1 import exceptions as ksa
from openstack import exceptions as sdk

from tests.unit.openstack.server import ROOT, Answer, Asked, Script, fault, scripted
from zun_compose.openstack import errors
from zun_compose.openstack.retrying import RetryPolicy

pytestmark = [
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]

ID = "5b3c7c0e-7c2f-4c7b-8a1c-2f2f2f2f2f2f"
CONTAINER = {"uuid": ID, "name": "web", "status": "Running"}
NONE: dict[str, Any] = {"containers": [], "next": None}


def after(*answers: Answer, then: Answer) -> Script:
    """Say these, then always the same."""
    return lambda asked, number: answers[number] if number < len(answers) else then


def test_the_microversion_is_the_newest_of_both_with_zuns_word() -> None:
    with scripted(after(then=Answer(body=CONTAINER)), _root("1.33")) as (zun, asked, _):
        zun.get_container(ID)
        assert asked[0].headers["OpenStack-API-Version"] == "container 1.33"
    with scripted(after(then=Answer(body=CONTAINER)), _root("1.77")) as (zun, asked, _):
        zun.get_container(ID)
        assert asked[0].headers["OpenStack-API-Version"] == "container 1.40"


def _root(newest: str, oldest: str = "1.1") -> Any:
    return {"versions": [{"id": "v1", "min_version": oldest, "max_version": newest}]}


@pytest.mark.parametrize(
    ("call", "needs"),
    [
        (lambda zun: zun.create_container("i", entrypoint=["a"]), "1.40"),
        (lambda zun: list(zun.registries()), "1.30"),
        (lambda zun: list(zun.capsules()), "1.32"),
        (lambda zun: list(zun.hosts()), "1.4"),
        (lambda zun: zun.get_quota("p"), "1.26"),
        (lambda zun: zun.resize_container(ID, cpu=1), "1.19"),
        (lambda zun: zun.delete_container(ID, stop=True), "1.12"),
        (lambda zun: zun.get_container_archive(ID, "/"), "1.25"),
        (lambda zun: zun.detach_container_network(ID, network="n"), "1.6"),
    ],
)
def test_a_call_that_the_server_is_too_old_for_is_never_sent(call: Any, needs: str) -> None:
    with scripted(after(then=Answer()), _root("1.3")) as (zun, asked, _):
        with pytest.raises(errors.MicroversionNotSupported) as caught:
            call(zun)
        assert (caught.value.needed, caught.value.offered) == (needs, "1.1 to 1.3")
        assert isinstance(caught.value, sdk.NotSupported)
        assert not asked


def test_a_call_that_was_removed_says_what_to_do() -> None:
    with scripted(after(then=Answer()), _root("1.40", "1.20")) as (zun, asked, _):
        with pytest.raises(
            errors.MicroversionNotSupported, match=r"1\.1 to 1\.14, 1\.20 to 1\.40.*Neutron ports"
        ):
            zun.add_container_security_group(ID, "web")
        assert not asked


@pytest.mark.parametrize("lost", [Answer(None), Answer(502), Answer(503), Answer(504)])
def test_what_may_be_repeated_is(lost: Answer) -> None:
    with scripted(after(lost, lost, then=Answer(body=CONTAINER))) as (zun, asked, pauses):
        assert zun.get_container(ID).name == "web"
        assert len(asked) == 3
        assert pauses == [0.5, 1.0]


def test_repeating_ends() -> None:
    with scripted(after(then=Answer(503))) as (zun, asked, pauses):
        with pytest.raises(errors.Unavailable):
            zun.get_container(ID)
        assert len(asked) == 4
        assert pauses == [0.5, 1.0, 2.0]
    with scripted(after(then=Answer(None))) as (zun, asked, _):
        with pytest.raises(errors.Unreachable) as caught:
            zun.get_container(ID)
        assert len(asked) == 4
        assert isinstance(caught.value, sdk.SDKException)
        assert isinstance(caught.value, ksa.ConnectFailure)


@pytest.mark.parametrize("lost", [Answer(None), Answer(503)])
def test_a_post_is_never_repeated_blindly(lost: Answer) -> None:
    with scripted(after(then=lost)) as (zun, asked, pauses):
        # What a user may have configured, which keystoneauth would do to any method.
        zun.connect_retries = zun.status_code_retries = 3
        zun.retriable_status_codes = [503]
        with pytest.raises((errors.Unreachable, errors.Unavailable)):
            zun.start_container(ID)
        assert len(asked) == 1
        assert not pauses


def test_too_many_requests_are_slowed_as_asked() -> None:
    slow = fault(429, "slow down", **{"Retry-After": "7"})
    with scripted(after(slow, then=Answer(202))) as (zun, asked, pauses):
        zun.start_container(ID)
        assert [request.method for request in asked] == ["POST", "POST"]
        assert pauses == [7.0]
    with scripted(after(then=fault(429, "slow down", **{"Retry-After": "900"}))) as (zun, asked, pauses):
        with pytest.raises(errors.RateLimited) as caught:
            zun.get_container(ID)
        assert caught.value.retry_after == 900
        assert len(asked) == 1
        assert not pauses


def test_silence_is_bounded() -> None:
    def silent(asked: Asked, number: int) -> Answer:
        time.sleep(1)
        return Answer(body=CONTAINER)

    with scripted(silent) as (zun, asked, _):
        zun.get_microversions()
        zun.timeouts, zun.retries = (1.0, 0.05), RetryPolicy(tries=2)
        with pytest.raises(errors.CallTimeout, match="no answer in time") as caught:
            zun.get_container(ID)
        assert len(asked) == 2
        assert isinstance(caught.value, sdk.ResourceTimeout)
        assert isinstance(caught.value, ksa.ConnectTimeout)


def test_a_command_is_in_no_error() -> None:
    with scripted(after(then=Answer(None))) as (zun, _, _):
        with pytest.raises(errors.Unreachable) as caught:
            zun.execute_container(ID, ["login", "hunter2"])
        told = f"{caught.value} {caught.value!r} {caught.value.__cause__}"
        assert "hunter2" not in told
        assert f"POST /containers/{ID}/execute" in told


def test_what_zun_quotes_of_a_secret_is_masked() -> None:
    told = fault(400, "Invalid input for field 'TOKEN'.Value: 'hunter2'. 'hunter2' is wrong")
    with scripted(after(then=told)) as (zun, _, _):
        with pytest.raises(errors.BadRequest, match=r"'TOKEN'.Value: \*\*\*. \*\*\* is wrong") as caught:
            zun.create_container("busybox", environment={"TOKEN": "hunter2"})
        assert "hunter2" not in f"{caught.value!r} {caught.value.details} {caught.value.args}"


@pytest.mark.parametrize(
    ("answer", "kind", "attributes"),
    [
        (fault(404, "no", "not-there"), sdk.NotFoundException, {"code": "container.not-there"}),
        (fault(403, "Quota exceeded for resources: ['cpu', 'memory']", "over-quota"), errors.QuotaExceeded,
         {"resources": ("cpu", "memory")}),
        (fault(403, "Policy doesn't allow it"), sdk.ForbiddenException, {"request_id": "req-1"}),
        (fault(409, "Cannot stop container x in Paused state"), errors.WrongState,
         {"state": "Paused", "action": "stop"}),
        (fault(409, "Multiple containers exist with same name. Please"), sdk.DuplicateResource, {}),
        (fault(409, "Conflict."), sdk.ConflictException, {}),
        (fault(400, "bad"), sdk.BadRequestException, {"reason": "bad"}),
        (fault(400, "Image x could not be found.", "image-not-found"), sdk.NotFoundException, {}),
        (fault(406, "no such version"), errors.ServiceError, {"status_code": 406}),
        (fault(500, "oops"), errors.ServerFault, {}),
        (Answer(500), errors.ServerFault, {"code": ""}),
        (Answer(200, "a page"), errors.ServerFault, {}),
    ],
)  # fmt: skip
def test_answers_become_typed_errors(
    answer: Answer, kind: type[Exception], attributes: dict[str, Any]
) -> None:
    with scripted(after(then=answer)) as (zun, _, _):
        with pytest.raises(kind) as caught:
            zun.get_container(ID)
        for name, value in attributes.items():
            assert getattr(caught.value, name) == value
        assert "?" not in str(caught.value)


@pytest.mark.parametrize("name", ["", ".", "..", "../registries/mine", "a/b", "a?b", "a#b", "a%2Fb", "a b"])
def test_a_name_leads_nowhere_else(name: str) -> None:
    with scripted(after(then=Answer(body=CONTAINER))) as (zun, asked, _):
        for call in (zun.get_container, zun.delete_container, zun.start_container, zun.container_actions):
            with pytest.raises(sdk.InvalidRequest):
                list(call(name) or ())
        assert not asked


def test_a_server_that_is_no_zun_is_told() -> None:
    with (
        scripted(after(then=Answer()), {"swift": True}) as (zun, _, _),
        pytest.raises(errors.ServerFault, match="not the root of a Zun"),
    ):
        zun.get_container(ID)


def test_an_unanswered_post_is_looked_for_before_it_is_sent_again() -> None:
    made: list[dict[str, Any]] = []

    def script(asked: Asked, number: int) -> Answer:
        if asked.method == "POST":
            made.append({**asked.body, **CONTAINER, "name": asked.body["name"]})
            return Answer(504)
        # Zun shows it only at the third look.
        return Answer(body={"containers": made if number >= 3 else [], "next": None})

    with scripted(script) as (zun, asked, pauses):
        assert zun.create_container("busybox", name="web").id == ID
        assert [request.method for request in asked] == ["POST", "GET", "GET", "GET"]
        assert pauses == [0.25, 0.5, 1.0]
        assert asked[0].body["labels"] == made[0]["labels"]


def test_a_container_of_the_same_name_is_not_taken_for_ones_own() -> None:
    other = {**CONTAINER, "labels": {"zun-compose.creation": "another"}}

    def script(asked: Asked, number: int) -> Answer:
        if asked.method == "GET":
            return Answer(body={"containers": [other], "next": None})
        return Answer(None) if number == 0 else Answer(202, {**asked.body, "uuid": "mine"})

    with scripted(script) as (zun, asked, _):
        assert zun.create_container("busybox", name="web").id == "mine"
        assert [request.method for request in asked].count("POST") == 2


def test_what_a_refused_post_left_is_deleted() -> None:
    left: list[dict[str, Any]] = []

    def script(asked: Asked, number: int) -> Answer:
        if asked.method == "POST":
            left.append({**asked.body, "uuid": ID, "status": "Error"})
            return fault(500, "oops")
        if asked.method == "DELETE":
            left.clear()
            return Answer(204)
        return Answer(body={"containers": left, "next": None})

    with scripted(script) as (zun, asked, _):
        with pytest.raises(errors.ServerFault, match="oops"):
            zun.create_container("busybox", name="web")
        assert [request.method for request in asked] == ["POST", "GET", "DELETE"]
        assert asked[-1].path == f"/v1/containers/{ID}?stop=true"


def test_creating_gives_up() -> None:
    with scripted(lambda asked, number: Answer(504) if asked.method == "POST" else Answer(body=NONE)) as (
        zun,
        asked,
        _,
    ):
        with pytest.raises(errors.Unavailable):
            zun.create_container("busybox", name="web")
        assert [request.method for request in asked].count("POST") == 3


def test_a_pages_marker_that_vanishes_for_ever_ends_in_an_error() -> None:
    def script(asked: Asked, number: int) -> Answer:
        if "marker" in asked.path:
            return fault(404, "Container could not be found.", "container-not-found")
        return Answer(body={"containers": [CONTAINER], "next": "more"})

    with scripted(script) as (zun, asked, _):
        rows = zun.containers(limit=1)
        assert next(rows).id == ID
        with pytest.raises(errors.NotFound):
            next(rows)
        assert len(asked) < 20


def test_bodies_hold_what_was_given_and_nothing_else() -> None:
    with scripted(after(then=Answer(202, CONTAINER))) as (zun, asked, _):
        zun.create_container(
            "busybox", name="web", command=["a b", "c"], cpu=None, labels={"x": "y"}, run=True
        )
        body = asked[0].body
        assert body.pop("labels").keys() == {"x", "zun-compose.creation"}
        assert body == {"image": "busybox", "name": "web", "command": ["a b", "c"]}
        assert asked[0].path == "/v1/containers?run=true"
        zun.update_container("web", cpu=0.5)
        assert (asked[1].path, asked[1].body) == ("/v1/containers/web", {"cpu": 0.5})
        zun.update_registry("r", password="hunter2")
        assert asked[2].body == {"registry": {"password": "hunter2"}}
    with scripted(after(then=Answer(202, CONTAINER)), _root("1.19")) as (zun, asked, _):
        zun.create_container("busybox", command=["a b", "c"])
        assert asked[0].body["command"] == "'a b' c"
        assert asked[0].body["name"].startswith("container-")


def test_each_call_has_a_token_of_its_own() -> None:
    with scripted(after(then=Answer(202, CONTAINER))) as (zun, asked, _):
        for _ in itertools.repeat(None, 2):
            zun.create_container("busybox", name="web")
        first, second = (request.body["labels"]["zun-compose.creation"] for request in asked)
        assert first != second
    assert ROOT["versions"][0]["max_version"] == "1.40"
