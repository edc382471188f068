"""Hosts files are written by commands, and no command runs in a container that is about to be frozen."""

from __future__ import annotations

from threading import Event, Thread
from typing import Any

from zun_compose import labels
from zun_compose.drivers.zun import creation
from zun_compose.drivers.zun.cloud import Cloud
from zun_compose.drivers.zun.names import Names
from zun_compose.record import Record


class Listed(Record, kw_only=True):
    """A running container as Zun lists it."""

    id: str
    name: str
    labels: dict[str, str]
    addresses: dict[str, list[dict[str, str]]]
    status: str = "Running"
    created_at: str = ""


class OneContainer(Cloud):
    """A Zun that has one container, in which a command takes until `over` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.over = Event(), Event()
        self.commands = 0
        carried = {
            labels.PROJECT: "s",
            labels.SERVICE: "web",
            **creation.with_memory({}, {"told": True}),
        }
        self.one = Listed(id="1", name="s-web-1", labels=carried, addresses={"net": [{"addr": "10.0.0.2"}]})

    @property
    def zun(self) -> Any:
        return self

    def containers(self) -> list[Listed]:
        return [self.one]

    def execute_container(self, container: str, command: list[str]) -> None:
        self.commands += 1
        self.begun.set()
        assert self.over.wait(30)


def test_who_freezes_a_container_waits_for_the_command_in_it() -> None:
    cloud = OneContainer()
    names = Names(cloud)
    names.changed("s")
    assert cloud.begun.wait(30)
    frozen = Event()

    def freeze() -> None:
        with names.left_alone("1"):
            frozen.set()

    freezer = Thread(target=freeze)
    freezer.start()
    assert not frozen.wait(0.2)
    cloud.over.set()
    assert frozen.wait(30)
    freezer.join()
    names.close()


def test_no_command_begins_in_a_container_that_is_left_alone() -> None:
    cloud = OneContainer()
    cloud.over.set()
    names = Names(cloud)
    with names.left_alone("1"):
        names.changed("s")
        names.close()
    assert cloud.commands == 0
    names.changed("s")
    names.close()
    assert cloud.commands == 1
