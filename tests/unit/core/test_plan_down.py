"""Plans that go backwards: down, stop, restart, rm, and the way back of a failed up."""

from __future__ import annotations

from typing import Any

import pytest

from zun_compose.container import MountSeen, NetworkSeen, Observed, State, VolumeSeen
from zun_compose.driver import EngineInfo
from zun_compose.errors import SpecError
from zun_compose.labels import DEPENDS_ON
from zun_compose.model import Build, Dependency, Mount, MountType, Service, Stack
from zun_compose.options import DownOptions, RemoveImages
from zun_compose.plan.down import plan_down
from zun_compose.plan.lifecycle import plan_remove, plan_restart, plan_start, plan_stop
from zun_compose.plan.rollback import plan_discard, plan_rollback, plan_stop_started
from zun_compose.plan.steps import Plan, Step, Verb
from zun_compose.plan.world import World

ENGINE = EngineInfo(id="e", driver="memory", name="e")


def service(name: str, *needs: str, **declared: Any) -> Service:
    return Service(
        name=name, image=declared.pop("image", name), dependencies=tuple(map(on, needs)), **declared
    )


def on(text: str) -> Dependency:
    return Dependency(on=text.removesuffix("!"), restart=text.endswith("!"))


SHOP = Stack(
    name="t",
    services={
        one.name: one for one in (service("web", "api"), service("api", "db!"), service("db"), service("log"))
    },
)


def seen(name: str, state: State = State.RUNNING, *, needs: str = "", **facts: Any) -> Observed:
    labels = {DEPENDS_ON: needs} if needs else {}
    return Observed(
        id=f"id-{name}", name=f"t-{name}-1", service=name, number=1, state=state, labels=labels, **facts
    )


def world(*containers: Observed, **things: Any) -> World:
    return World(engine=ENGINE, containers=containers, **things)


ALL = world(seen("api"), seen("db"), seen("log"), seen("web"))


def lines(plan: Plan) -> list[str]:
    return [f"{step.verb.value} {step.subject}" for step in plan.steps]


def test_down_lists_and_runs_dependents_first() -> None:
    plan = plan_down("t", SHOP, ALL, DownOptions())
    stops = [step for step in plan.steps if step.verb is Verb.STOP]
    assert [step.service for step in stops if step.service != "log"] == ["web", "api", "db"]
    after = {step.service: step.after for step in stops}
    assert after["web"] == after["log"] == ()
    assert after["api"] == ("remove web-1 id-web",)
    assert after["db"] == ("remove api-1 id-api",)


def test_down_by_labels_alone_keeps_the_order_too() -> None:
    there = world(
        seen("api", needs="db:service_started:false"),
        seen("db"),
        seen("web", needs="api:service_healthy:true,db:service_started:false"),
    )
    assert lines(plan_down("t", None, there, DownOptions())) == [
        "stop t-web-1",
        "remove t-web-1",
        "stop t-api-1",
        "remove t-api-1",
        "stop t-db-1",
        "remove t-db-1",
    ]


@pytest.mark.parametrize("by_file", [True, False])
def test_a_cycle_holds_down_up_no_more_than_anything_else(by_file: bool) -> None:
    """Labels of different days may form one, and so may a stack that was built in Python."""
    there = world(seen("a", needs="b:x:false"), seen("b", needs="a:x:false"), seen("c", needs="a:x:false"))
    stack = Stack(
        name="t",
        services={one.name: one for one in (service("a", "b"), service("b", "a"), service("c", "a"))},
    )
    plan = plan_down("t", stack if by_file else None, there, DownOptions())
    removed = {step.service: step for step in plan.steps if step.verb is Verb.STOP}
    assert removed["a"].after == ("remove c-1 id-c",)
    assert removed["b"].after == ()


def test_down_goes_on_after_errors() -> None:
    """STYLE 2.3: "keeps going on error": steps wait for each other's end, not for success."""
    plan = plan_down("t", SHOP, ALL, DownOptions())
    for step in plan.steps:
        assert all(need.split()[1] == step.id.split()[1] for need in step.needs)


def test_down_takes_volumes_only_when_asked() -> None:
    anonymous = MountSeen(type="volume", target="/c", name="f" * 64, anonymous=True)
    there = world(
        seen("db", mounts=(anonymous,)),
        volumes=(VolumeSeen(name="t_data"),),
        networks=(NetworkSeen(id="n", name="t_default"),),
    )
    assert "remove-volume t_data" not in lines(plan_down("t", SHOP, there, DownOptions()))
    asked = plan_down("t", SHOP, there, DownOptions(volumes=True))
    assert lines(asked)[-2:] == ["remove-volume t_data", f"remove-volume {'f' * 64}"]
    assert lines(asked)[2] == "remove-network t_default"


def test_down_of_named_services_leaves_what_is_shared() -> None:
    there = world(
        *ALL.containers, volumes=(VolumeSeen(name="t_data"),), networks=(NetworkSeen(id="n", name="t_n"),)
    )
    plan = plan_down("t", SHOP, there, DownOptions(services=("log",), volumes=True))
    assert lines(plan) == ["stop t-log-1", "remove t-log-1"]


@pytest.mark.parametrize(
    ("which", "images"), [(RemoveImages.LOCAL, ["t-built"]), (RemoveImages.ALL, ["t-built", "db"])]
)
def test_down_takes_images(which: RemoveImages, images: list[str]) -> None:
    stack = Stack(
        name="t",
        services={
            "built": Service(name="built", build=Build(context="/")),
            "db": service("db"),
        },
    )
    plan = plan_down("t", stack, world(), DownOptions(images=which))
    assert [step.subject for step in plan.steps] == images
    assert all(step.optional for step in plan.steps)


def test_stop_and_rm() -> None:
    assert lines(plan_stop("t", SHOP, ALL, ("db", "web"))) == ["stop t-db-1", "stop t-web-1"]
    mixed = world(seen("db"), seen("web", State.EXITED))
    assert lines(plan_remove("t", SHOP, mixed)) == ["remove t-web-1"]
    assert lines(plan_remove("t", SHOP, mixed, stop=True)) == [
        "stop t-db-1",
        "remove t-db-1",
        "remove t-web-1",
    ]


def test_start_takes_dependencies_along_and_leaves_what_runs() -> None:
    there = world(seen("api", State.EXITED), seen("db", State.EXITED), seen("log"), seen("web", State.EXITED))
    plan = plan_start(SHOP, there, ("api",))
    assert lines(plan) == ["start t-db-1", "start t-api-1"]
    assert [str(gate) for gate in plan.steps[1].gates] == ["api -> db: service_started"]


def test_restart_takes_those_who_ask_for_it() -> None:
    plan = plan_restart(SHOP, ALL, ("db",))
    assert lines(plan) == ["stop t-api-1", "stop t-db-1", "start t-db-1", "start t-api-1"]
    assert lines(plan_restart(SHOP, ALL, ("db",), no_deps=True)) == ["stop t-db-1", "start t-db-1"]


def test_unknown_services_are_named() -> None:
    for call in (plan_start, plan_restart):
        with pytest.raises(SpecError) as caught:
            call(SHOP, ALL, ("nobody",))
        assert caught.value.code == "spec.unknown_service"


# The way back.


def step(verb: Verb, handle: str, **more: Any) -> Step:
    return Step(id=f"{verb.value} {handle}", verb=verb, subject=handle, cause="x", handle=handle, **more)


def test_what_never_started_is_discarded() -> None:
    done = [step(Verb.CREATE, "a"), step(Verb.CREATE, "b"), step(Verb.START, "a")]
    assert lines(plan_discard(Plan(stack="t"), done)) == ["remove b"]


def test_a_successor_that_carries_data_and_took_the_place_stays() -> None:
    """Its predecessor is gone: removing it too would cost the data."""
    mount = Mount(type=MountType.VOLUME, source="f00", target="/data")
    done = [step(Verb.CREATE, "a", mounts=(mount,)), step(Verb.RENAME, "a"), step(Verb.CREATE, "b")]
    assert lines(plan_discard(Plan(stack="t"), done)) == ["remove b"]


def test_stopping_what_was_started_goes_backwards() -> None:
    done = [step(Verb.START, "a"), step(Verb.CREATE, "b"), step(Verb.START, "b")]
    plan = plan_stop_started(Plan(stack="t"), done)
    assert lines(plan) == ["stop b", "stop a"]
    assert plan.steps[1].after == (plan.steps[0].id,)


def test_a_rollback_undoes_in_reverse_and_leaves_volumes() -> None:
    done = [
        step(Verb.PULL, "image"),
        step(Verb.CREATE_NETWORK, "net"),
        step(Verb.CREATE_VOLUME, "vol"),
        step(Verb.CREATE, "new"),
        step(Verb.STOP, "old"),
        step(Verb.RENAME, "old", name="old_away"),
        step(Verb.START, "new"),
    ]
    plan = plan_rollback(Plan(stack="t"), done)
    assert lines(plan) == [
        "stop new",
        "rename old_away",
        "start old",
        "remove new",
        "remove-network net",
    ]
    for earlier, later in zip(plan.steps, plan.steps[1:], strict=False):
        assert later.after == (earlier.id,)
