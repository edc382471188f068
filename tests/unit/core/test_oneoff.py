"""What `run` makes of -p, -v and --entrypoint: docker compose's forms, none silently changed."""

from __future__ import annotations

import pytest

from zun_compose.errors import UsageError
from zun_compose.model import MountType, Service
from zun_compose.oneoff import _command, _mount, _ports
from zun_compose.options import RunOptions


def test_ranges_publish_one_port_each():
    ports = _ports("127.0.0.1:18100-18101:80-81/udp")
    assert [(port.published, port.target) for port in ports] == [("18100", 80), ("18101", 81)]
    assert {(port.host_ip, port.protocol) for port in ports} == {("127.0.0.1", "udp")}


def test_a_bare_target_gets_a_port_of_the_engines_choice():
    assert [(port.published, port.target) for port in _ports("80")] == [(None, 80)]


@pytest.mark.parametrize("text", ["x", "80-79", "1-3:80-81", "", "80:"])
def test_what_is_no_port_is_refused(text):
    with pytest.raises(UsageError):
        _ports(text)


def test_relative_sources_start_from_the_stacks_folder():
    mount = _mount("./rel:/r:ro,z", "/srv/stack")
    assert (mount.type, mount.source, mount.target) == (MountType.BIND, "/srv/stack/rel", "/r")
    assert (mount.read_only, mount.selinux) == (True, "z")


def test_a_word_is_a_volume():
    mount = _mount("data:/d:nocopy", "/srv/stack")
    assert (mount.type, mount.source, mount.nocopy) == (MountType.VOLUME, "data", True)


@pytest.mark.parametrize("text", ["a:/b:rx", "a:/b:/c:ro"])
def test_unknown_options_are_refused(text):
    with pytest.raises(UsageError):
        _mount(text, "/srv/stack")


def test_another_entrypoint_drops_the_command_that_was_meant_for_the_old_one():
    service = Service(name="a", command=("c",), entrypoint=("e",))
    assert _command(service, RunOptions(entrypoint=("sh",))) == ()
    assert _command(service, RunOptions(entrypoint=("sh",), command=("x",))) == ("x",)
    assert _command(service, RunOptions()) == ("c",)
