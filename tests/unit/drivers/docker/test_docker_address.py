"""Where the engine is looked for, in the Docker CLI's order."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from zun_compose.drivers.docker.address import DEFAULT, Address, resolve
from zun_compose.errors import Rejected

ROOT = Path(__file__).resolve().parents[4]


def _context(config: Path, name: str, host: str) -> None:
    folder = config / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    meta = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host}}}
    (folder / "meta.json").write_text(json.dumps(meta))


@pytest.fixture
def contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The CLI's configuration with the context "far", which is not the current one."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    _context(tmp_path, "far", "tcp://192.0.2.1:2375")
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


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("unix:///run/x.sock", "/run/x.sock"),
        ("unix://run/x.sock", "/run/x.sock"),
        ("http+unix:///run/x.sock", "/run/x.sock"),
        ("/run/x.sock", "/run/x.sock"),
        ("unix://", "/var/run/docker.sock"),
    ],
)
def test_where_a_socket_lies(url: str, path: str) -> None:
    address = Address(url=url)
    assert (address.socket, address.path) == (True, path)


def test_tls_material_is_for_other_engines_than_a_socket_s(contexts: Path) -> None:
    environment = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(contexts / "nowhere")}
    assert resolve("unix:///x", environment).tls is None
    with pytest.raises(Rejected, match="cannot read the docker client's configuration"):
        resolve("tcp://192.0.2.2:1", environment)


def test_an_old_or_unreadable_configuration_names_no_context(
    contexts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("{", "[]", '{"currentContext": ""}', '{"currentContext": "default"}'):
        (contexts / "config.json").write_text(text)
        assert resolve(None, {}).url == DEFAULT
    home = tmp_path / "home"
    (home / ".docker").mkdir(parents=True)
    _context(home / ".docker", "near", "unix:///near.sock")
    (home / ".docker" / "config.json").write_text(json.dumps({"currentContext": "near"}))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("DOCKER_CONFIG")
    address = resolve(None, {})
    assert (address.url, address.context, address.path) == ("unix:///near.sock", "near", "/near.sock")


@pytest.mark.parametrize(
    ("url", "environment", "loads"),
    [
        (None, {}, False),
        (None, {"DOCKER_CONTEXT": "default"}, False),
        (None, {"DOCKER_CONTEXT": "near"}, False),
        (None, {"DOCKER_HOST": "unix:///x"}, False),
        ("unix:///x", {"DOCKER_CONTEXT": "far"}, False),
        ("/x", {}, False),
        (None, {"DOCKER_CONTEXT": "far"}, True),
        (None, {"DOCKER_HOST": "tcp://192.0.2.2:1"}, True),
    ],
)
def test_only_an_engine_elsewhere_takes_the_sdk(
    contexts: Path, url: str | None, environment: dict[str, str], loads: bool
) -> None:
    _context(contexts, "near", "unix:///near.sock")
    program = (
        "import sys; from zun_compose.drivers.docker import connect;"
        f"connect({url!r}, environment={environment!r});"
        "sys.exit(any(name in sys.modules for name in ('docker', 'requests', 'urllib3')))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == int(loads)


def test_without_the_sdk_a_socket_is_reached_and_the_rest_says_what_is_missing(contexts: Path) -> None:
    program = """
import sys
from importlib.abc import MetaPathFinder
from zun_compose.drivers.docker import connect
from zun_compose.errors import Unavailable, Unsupported
from zun_compose.model import Build

class NotInstalled(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "docker":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def failure(act):
    try:
        act()
    except (Unavailable, Unsupported) as error:
        return type(error), str(error)

sys.meta_path.insert(0, NotInstalled())
here = connect("unix:///nowhere.sock")
assert failure(here.engine)[0] is Unavailable
for act in (
    lambda: connect("tcp://192.0.2.2:1"),
    lambda: connect("ssh://far"),
    lambda: here.pull("a:b", None, print),
    lambda: here.build("a:b", Build(context="."), {}, print),
):
    kind, words = failure(act)
    assert kind is Unsupported, kind
    assert words.endswith('needs the extra "docker": pip install "zun-compose[docker]"'), words
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
