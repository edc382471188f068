"""SEMANTICS 4: "a stack of the same name from another working directory is refused unless -n or --adopt"."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from zun_compose.container import Observed, State
from zun_compose.driver import EngineInfo
from zun_compose.errors import SpecError
from zun_compose.labels import WORKING_DIR
from zun_compose.model import Service, Stack
from zun_compose.options import DownOptions, UpOptions
from zun_compose.plan.down import plan_down
from zun_compose.plan.lifecycle import plan_remove, plan_restart, plan_start, plan_stop
from zun_compose.plan.steps import Plan
from zun_compose.plan.up import plan_up
from zun_compose.plan.world import World
from zun_compose.record import replace

STACK = Stack(name="t", services={"a": Service(name="a", image="x")}, working_dir="/here")
SEEN = Observed(
    id="1" * 64, name="t-a-1", service="a", number=1, state=State.RUNNING, labels={WORKING_DIR: "/there"}
)
WORLD = World(
    engine=EngineInfo(id="e", driver="memory", name="e"), containers=(SEEN,), images={"x": "sha256:1"}
)

PLANS: dict[str, Callable[[Stack], Plan]] = {
    "up": lambda stack: plan_up(stack, WORLD, UpOptions()),
    "down": lambda stack: plan_down("t", stack, WORLD, DownOptions(volumes=True)),
    "start": lambda stack: plan_start(stack, WORLD),
    "stop": lambda stack: plan_stop("t", stack, WORLD),
    "restart": lambda stack: plan_restart(stack, WORLD),
    "rm": lambda stack: plan_remove("t", stack, WORLD, stop=True, volumes=True),
}


@pytest.mark.parametrize("verb", PLANS)
def test_another_folders_containers_are_refused(verb):
    with pytest.raises(SpecError, match="another folder, /there") as caught:
        PLANS[verb](STACK)
    assert caught.value.code == "plan.other_folder"


@pytest.mark.parametrize("verb", PLANS)
def test_a_name_that_the_user_gave_is_meant(verb):
    PLANS[verb](replace(STACK, named=True))


@pytest.mark.parametrize("verb", PLANS)
def test_the_same_folder_is_no_question(verb):
    PLANS[verb](replace(STACK, working_dir="/there"))


def test_without_a_file_services_that_have_no_container_are_named():
    with pytest.raises(SpecError, match='"nosuch"'):
        plan_down("t", None, WORLD, DownOptions(services=("nosuch",)))
    with pytest.raises(SpecError, match='"nosuch"'):
        plan_stop("t", None, WORLD, ("nosuch",))
