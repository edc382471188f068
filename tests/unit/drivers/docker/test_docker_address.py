"""Where the engine is looked for, in the Docker CLI's order."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from zun_compose.drivers.docker.address import DEFAULT, resolve
from zun_compose.errors import Rejected


@pytest.fixture
def contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The CLI's configuration with the context "far", which is not the current one."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    folder = tmp_path / "contexts" / "meta" / hashlib.sha256(b"far").hexdigest()
    folder.mkdir(parents=True)
    meta = {"Name": "far", "Metadata": {}, "Endpoints": {"docker": {"Host": "tcp://192.0.2.1:2375"}}}
    (folder / "meta.json").write_text(json.dumps(meta))
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_the_local_socket_is_the_last_resort(contexts: Path) -> None:
    address = resolve(None, {})
    assert (address.url, address.socket, address.tls) == (DEFAULT, True, None)


def test_the_current_context_is_used(contexts: Path) -> None:
    (contexts / "config.json").write_text(json.dumps({"currentContext": "far"}))
    address = resolve(None, {})
    assert (address.url, address.context, address.socket) == ("tcp://192.0.2.1:2375", "far", False)
    assert resolve(None, {"DOCKER_CONTEXT": "default"}).url == DEFAULT


def test_a_named_context_beats_the_current_one(contexts: Path) -> None:
    assert resolve(None, {"DOCKER_CONTEXT": "far"}).url == "tcp://192.0.2.1:2375"


def test_docker_host_beats_contexts_and_a_url_beats_all(contexts: Path) -> None:
    environment = {"DOCKER_HOST": "unix:///x", "DOCKER_CONTEXT": "far"}
    assert resolve(None, environment).url == "unix:///x"
    assert resolve("tcp://192.0.2.2:1", environment).url == "tcp://192.0.2.2:1"


def test_the_environment_is_the_one_given(contexts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.9:1")
    assert resolve(None, {}).url == DEFAULT


def test_an_unknown_or_broken_context_is_refused(contexts: Path) -> None:
    with pytest.raises(Rejected, match='"nowhere" does not exist'):
        resolve(None, {"DOCKER_CONTEXT": "nowhere"})
    next((contexts / "contexts" / "meta").rglob("meta.json")).write_text("{")
    with pytest.raises(Rejected, match="far"):
        resolve(None, {"DOCKER_CONTEXT": "far"})
