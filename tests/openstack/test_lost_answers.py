"""Creating containers while answers get lost: there is one of each, whatever its maker was told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.script import Answer, At, Drop, Rule, Silence, refusal
from tests.openstack.conftest import Zun
from tests.openstack.stand import Stand, eventually, standing
from zun_compose.openstack import creation, errors

pytestmark = pytest.mark.timeout(180)

POST = r"/containers(\?|$)"
LIST = r"/containers\?"


@pytest.fixture(scope="module")
def stand(demo: Zun) -> Iterator[Stand]:
    """A container that runs, and the proxy before its Zun."""
    with standing(demo) as stand:
        yield stand


@pytest.fixture
def name(stand: Stand) -> Iterator[str]:
    """The name of what a test makes; none of that name is left."""
    name = f"lost-{stand.mark}"
    stand.proxy.forget()
    yield name
    stand.proxy.play()
    stand.proxy.settle(30.0)
    eventually(lambda: all(one.status != "Creating" for one in stand.named(name)))
    stand.remove(name)


def test_where_nobody_can_be_asked_any_more_the_error_says_what_to_look_for(stand: Stand, name: str):
    stand.proxy.play(
        Rule(method="POST", path=POST, fault=Drop(at=At.ANSWER), times=None),
        Rule(method="GET", path=LIST, fault=Drop(at=At.FORWARDING), times=None),
    )
    with pytest.raises(errors.CreationUnknown) as caught:
        stand.create(stand.faulty, name)
    assert [one.method for one in stand.proxy.settle()].count("POST") == 1
    assert caught.value.name == name
    (made,) = stand.named(name)
    assert made.labels[creation.LABEL] == caught.value.token


@pytest.mark.parametrize(
    "lost",
    [Drop(at=At.ANSWER), refusal(504, forward=True), Silence(forward=True)],
    ids=["closed", "gateway", "silence"],
)
def test_of_two_the_oldest_stays(stand: Stand, name: str, lost):
    # a list that is behind, as a replica's may be: so the POST is sent again though the first came through
    behind = Answer(
        status=200,
        headers={"Content-Type": "application/json"},
        body=json.dumps({"containers": [], "next": None}).encode(),
    )
    stand.proxy.play(
        Rule(method="POST", path=POST, fault=lost),
        Rule(method="GET", path=LIST, fault=behind, times=len(creation.PAUSES)),
    )
    made = stand.create(stand.faulty, name)
    posts = [one for one in stand.proxy.settle() if one.method == "POST"]
    assert [one.upstream for one in posts] == [202, 202]
    assert stand.named(name)[0].id == made.id
    eventually(lambda: [one.id for one in stand.named(name)] == [made.id])
    stand.direct.wait_for_status(made, "Created", interval=0.2)
    eventually(lambda: stand.carried(name) == [f"zun-{made.id}"])


def test_many_at_once_get_one_each(stand: Stand, name: str):
    stand.proxy.play(Rule(method="POST", path=POST, fault=Drop(at=At.ANSWER), times=4))
    with ThreadPoolExecutor(4) as pool:
        made = [one.result() for one in [pool.submit(stand.create, stand.faulty, name) for _ in range(4)]]
    assert len({one.id for one in made}) == 4
    assert sorted(one.id for one in stand.named(name)) == sorted(one.id for one in made)
    posts = [one for one in stand.proxy.settle() if one.method == "POST"]
    assert len(posts) == 4
