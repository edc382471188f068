"""What Zun is asked for and what its answers mean, without a cloud."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from zun_compose import labels
from zun_compose.container import ContainerSpec, PortKey, State
from zun_compose.drivers.zun import creation, observe
from zun_compose.drivers.zun.capabilities import asked_in_vain
from zun_compose.drivers.zun.tags import LONGEST, of_stack, read, tags
from zun_compose.errors import NotFound, Rejected, Unsupported
from zun_compose.model import (
    Expose,
    Healthcheck,
    Mount,
    MountType,
    Port,
    Resources,
    Restart,
    RestartName,
    Service,
    Stack,
)


def found(name: str) -> str:
    if name.startswith("no-"):
        raise NotFound(name)
    return f"id-of-{name}"


def asked(service: Service, **more: Any) -> dict[str, Any]:
    spec = ContainerSpec(name="s-web-1", stack="s", service=service, number=1, image="i", labels={}, **more)
    made = creation.asked(spec, found)
    return {key: value for key, value in made.items() if value is not None}


def test_nothing_is_asked_that_nobody_declared() -> None:
    assert asked(Service(name="web")) == {
        "name": "s-web-1",
        "image": "i",
        "labels": {},
        "hostname": "web",
    }


def test_a_service_is_found_by_its_name() -> None:
    assert asked(Service(name="my_web.x"))["hostname"] == "my-web-x"
    assert asked(Service(name="web", hostname="other"))["hostname"] == "other"
    assert "hostname" not in asked(Service(name="web"), oneoff=True)
    assert "hostname" not in asked(Service(name="w")), "Zun takes no host names of one letter"


def test_limits_are_in_the_units_of_zun() -> None:
    made = asked(Service(name="web", resources=Resources(cpus=0.5, memory=(64 << 20) + 1)))
    assert (made["cpu"], made["memory"]) == (0.5, "65")
    assert asked(Service(name="web", resources=Resources(memory=1)))["memory"] == "4"


def test_restart_and_check_are_handed_on() -> None:
    service = Service(
        name="web",
        restart=Restart(name=RestartName.ON_FAILURE, maximum=3),
        healthcheck=Healthcheck(test=("CMD-SHELL", "a && b"), interval=1.5, retries=2),
    )
    made = asked(service)
    assert made["restart_policy"] == {"Name": "on-failure", "MaximumRetryCount": "3"}
    assert made["healthcheck"] == {"cmd": "a && b", "interval": 2, "retries": 2}
    exact = Service(name="web", healthcheck=Healthcheck(test=("CMD", "a b")))
    assert "healthcheck" not in asked(exact), "Zun has shell lines only"


def test_volumes_go_by_id() -> None:
    mounts = (
        Mount(type=MountType.VOLUME, source="data", target="/data"),
        Mount(type=MountType.VOLUME, target="/scratch"),
    )
    made = asked(Service(name="web"), mounts=mounts)
    assert made["mounts"] == [
        {"type": "volume", "source": "id-of-data", "destination": "/data"},
        {"type": "volume", "size": "1", "destination": "/scratch"},
    ]
    with pytest.raises(NotFound):
        asked(Service(name="web"), mounts=(Mount(type=MountType.VOLUME, source="no-data", target="/data"),))


def test_a_folder_of_the_host_is_refused() -> None:
    mount = Mount(type=MountType.BIND, source="/etc", target="/etc")
    with pytest.raises(Unsupported, match=r'"web".*/etc'):
        asked(Service(name="web"), mounts=(mount,))
    stack = Stack(name="s", services={"web": Service(name="web", mounts=(mount,), user="1000")})
    assert {finding.name for finding in asked_in_vain(stack)} == {"volumes.type", "user"}


def container(**told: Any) -> Any:
    names = "id name labels status status_detail status_reason restart_policy command image runtime"
    blank = dict.fromkeys((*names.split(), "addresses", "ports", "mounts", "created_at"))
    return SimpleNamespace(**{**blank, "id": "7", "status": "Running", **told})


@pytest.mark.parametrize(
    ("status", "detail", "state", "code"),
    [
        ("Creating", None, State.CREATED, None),
        ("Created", "Created", State.CREATED, None),
        ("Running", "Up 2 minutes", State.RUNNING, None),
        ("Stopped", "Exited(137) 2 seconds ago ", State.EXITED, 137),
        ("Stopped", "Exited(0) 3 weeks ago ", State.EXITED, 0),
        ("Stopped", None, State.EXITED, None),
        ("Paused", "Up 3 minutes (paused)", State.PAUSED, None),
        ("Error", None, State.DEAD, None),
        ("Unknown", None, State.DEAD, None),
        ("Somewhat", None, State.DEAD, None),
    ],
)
def test_states(status: str, detail: str | None, state: State, code: int | None) -> None:
    seen = observe.observed(container(status=status, status_detail=detail))
    assert (seen.state, seen.exit_code) == (state, code)


def test_why_is_told_of_what_failed_alone() -> None:
    assert observe.observed(container(status="Error", status_reason="no disk")).error == "no disk"
    assert observe.observed(container(status_reason="long ago")).error == ""
    assert observe.observed(container(status="Unknown")).error == observe.LOST


def test_the_mark_of_a_creation_is_no_label() -> None:
    carried = {labels.SERVICE: "web", labels.NUMBER: "2", "zun-compose.creation": "abc", "mine": "yes"}
    seen = observe.observed(container(labels=carried))
    assert (seen.service, seen.number) == ("web", 2)
    assert seen.labels == {labels.SERVICE: "web", labels.NUMBER: "2", "mine": "yes"}


def test_what_zun_forgets_is_remembered() -> None:
    service = Service(name="web", ports=(Port(target=80),), expose=(Expose(first=5, last=6, protocol="udp"),))
    mounts = (Mount(type=MountType.VOLUME, source="data", target="/data"),)
    carried = asked(service, mounts=mounts)["labels"]
    seen = observe.observed(container(labels=carried, ports=[443]))
    assert seen.exposed == (PortKey(5, "udp"), PortKey(6, "udp"), PortKey(80), PortKey(443))
    assert [(one.name, one.target, one.anonymous) for one in seen.mounts] == [("data", "/data", False)]
    assert not seen.labels
    assert observe.observed(container(labels={creation.MEMORY: "nonsense"})).mounts == ()


def test_labels_survive_as_tags() -> None:
    carried = {labels.PROJECT: "s", "odd": 'a,b/c=d%"{}', "empty": ""}
    made = tags(carried, "network")
    assert read([*made, "somebody's own"]) == carried
    assert of_stack("s") in made
    assert not any("," in tag for tag in made)
    with pytest.raises(Rejected, match='"long"'):
        tags({"long": "x" * LONGEST}, "network")
