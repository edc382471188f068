"""Each action is judged by what the engine says of the container afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.openstack.conftest import Zun, until
from zun_compose.openstack import errors
from zun_compose.openstack.container import Container

Inspect = Callable[[Container], dict[str, Any]]

# Ends at TERM; counts its starts and its SIGUSR1s in files that a restart keeps.
WORK = [
    "sh",
    "-c",
    "echo start >>/starts; trap 'echo usr1 >>/usr1' USR1; trap 'exit 0' TERM; while true; do sleep 0.1; done",
]


def test_a_container_goes_through_its_states(admin: Zun, inspect: Inspect) -> None:
    zun, made = admin.proxy, admin.run(WORK)
    zun.pause_container(made)
    zun.wait_for_status(made, "Paused", interval=0.1)
    assert inspect(made)["State"]["Paused"]
    with pytest.raises(errors.WrongState) as caught:
        zun.stop_container(made)
    assert caught.value.state == "Paused"
    zun.unpause_container(made)
    zun.wait_for_status(made, "Running", interval=0.1)
    assert not inspect(made)["State"]["Paused"]
    zun.kill_container(made, "SIGUSR1")
    until(lambda: zun.execute_container(made, ["cat", "/usr1"]).output == "usr1\n")
    assert zun.get_container(made).status == "Running"
    pid = inspect(made)["State"]["Pid"]
    zun.reboot_container(made, timeout=5)
    until(lambda: inspect(made)["State"]["Pid"] not in (0, pid))
    zun.wait_for_status(made, "Running", interval=0.1)
    assert zun.execute_container(made, ["cat", "/starts"]).output == "start\nstart\n"
    zun.stop_container(made, timeout=5)
    calls: list[int] = []
    zun.wait_for_status(made, "STOPPED", interval=0.05, callback=calls.append)
    assert calls
    assert inspect(made)["State"]["Status"] == "exited"
    zun.start_container(made)
    zun.wait_for_status(made, "Running", interval=0.1)
    assert inspect(made)["State"]["Running"]
    zun.kill_container(made)
    zun.wait_for_status(made, "Stopped", interval=0.1)
    assert inspect(made)["State"]["ExitCode"] == 137
    assert "137" in zun.get_container(made).status_detail
    actions = {action.action for action in zun.container_actions(made)}
    assert actions >= {"create", "pause", "unpause", "kill", "reboot", "stop", "start"}


def test_a_rebuilt_container_is_another_to_the_engine(admin: Zun, inspect: Inspect) -> None:
    made = admin.run()
    before, address = inspect(made)["Id"], made.addresses
    admin.proxy.rebuild_container(made, image="localhost:5001/busybox:latest")
    until(lambda: admin.proxy.get_container(made).status == "Running" and inspect(made)["Id"] != before, 60)
    now = admin.proxy.get_container(made.id)
    assert now.image == "localhost:5001/busybox:latest"
    assert [row["addr"] for rows in now.addresses.values() for row in rows] == [
        row["addr"] for rows in address.values() for row in rows
    ]
