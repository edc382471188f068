"""Laws of planning over random stacks: order, completeness, repetition, and that edits name what changed."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from tests.property.worlds import Drawn, drawn
from zun_compose.drivers.memory import MemoryDriver
from zun_compose.engine import Engine
from zun_compose.errors import OperationError
from zun_compose.options import DownOptions, OnFailure, UpOptions
from zun_compose.plan.steps import Plan, Verb
from zun_compose.record import replace


def in_order(plan: Plan) -> None:
    """Each step is listed after all that it waits for, so that the list can be read from top to bottom."""
    place = {step.id: index for index, step in enumerate(plan.steps)}
    assert len(place) == len(plan.steps), "ids are unique"
    starts: dict[str, list[int]] = {}
    for step in plan.steps:
        if step.verb is Verb.START and step.service is not None:
            starts.setdefault(step.service, []).append(place[step.id])
    for step in plan.steps:
        assert all(place[one] < place[step.id] for one in (*step.needs, *step.after) if one in place)
        for gate in step.gates:
            assert all(at < place[step.id] for at in starts.get(gate.dependency, ()))


def came_up(example: Drawn) -> Engine:
    """Bring a stack up as far as it goes."""
    engine = Engine(example.driver())
    with contextlib.suppress(OperationError):
        engine.up(example.stack, UpOptions(**example.options))
    return engine


@given(drawn(failures=False), st.booleans())
def test_a_first_plan_is_whole_and_in_order(example: Drawn, wait: bool) -> None:
    stack = example.stack
    plan = Engine(MemoryDriver()).plan(stack, UpOptions(wait=wait))
    in_order(plan)
    wanted = sorted(
        (name, number + 1) for name, one in stack.services.items() for number in range(one.replicas)
    )
    for verb in (Verb.CREATE, Verb.START):
        assert sorted((step.service, step.number) for step in plan.steps if step.verb is verb) == wanted
    assert str(plan) == str(Engine(MemoryDriver()).plan(stack, UpOptions(wait=wait)))


@given(drawn(most=5, failures=False), st.data())
def test_an_edit_touches_what_was_edited_and_says_so(example: Drawn, data: st.DataObject) -> None:
    engine = came_up(example)
    stack = example.stack
    before = engine.plan(stack)
    name = data.draw(st.sampled_from(sorted(stack.services)))
    policy = data.draw(st.sampled_from(OnFailure))
    edited = replace(stack.services[name], environment={"TOKEN": "hunter2"})
    plan = engine.plan(
        replace(stack, services={**stack.services, name: edited}), UpOptions(on_failure=policy)
    )
    in_order(plan)
    assert "hunter2" not in str(plan.as_dict())
    for step in plan.steps:
        if step.verb in (Verb.CREATE, Verb.REMOVE) and step.id not in {one.id for one in before.steps}:
            assert step.service == name
            assert step.cause == "changed: environment"


@given(drawn(most=5, failures=False), st.data())
def test_what_changes_no_container_changes_no_plan(example: Drawn, data: st.DataObject) -> None:
    """SEMANTICS 4: "Not hashed: depends_on, readiness, scale, profiles, build, x-*, pull_policy"."""
    engine = came_up(example)
    stack = example.stack
    name = data.draw(st.sampled_from(sorted(stack.services)))
    edited = replace(
        stack.services[name], dependencies=(), readiness=(), profiles=("p",), pull_policy="missing"
    )
    plan = engine.plan(replace(stack, services={**stack.services, name: edited}))
    assert not [step for step in plan.steps if step.verb is Verb.REMOVE]


@given(drawn(most=5, good=True), st.data())
def test_scaling_makes_or_takes_just_the_difference(example: Drawn, data: st.DataObject) -> None:
    engine = Engine(MemoryDriver())
    stack = example.stack
    engine.up(
        replace(stack, services={name: replace(one, dependencies=()) for name, one in stack.services.items()})
    )
    name = data.draw(st.sampled_from(sorted(stack.services)))
    count = data.draw(st.integers(0, 4))
    plan = engine.plan(stack, UpOptions(scale={name: count}))
    made = [step.number for step in plan.steps if step.verb is Verb.CREATE]
    gone = [step.number for step in plan.steps if step.verb is Verb.REMOVE]
    has = stack.services[name].replicas
    assert made == list(range(has + 1, count + 1))
    assert gone == list(range(count + 1, has + 1))


@given(drawn(most=5, failures=False), st.booleans(), st.booleans())
def test_down_is_in_order_and_takes_everything(example: Drawn, by_name: bool, volumes: bool) -> None:
    engine = came_up(example)
    stack = example.stack
    plan = engine.plan_down(stack.name if by_name else stack, DownOptions(volumes=volumes))
    in_order(plan)
    removed = {step.handle for step in plan.steps if step.verb is Verb.REMOVE}
    assert removed == {seen.id for seen in engine.containers(stack)}
    assert bool([step for step in plan.steps if step.verb is Verb.REMOVE_VOLUME]) <= volumes
