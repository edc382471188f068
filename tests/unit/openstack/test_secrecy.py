"""What is masked, and that nothing else is."""

from __future__ import annotations

import json

import pytest

from zun_compose.openstack import microversions, secrecy
from zun_compose.openstack.microversions import Microversion, Offer


def test_names_stay_and_values_go() -> None:
    tree = {
        "name": "web",
        "environment": {"A": "1", "B": "2"},
        "mounts": [
            {"type": "bind", "source": "c2VjcmV0", "destination": "/x"},
            {"source": "v"},
        ],
        "template": {"spec": {"containers": [{"env": {"C": "3"}, "image": "i"}]}},
    }
    assert secrecy.shown(tree) == {
        "name": "web",
        "environment": {"A": "***", "B": "***"},
        "mounts": [{"type": "bind", "source": "***", "destination": "/x"}, {"source": "v"}],
        "template": {"spec": {"containers": [{"env": {"C": "***"}, "image": "i"}]}},
    }


def test_a_text_loses_the_secrets_of_the_request_alone() -> None:
    body = json.dumps({"name": "web", "environment": {"A": "s3cret", "B": "x", "C": {"deep": "deeper"}}})
    secrets = secrecy.secrets_of(body)
    assert secrecy.masked("web: 's3cret' and s3cret is 'x' long", secrets) == "web: *** and *** is *** long"
    assert secrecy.masked("next", secrets) == "next"
    assert secrecy.masked("{'deep': 'deeper'}", secrets) == "***"
    assert secrecy.secrets_of(b"no json") == secrecy.secrets_of(None) == []


def test_microversions_compare_as_numbers() -> None:
    assert Microversion.parse("1.9") < Microversion.parse("1.10")
    assert str(Microversion.parse(" 1.40")) == "1.40"
    for wrong in ("1", "1.x", "latest", "", "1.-4"):
        with pytest.raises(ValueError, match="no microversion"):
            Microversion.parse(wrong)


@pytest.mark.parametrize("root", [None, [], {}, {"versions": [1]}, {"versions": [{"id": "v1"}]}])
def test_what_is_no_root_offers_nothing(root: object) -> None:
    assert microversions.read_offer(root) is None


def test_the_newest_that_both_have_is_chosen() -> None:
    offer = Offer(Microversion(1, 5), Microversion(1, 30))
    assert offer.choose("x") == "1.30"
    assert offer.choose("x", "1.6", "1.14") == "1.14"
    assert offer.cut(Microversion(1, 12)).choose("x") == "1.12"
    assert microversions.needed_to_create({"image": 1, "nets": 1, "host": 1}) == ("1.39", "host")
    assert microversions.needed_to_create({"image": 1}) == ("1.1", "")
