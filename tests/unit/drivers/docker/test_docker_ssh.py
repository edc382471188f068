"""What is run to reach an engine behind ssh."""

from __future__ import annotations

import pytest

from zun_compose.drivers.docker import ssh
from zun_compose.errors import Rejected, Unsupported


@pytest.fixture(autouse=True)
def _there_is_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ssh://far", ["--", "far", "docker system dial-stdio"]),
        ("ssh://me@far:22", ["-l", "me", "-p", "22", "--", "far", "docker system dial-stdio"]),
        ("ssh://far/run/d.sock", ["--", "far", "docker --host unix:///run/d.sock system dial-stdio"]),
        ("ssh://far/run/d;x", ["--", "far", "docker --host 'unix:///run/d;x' system dial-stdio"]),
    ],
)
def test_addresses(url: str, words: list[str]) -> None:
    assert ssh.command(url) == ["ssh", *words]


@pytest.mark.parametrize("url", ["ssh://", "ssh://far:port", "ssh://me:secret@far"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(Rejected):
        ssh.command(url)


def test_without_the_program_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(Unsupported, match="need the program ssh"):
        ssh.command("ssh://far")
