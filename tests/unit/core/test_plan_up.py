"""Plans of `up` beyond the golden ones: at size, of half-done worlds, and of engines that lack something."""

from __future__ import annotations

import gc

import pytest

from zun_compose.container import Observed, State
from zun_compose.driver import EngineInfo
from zun_compose.drivers.memory import MemoryDriver
from zun_compose.engine import Engine
from zun_compose.errors import SpecError
from zun_compose.labels import DIGESTS, NUMBER, PROJECT, SCHEME, SERVICE
from zun_compose.model import (
    Attachment,
    Condition,
    Dependency,
    Mount,
    MountType,
    Network,
    Service,
    Stack,
)
from zun_compose.options import DownOptions, UpOptions
from zun_compose.plan.steps import Plan, Verb
from zun_compose.plan.up import plan_up
from zun_compose.plan.world import World
from zun_compose.record import replace

ENGINE = EngineInfo(id="e", driver="memory", name="e")
EMPTY = World(engine=ENGINE, has_images=False)


def big(count: int) -> Stack:
    """A chain of ten, a fan behind each link, file order turned round, one network for every ten."""
    services = {}
    for number in reversed(range(count)):
        needs = {number - 1} if number % 10 else set()
        needs |= {number // 10} if number >= 10 else set()
        services[f"s{number}"] = Service(
            name=f"s{number}",
            image="app",
            networks=(Attachment(network=f"n{number // 10}"),),
            dependencies=tuple(
                Dependency(on=f"s{one}", condition=Condition.LISTENING) for one in sorted(needs)
            ),
        )
    networks = {f"n{number}": Network(key=f"n{number}", name=f"n{number}") for number in range(count // 10)}
    return Stack(name="big", services=services, networks=networks)


def ordered(plan: Plan) -> bool:
    """Whether each step comes after all that it needs, and each start after the starts its gates look at."""
    place = {step.id: index for index, step in enumerate(plan.steps)}
    starts = {step.service: place[step.id] for step in plan.steps if step.verb is Verb.START}
    return all(
        place[need] < place[step.id] for step in plan.steps for need in (*step.needs, *step.after)
    ) and all(
        starts[gate.dependency] < place[step.id]
        for step in plan.steps
        for gate in step.gates
        if gate.dependency in starts
    )


def test_a_plan_of_a_thousand_services_is_whole_and_in_order() -> None:
    plan = plan_up(big(1_000), EMPTY, UpOptions())
    assert len(plan.steps) == 2 * 1_000 + 100
    assert len({step.id for step in plan.steps}) == len(plan.steps)
    assert ordered(plan)


def test_the_same_input_gives_the_same_bytes() -> None:
    """STYLE 2.3: "Everything user-visible is ordered: same input, same bytes out"."""
    one, other = (str(plan_up(big(100), EMPTY, UpOptions(wait=True))) for _ in range(2))
    assert one == other


def test_an_unchanged_stack_of_many_is_an_empty_plan() -> None:
    engine = Engine(MemoryDriver())
    stack = replace(
        big(200), services={name: replace(one, dependencies=()) for name, one in big(200).services.items()}
    )
    engine.up(stack)
    assert engine.plan(stack).steps == ()


@pytest.mark.parametrize("enabled", [True, False])
def test_planning_leaves_the_garbage_collector_as_it_was(enabled: bool) -> None:
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        plan_up(big(10), EMPTY, UpOptions())
        assert gc.isenabled() is enabled
        with pytest.raises(SpecError):
            plan_up(big(10), EMPTY, UpOptions(services=("nobody",)))
        assert gc.isenabled() is enabled
        assert gc.get_freeze_count() == 0
    finally:
        (gc.enable if before else gc.disable)()


# What an interrupted operation left.


def seen(name: str, state: State = State.RUNNING, *, number: int = 1, **facts: str) -> Observed:
    labels = {PROJECT: "t", SERVICE: "a", NUMBER: str(number), SCHEME: "1", DIGESTS: "{}"}
    identity = f"{facts.pop('id', name)}".ljust(64, "0")
    return Observed(id=identity, name=name, service="a", number=number, state=state, labels=labels)


ONE = Stack(name="t", services={"a": Service(name="a", image="app", networks=())})


def digests_of(world: World) -> World:
    """Give all containers the labels of what is declared."""
    engine = Engine(MemoryDriver())
    engine.up(ONE)
    (made,) = engine.containers(ONE)
    return replace(
        world,
        containers=tuple(replace(one, labels=made.labels) for one in world.containers),
        images={"app": made.image_id},
        has_images=True,
    )


def test_a_successor_that_lost_its_predecessor_gets_its_name() -> None:
    world = digests_of(replace(EMPTY, containers=(seen("0123456789ab_t-a-1"),)))
    plan = plan_up(ONE, world, UpOptions())
    assert [str(step) for step in plan.steps] == [
        "rename 0123456789ab_t-a-1: left over by an interrupted replacement"
    ]
    assert plan.steps[0].name == "t-a-1"


def test_of_two_containers_of_one_number_the_running_one_stays() -> None:
    world = digests_of(
        replace(EMPTY, containers=(seen("t-a-1", id="one"), seen("x_t-a-1", State.CREATED, id="two")))
    )
    plan = plan_up(ONE, world, UpOptions())
    assert [(step.verb, step.subject) for step in plan.steps] == [(Verb.REMOVE, "x_t-a-1")]


@pytest.mark.parametrize(
    ("state", "verbs"),
    [
        (State.CREATED, ["start"]),
        (State.EXITED, ["start"]),
        (State.RUNNING, []),
        (State.PAUSED, []),
        (State.RESTARTING, []),
        (State.DEAD, ["create", "stop", "remove", "rename", "start"]),
    ],
)
def test_what_up_does_with_each_state(state: State, verbs: list[str]) -> None:
    world = digests_of(replace(EMPTY, containers=(seen("t-a-1", state),)))
    plan = plan_up(ONE, world, UpOptions())
    assert [step.verb.value for step in plan.steps] == verbs


def test_one_off_containers_are_nobodys_replicas() -> None:
    world = digests_of(replace(EMPTY, containers=(replace(seen("t-a-run-1"), oneoff=True),)))
    plan = plan_up(ONE, world, UpOptions())
    assert [step.verb for step in plan.steps] == [Verb.CREATE, Verb.START]


def test_where_nothing_can_be_renamed_the_old_one_goes_first() -> None:
    world = replace(digests_of(replace(EMPTY, containers=(seen("t-a-1"),))), can_rename=False)
    changed = replace(ONE, services={"a": replace(ONE.services["a"], command=("new",))})
    plan = plan_up(changed, world, UpOptions())
    assert [step.verb.value for step in plan.steps] == ["stop", "remove", "create", "start"]
    assert ordered(plan)


# Data.


def database(command: str) -> Stack:
    mount = Mount(type=MountType.VOLUME, target="/data")
    service = Service(name="db", image="db", command=(command,), mounts=(mount,), networks=())
    return Stack(name="t", services={"db": service})


def test_recreating_keeps_anonymous_volumes_and_down_v_takes_them() -> None:
    """SEMANTICS 4: "Recreating keeps anonymous volumes". Fault locked: plans from summaries alone."""
    driver = MemoryDriver()
    engine = Engine(driver)
    engine.up(database("a"))
    (before,) = driver.inspect("t-db-1").mounts
    engine.up(database("b"))
    engine.up(database("c"))
    (after,) = driver.inspect("t-db-1").mounts
    assert after.name == before.name
    engine.down("t", DownOptions(volumes=True))
    assert driver.volume(before.name or "") is None


def test_anonymous_volumes_are_renewed_when_asked() -> None:
    driver = MemoryDriver()
    engine = Engine(driver)
    engine.up(database("a"))
    (before,) = driver.inspect("t-db-1").mounts
    engine.up(database("b"), UpOptions(renew_anonymous_volumes=True))
    (after,) = driver.inspect("t-db-1").mounts
    assert after.name != before.name


# What the file alone shows to be wrong.


@pytest.mark.parametrize(
    ("needs", "code"),
    [({"a": "b", "b": "a"}, "spec.cycle"), ({"a": "nobody"}, "spec.unknown_service")],
)
def test_a_stack_built_in_python_is_checked_too(needs: dict[str, str], code: str) -> None:
    services = {
        name: Service(name=name, image="app", dependencies=(Dependency(on=on),)) for name, on in needs.items()
    }
    with pytest.raises(SpecError) as caught:
        plan_up(Stack(name="t", services=services), EMPTY, UpOptions())
    assert caught.value.code == code


def test_scaling_a_service_with_a_fixed_name_is_refused() -> None:
    stack = replace(ONE, services={"a": replace(ONE.services["a"], container_name="one")})
    with pytest.raises(SpecError) as caught:
        plan_up(stack, EMPTY, UpOptions(scale={"a": 2}))
    assert caught.value.code == "spec.container_name"
