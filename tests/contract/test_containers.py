"""Create, start, inspect, list, stop, remove."""

from __future__ import annotations

import pytest

from tests.contract.lab import Lab, Process
from zun_compose import labels
from zun_compose.container import Join, State
from zun_compose.driver import Stacks
from zun_compose.errors import Conflict, DriverError, NotFound
from zun_compose.model import Restart, RestartName
from zun_compose.record import replace


def test_created_is_not_started(lab: Lab) -> None:
    container = lab.create(Process(exits=0))
    seen = lab.driver.inspect(container)
    assert seen.state is State.CREATED
    assert (seen.id, seen.name) == (container, lab.name("web"))
    assert (seen.service, seen.number, seen.oneoff) == ("web", 1, False)
    assert seen.detailed
    assert seen.started_at is None


def test_id_and_name_lead_to_the_same_container(lab: Lab) -> None:
    container = lab.create()
    assert lab.driver.inspect(lab.name("web")).id == lab.driver.inspect(container).id == container


def test_labels_come_back_as_they_were_given(lab: Lab) -> None:
    odd = {"zun-compose.odd": 'quote " backslash \\ equals = é', "zun-compose.empty": ""}
    spec = lab.spec(lab.service(), labels=odd)
    container = lab.driver.create(spec)
    assert dict(lab.driver.inspect(container).labels) == dict(spec.labels)
    assert [dict(seen.labels) for seen in lab.driver.list(lab.stack)] == [dict(spec.labels)]


def test_a_taken_name_is_a_conflict_and_harms_nothing(lab: Lab) -> None:
    container = lab.running()
    with pytest.raises(Conflict):
        lab.create(service="other", name=lab.name("web"))
    assert [seen.id for seen in lab.driver.list(lab.stack)] == [container]
    assert lab.driver.inspect(container).state is State.RUNNING


def test_an_unknown_image_is_not_found_and_leaves_nothing(lab: Lab) -> None:
    with pytest.raises(NotFound):
        lab.create(image="zun-compose-no-such-image:1")
    assert lab.driver.list(lab.stack) == []


def test_an_unknown_network_is_refused_and_leaves_nothing(lab: Lab) -> None:
    lab.network("known")
    joins = (Join(network=f"{lab.stack}_known"), Join(network=f"{lab.stack}_unknown"))
    with pytest.raises(DriverError):
        lab.create(joins=joins)
    assert lab.driver.list(lab.stack) == []


def test_start_runs_it_and_starting_again_changes_nothing(lab: Lab) -> None:
    container = lab.running()
    first = lab.driver.inspect(container)
    assert first.state is State.RUNNING
    assert first.started_at
    lab.driver.start(container)
    again = lab.driver.inspect(container)
    assert (again.state, again.started_at) == (State.RUNNING, first.started_at)


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_is_seen(lab: Lab, code: int) -> None:
    container = lab.running(Process(exits=code, after=0.1))
    seen = lab.ended(container)
    assert seen.exit_code == code
    assert seen.finished_at or not lab.counts
    assert lab.driver.list(lab.stack)[0].state is State.EXITED


def test_an_ended_container_can_be_started_again(lab: Lab) -> None:
    container = lab.running(Process(exits=0, after=0.1))
    first = lab.ended(container)
    lab.driver.start(container)
    lab.until(lambda: lab.driver.inspect(container).started_at != first.started_at)
    assert lab.ended(container).exit_code == 0


def test_stop_lets_the_process_end_by_itself(lab: Lab) -> None:
    container = lab.running(Process(prints=("up",)))
    lab.printed(container)
    lab.driver.stop(container, 20)
    seen = lab.driver.inspect(container)
    assert (seen.state, seen.exit_code) == (State.EXITED, 143)


def test_stop_kills_what_does_not_listen(lab: Lab) -> None:
    container = lab.running(Process(ignores_term=True, prints=("up",)))
    lab.printed(container)
    lab.driver.stop(container, 1)
    seen = lab.driver.inspect(container)
    assert (seen.state, seen.exit_code) == (State.EXITED, 137)


def test_stop_uses_the_declared_grace(lab: Lab) -> None:
    service = lab.service(process=Process(ignores_term=True, prints=("up",)), stop_grace_period=1.0)
    container = lab.driver.create(lab.spec(service))
    lab.driver.start(container)
    lab.printed(container)
    lab.driver.stop(container)
    assert lab.driver.inspect(container).exit_code == 137


def test_stopping_what_does_not_run_is_success(lab: Lab) -> None:
    created = lab.create()
    lab.driver.stop(created, 1)
    assert lab.driver.inspect(created).state is State.CREATED
    lab.driver.start(created)
    lab.driver.stop(created, 0)
    lab.driver.stop(created, 1)
    assert lab.driver.inspect(created).state is State.EXITED
    lab.driver.remove(created)
    lab.driver.stop(created, 1)


def test_remove_needs_force_for_a_running_container(lab: Lab) -> None:
    container = lab.running()
    with pytest.raises(Conflict):
        lab.driver.remove(container)
    assert lab.driver.inspect(container).state is State.RUNNING
    lab.driver.remove(container, force=True)
    with pytest.raises(NotFound):
        lab.driver.inspect(container)


def test_removing_what_is_gone_is_success_and_frees_the_name(lab: Lab) -> None:
    first = lab.create()
    lab.driver.remove(first)
    lab.driver.remove(first)
    lab.driver.remove(first, force=True, volumes=True)
    second = lab.create()
    assert second != first


def test_what_is_gone_is_not_found(lab: Lab) -> None:
    container = lab.create()
    lab.driver.remove(container)
    with pytest.raises(NotFound):
        lab.driver.inspect(container)
    with pytest.raises(NotFound):
        lab.driver.start(container)
    with pytest.raises(NotFound):
        lab.driver.inspect(lab.name("web"))


def test_list_is_ordered_by_service_then_number_and_whole(lab: Lab) -> None:
    lab.create(service="web", number=10)
    lab.create(service="web", number=2)
    lab.create(service="db", number=1)
    lab.create(service="web", number=3, oneoff=True)
    running = lab.running(service="cache", number=1)
    seen = lab.driver.list(lab.stack)
    assert [(one.service, one.number, one.oneoff) for one in seen] == [
        ("cache", 1, False),
        ("db", 1, False),
        ("web", 2, False),
        ("web", 3, True),
        ("web", 10, False),
    ]
    assert [one.id for one in seen if one.state is State.RUNNING] == [running]


def test_list_keeps_stacks_apart(lab: Lab) -> None:
    lab.create()
    assert lab.driver.list(f"{lab.stack}-other") == []
    assert lab.driver.list(lab.stack[:-1]) == []


def test_all_stacks_are_told_stack_by_stack(lab: Lab) -> None:
    driver = lab.need(Stacks)
    other = f"{lab.stack}-other"
    made = [lab.create(service="b"), lab.create(service="a")]
    spec = lab.spec(lab.service(name="c"))
    strange = lab.driver.create(
        replace(spec, name=f"{other}-c-1", stack=other, labels={**spec.labels, labels.PROJECT: other})
    )
    try:
        seen = [one for one in driver.everywhere() if one.labels[labels.PROJECT] in (lab.stack, other)]
        assert [(one.service, one.labels[labels.PROJECT]) for one in seen] == [
            ("a", lab.stack),
            ("b", lab.stack),
            ("c", other),
        ]
        assert {one.id for one in seen} == {*made, strange}
        assert [one.id for one in seen[:2]] == [one.id for one in lab.driver.list(lab.stack)]
    finally:
        lab.driver.remove(strange, force=True)


def test_summaries_agree_with_details(lab: Lab) -> None:
    lab.running(service="runs")
    lab.ended(lab.running(Process(exits=4), service="ended"))
    lab.create(service="waits")
    for summary in lab.driver.list(lab.stack):
        details = lab.driver.inspect(summary.id)
        assert details.detailed
        for name in ("id", "name", "service", "number", "state", "image_id", "oneoff"):
            assert getattr(summary, name) == getattr(details, name), name
        if summary.state is State.EXITED and summary.exit_code is not None:
            assert summary.exit_code == details.exit_code == 4
        if not summary.detailed:
            assert summary.started_at is None
            assert summary.mounts == ()


def test_on_failure_brings_it_back_so_often_and_no_oftener(lab: Lab) -> None:
    restart = Restart(name=RestartName.ON_FAILURE, maximum=2)
    service = lab.service(process=Process(exits=1, prints=("once",)), restart=restart)
    container = lab.driver.create(lab.spec(service))
    lab.driver.start(container)
    lab.until(lambda: lab.restarts(container) == 2)
    seen = lab.ended(container)
    assert (lab.restarts(container), seen.exit_code) == (2, 1)
    assert seen.restart_policy == "on-failure"


def test_on_failure_leaves_success_alone(lab: Lab) -> None:
    process = Process(exits=0, prints=("once",))
    service = lab.service(process=process, restart=Restart(name=RestartName.ON_FAILURE))
    container = lab.driver.create(lab.spec(service))
    lab.driver.start(container)
    seen = lab.ended(container)
    assert (lab.restarts(container), seen.exit_code) == (0, 0)


def test_always_comes_back_until_it_is_stopped(lab: Lab) -> None:
    process = Process(exits=0, after=0.2, prints=("once",))
    service = lab.service(process=process, restart=Restart(name=RestartName.ALWAYS))
    container = lab.driver.create(lab.spec(service))
    lab.driver.start(container)
    first = lab.driver.inspect(container).started_at
    lab.until(lambda: lab.restarts(container) >= 1)
    if lab.counts:
        lab.until(lambda: lab.driver.inspect(container).started_at != first)
    lab.driver.stop(container, 5)
    assert lab.driver.inspect(container).state is State.EXITED


def test_what_waits_for_its_next_life_can_be_stopped(lab: Lab) -> None:
    process = Process(exits=1, after=0.3)
    service = lab.service(process=process, restart=Restart(name=RestartName.ALWAYS))
    container = lab.driver.create(lab.spec(service))
    lab.driver.start(container)
    lab.until(lambda: lab.driver.inspect(container).state is State.RESTARTING)
    lab.driver.stop(container, 5)
    assert lab.driver.inspect(container).state is State.EXITED


def test_a_one_off_can_remove_itself(lab: Lab) -> None:
    lab.running(Process(exits=0, after=0.2), oneoff=True, auto_remove=True)
    lab.until(lambda: lab.driver.list(lab.stack) == [])


def test_what_was_made_by_others_is_told_by_its_labels(lab: Lab) -> None:
    container = lab.create()
    assert labels.ours(lab.driver.inspect(container).labels)
    assert labels.belongs(lab.driver.list(lab.stack)[0].labels, lab.stack)
