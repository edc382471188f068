"""What the Docker CLI's configuration says of a registry."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from zun_compose.credentials import credentials
from zun_compose.errors import Rejected

WORD = base64.b64encode(b"fruit:man:go").decode()


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    def write(body: Any) -> None:
        (tmp_path / "config.json").write_text(body if isinstance(body, str) else json.dumps(body))

    return write


@pytest.mark.parametrize(
    ("key", "domain"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("shop.example", "shop.example"),
        ("shop.example:5000", "shop.example:5000"),
        ("https://shop.example:5000/v2/", "shop.example:5000"),
        ("shop.example/v1/", "shop.example"),
    ],
)
def test_entries_are_found_by_registry(says, key: str, domain: str) -> None:
    says({"auths": {"other.example": {"auth": "x"}, key: {"auth": WORD}}})
    assert credentials(domain) == ("fruit", "man:go")


def test_nobody_is_known_elsewhere(says) -> None:
    assert credentials("shop.example") is None
    says({"auths": {"shop.example": {"auth": WORD}, "docker.io": {"auth": WORD}}})
    for domain in ("shop.example:5000", "example", "docker.io.evil.example", "docker.io"):
        assert credentials(domain) is None


def test_an_empty_entry_asks_the_helper_for_all(
    says, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-pass"
    helper.write_text('#!/bin/sh\necho "{\\"Username\\": \\"u\\", \\"Secret\\": \\"$(cat)\\"}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    says({"auths": {"shop.example": {}}, "credsStore": "pass"})
    assert credentials("shop.example") == ("u", "shop.example")
    assert credentials("docker.io") == ("u", "https://index.docker.io/v1/")
    helper.write_text('#!/bin/sh\necho \'{"Username": "<token>", "Secret": "s"}\'\n')
    with pytest.raises(Rejected, match="identity token"):
        credentials("shop.example")
    says({"credsStore": "../evil"})
    with pytest.raises(Rejected, match="wrong form"):
        credentials("shop.example")


@pytest.mark.parametrize("text", ["{", "\xff", "[" * 100_000])
def test_a_broken_configuration_is_told(says, text: str) -> None:
    says(text)
    with pytest.raises(Rejected, match="cannot be read"):
        credentials("shop.example")


def test_broken_words_are_told_without_them(says) -> None:
    says({"auths": {"shop.example": {"auth": "hush!"}}})
    with pytest.raises(Rejected) as told:
        credentials("shop.example")
    assert "hush" not in str(told.value)


@pytest.mark.parametrize("body", [[], {"auths": []}, {"auths": {"shop.example": []}}, {"credHelpers": "x"}])
def test_strange_shapes_know_nobody(says, body: Any) -> None:
    says(body)
    assert credentials("shop.example") is None
