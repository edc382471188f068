"""The Python API beyond up and down: each method on the memory engine, judged by what the engine shows."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from zun_compose.container import State
from zun_compose.driver import Session
from zun_compose.drivers.memory import MemoryDriver, RealTimeMemoryDriver
from zun_compose.engine import Engine
from zun_compose.errors import Fault, NotFound, OperationError, SpecError, Unsupported, UsageError
from zun_compose.events import Event, GateFailed, GateWaiting
from zun_compose.model import (
    Build,
    Condition,
    Dependency,
    Expose,
    Healthcheck,
    Network,
    Restart,
    RestartName,
    Service,
    Stack,
)
from zun_compose.options import DownOptions, LogOptions, OnFailure, PullPolicy, RemoveImages, UpOptions
from zun_compose.record import replace
from zun_compose.state import StateStore

DB = Service(
    name="db",
    image="db",
    expose=(Expose(first=1, last=1),),
    fate={"listens": {1: 2.0}, "log": [[0.5, "db begins"], [2.0, "db listens"]]},
)
WEB = Service(
    name="web",
    image="web",
    dependencies=(Dependency(on="db", condition=Condition.LISTENING, restart=True),),
    fate={"log": [[0, "web begins"]]},
)
SHOP = Stack(name="shop", services={"web": WEB, "db": DB})


def states(engine: Engine, stack: Stack = SHOP) -> dict[str, State]:
    return {seen.name: seen.state for seen in engine.containers(stack)}


def started(driver: MemoryDriver, name: str) -> str:
    at = driver.inspect(name).started_at
    assert at is not None
    return at


@pytest.fixture
def driver() -> MemoryDriver:
    return MemoryDriver()


@pytest.fixture
def engine(driver: MemoryDriver) -> Engine:
    return Engine(driver)


def test_stop_and_start_keep_the_order(engine: Engine, driver: MemoryDriver) -> None:
    engine.up(SHOP)
    engine.stop(SHOP)
    assert set(states(engine).values()) == {State.EXITED}
    finished = [driver.inspect(name).finished_at or "" for name in ("shop-web-1", "shop-db-1")]
    assert finished == sorted(finished)
    began = driver.now()
    engine.start(SHOP)
    assert driver.now() >= began + 1.99, "web waits until db listens again"
    assert started(driver, "shop-web-1") > started(driver, "shop-db-1")


def test_restart_takes_dependents_with_restart_true(engine: Engine, driver: MemoryDriver) -> None:
    engine.up(SHOP)
    before = started(driver, "shop-web-1")
    engine.restart(SHOP, ["db"], no_deps=True)
    assert started(driver, "shop-web-1") == before
    engine.restart(SHOP, ["db"])
    assert started(driver, "shop-web-1") > started(driver, "shop-db-1")


def test_remove_takes_only_what_stands_still(engine: Engine) -> None:
    engine.up(SHOP)
    engine.stop(SHOP, ["web"])
    engine.remove(SHOP)
    assert states(engine) == {"shop-db-1": State.RUNNING}
    engine.remove(SHOP, stop=True)
    assert states(engine) == {}


def test_kill_tells_how_many(engine: Engine) -> None:
    engine.up(replace(SHOP, services={**SHOP.services, "db": replace(DB, replicas=3)}))
    assert engine.kill(SHOP, ["db"]) == 3
    assert states(engine)["shop-web-1"] is State.RUNNING


def test_wait_for_ends_when_the_condition_holds(engine: Engine, driver: MemoryDriver) -> None:
    engine.up(replace(SHOP, services={"db": DB}))
    assert driver.now() < 1
    engine.wait_for(replace(SHOP, services={"db": DB}), condition=Condition.LISTENING)
    assert 2.0 <= driver.now() < 2.1


def test_wait_for_takes_what_we_could_not_make_ourselves(engine: Engine, driver: MemoryDriver) -> None:
    stack = replace(SHOP, services={"db": DB})
    engine.up(stack)
    foreign = replace(stack, uncarried={"db": (Fault(code="spec.not_carried", what="post_start"),)})
    with pytest.raises(SpecError):
        engine.start(foreign)
    engine.wait_for(foreign, condition=Condition.LISTENING)
    assert driver.now() >= 2.0


def test_wait_for_fails_at_its_limit(engine: Engine, driver: MemoryDriver) -> None:
    stack = replace(SHOP, services={"db": DB})
    engine.up(stack)
    with pytest.raises(OperationError, match="db: service_listening"):
        engine.wait_for(stack, condition=Condition.LISTENING, timeout=1.0)
    assert driver.now() == pytest.approx(1.0, abs=0.1)


def test_explain_tells_why_a_gate_is_shut(engine: Engine, driver: MemoryDriver) -> None:
    dying = replace(DB, fate={"exits_after": 1.0, "exit_code": 7, "log": [[0.9, "no space left"]]})
    stack = replace(SHOP, services={"web": WEB, "db": dying})
    with pytest.raises(OperationError):
        engine.up(stack)
    (gate,) = engine.explain(stack, ["web"])
    assert (gate.verdict, gate.exit_code) == ("never", 7)
    assert gate.log == ("no space left",)
    status = engine.status(stack)
    assert not status.ok
    words = {service.name: service.readiness.value for service in status.services}
    assert words == {"web": "skipped", "db": "failed"}


def test_a_failure_carries_the_last_words(engine: Engine) -> None:
    """SEMANTICS 1: "names the edge, the exit code or the last probe's answer, and the last log lines"."""
    dying = replace(DB, fate={"exits_after": 1.0, "exit_code": 7, "log": [[0.9, "no space left"]]})
    events: list[Event] = []
    with pytest.raises(OperationError):
        engine.up(replace(SHOP, services={"web": WEB, "db": dying}), sink=events.append)
    (failed,) = [event.progress for event in events if isinstance(event.progress, GateFailed)]
    assert (failed.dependent, failed.dependency, failed.exit_code) == ("web", "db", 7)
    assert failed.log == ("no space left",)


def test_a_crash_that_may_heal_is_shown_with_count_code_and_last_line(engine: Engine) -> None:
    """SEMANTICS 1: "Other crashes are *not yet*, shown with count, code and last line"."""
    crash = {"exits_after": 0.3, "exit_code": 9, "log": [[0.2, "no route to host"]]}
    healing = replace(
        DB, restart=Restart(name=RestartName.ON_FAILURE), fate={"runs": [crash, {"listens": {1: 0.5}}]}
    )
    events: list[Event] = []
    engine.up(replace(SHOP, services={"web": WEB, "db": healing}), sink=events.append)
    waits = [event.progress.reason for event in events if isinstance(event.progress, GateWaiting)]
    assert "restarting after exited with code 9 (1 restarts so far): no route to host" in waits


def test_logs_are_merged_in_order(engine: Engine) -> None:
    engine.up(SHOP)
    lines = [(seen.service, line.text) for seen, line in engine.logs(SHOP)]
    assert lines == [("db", "db begins"), ("db", "db listens"), ("web", "web begins")]
    last = [line.text for _, line in engine.logs(SHOP, ["db"], LogOptions(tail=1))]
    assert last == ["db listens"]
    with pytest.raises(NotFound):
        engine.logs(SHOP, ["nobody"])


def test_what_is_misspelt_is_named_with_a_near_match(engine: Engine) -> None:
    engine.up(SHOP)
    for call in (engine.stop, engine.restart, engine.remove, engine.explain, engine.kill):
        with pytest.raises(SpecError, match="did you mean") as caught:
            call(SHOP, ["wbe"])
        assert caught.value.code == "spec.unknown_service"


def test_what_the_driver_cannot_do_is_said(engine: Engine) -> None:
    engine.up(SHOP)
    with pytest.raises(Unsupported, match="terminal"):
        engine.execute(SHOP, "db", ["true"], Session())
    with pytest.raises(Unsupported, match="terminal"):
        engine.run(SHOP, "web")


def test_start_without_containers_says_what_makes_them(engine: Engine) -> None:
    with pytest.raises(OperationError, match="up creates them"):
        engine.start(SHOP)


def test_wait_stopped_gives_exit_codes() -> None:
    driver = RealTimeMemoryDriver()
    engine = Engine(driver)
    job = Service(name="job", image="job", fate={"exits_after": 0.2, "exit_code": 4})
    stack = Stack(name="jobs", services={"job": job})
    engine.up(stack)
    assert engine.wait_stopped(stack) == {"job": 4}
    driver.close()


def test_hints_reach_who_listens(engine: Engine, driver: MemoryDriver) -> None:
    heard: list[str] = []
    subscription = engine.events(SHOP, lambda hint: heard.append(f"{hint.action} {hint.service}"))
    engine.up(SHOP)
    subscription.close()
    assert heard[:2] == ["create db", "create web"] or heard[:2] == ["create db", "start db"]
    assert "start web" in heard


# Images, policies and what a failed up leaves.


def test_pull_always_asks_each_time_and_recreates_only_for_another_image() -> None:
    driver = MemoryDriver(images=["app"], registry=["app"])
    engine = Engine(driver)
    stack = Stack(name="t", services={"a": Service(name="a", image="app", pull_policy="always")})
    steps: list[str] = []
    engine.up(stack, sink=lambda event: steps.append(getattr(event.progress, "step", "")))
    assert "pull app" in steps
    assert engine.plan(stack).steps[0].id == "pull app"
    before = driver.inspect("t-a-1").id
    engine.up(stack)
    assert driver.inspect("t-a-1").id == before


def test_an_image_that_is_not_here_is_pulled_once_for_all_who_use_it() -> None:
    driver = MemoryDriver(images=[], registry=["app"])
    engine = Engine(driver)
    stack = Stack(name="t", services={name: Service(name=name, image="app") for name in "abc"})
    plan = engine.plan(stack)
    assert [step.id for step in plan.steps if step.verb.value == "pull"] == ["pull app"]
    assert all("pull app" in step.needs for step in plan.steps if step.verb.value == "create")
    engine.up(stack)
    assert engine.plan(stack).empty


def test_an_image_that_no_registry_has_fails_those_who_need_it_alone() -> None:
    driver = MemoryDriver(images=["app"], registry=[])
    engine = Engine(driver)
    stack = Stack(
        name="t",
        services={"a": Service(name="a", image="app"), "b": Service(name="b", image="nowhere")},
    )
    with pytest.raises(OperationError, match="cannot pull nowhere"):
        engine.up(stack)
    assert states(engine, stack) == {"t-a-1": State.RUNNING}


def test_never_pulled_and_not_here_is_refused_in_the_plan() -> None:
    engine = Engine(MemoryDriver(images=[], registry=["app"]))
    stack = Stack(name="t", services={"a": Service(name="a", image="app")})
    with pytest.raises(SpecError) as caught:
        engine.plan(stack, UpOptions(pull=PullPolicy.NEVER))
    assert caught.value.code == "plan.image_missing"


def test_what_is_built_is_built_once_and_again_when_asked() -> None:
    driver = MemoryDriver(images=[])
    engine = Engine(driver)
    stack = Stack(name="t", services={"a": Service(name="a", build=Build(context="/src"))})
    assert engine.plan(stack).steps[0].id == "build t-a"
    engine.up(stack)
    assert engine.plan(stack).empty
    assert engine.plan(stack, UpOptions(build=True)).steps[0].cause == "asked to build"
    with pytest.raises(SpecError) as caught:
        Engine(MemoryDriver(images=[])).plan(stack, UpOptions(no_build=True))
    assert caught.value.code == "plan.not_built"


@pytest.mark.parametrize("policy", list(OnFailure))
def test_a_failed_update_leaves_the_old_one_running(policy: OnFailure, engine: Engine) -> None:
    """The successor takes its place only once its gates are open: a failing dependency costs no outage."""
    engine.up(SHOP)
    old = engine.driver.inspect("shop-web-1").id
    broken = replace(DB, image="db:2", fate={"exits_after": 0.5, "exit_code": 1})
    newer = replace(SHOP, services={"web": replace(WEB, image="web:2"), "db": broken})
    with pytest.raises(OperationError):
        Engine(engine.driver).up(newer, UpOptions(on_failure=policy))
    web = engine.driver.inspect("shop-web-1")
    assert web.id == old
    assert web.state is State.RUNNING
    assert len(engine.containers(SHOP)) == 2, "no successor is left over"


def test_a_rollback_brings_the_replaced_one_back(engine: Engine, driver: MemoryDriver) -> None:
    """An update that never gets healthy: the old container is there and runs again."""
    check = Healthcheck(test=("CMD", "check"), interval=1.0, timeout=1.0, retries=2)
    one = Service(name="a", image="app:1", healthcheck=check)
    engine.up(Stack(name="t", services={"a": one}), UpOptions(wait=True))
    old = driver.inspect("t-a-1").id
    two = replace(one, image="app:2", fate={"healthy_after": "never"})
    # The engine knows a service by one fate: the second version speaks for itself.
    worse = Stack(name="t", services={"a": two})
    with pytest.raises(OperationError):
        engine.up(worse, UpOptions(wait=True, on_failure=OnFailure.ROLLBACK))
    seen = driver.inspect("t-a-1")
    assert (seen.id, seen.state) == (old, State.RUNNING)
    assert len(engine.containers("t")) == 1


def test_external_things_are_never_removed(engine: Engine, driver: MemoryDriver) -> None:
    """SEMANTICS 4: "`external` things are never removed"."""
    from zun_compose.model import Attachment

    driver.create_network(Network(key="corp", name="corp"), {})
    stack = Stack(
        name="t",
        services={"a": Service(name="a", image="app", networks=(Attachment(network="corp"),))},
        networks={"corp": Network(key="corp", name="corp", external=True)},
    )
    engine.up(stack)
    engine.down(stack, DownOptions(volumes=True, images=RemoveImages.ALL, remove_orphans=True))
    assert driver.network("corp") is not None


def test_a_stack_of_another_folder_is_refused_unless_adopted(engine: Engine) -> None:
    """SEMANTICS 4: "refused unless -n or --adopt is given"."""
    here, there = replace(SHOP, working_dir="/here"), replace(SHOP, working_dir="/there")
    engine.up(here)
    with pytest.raises(SpecError) as caught:
        engine.up(there)
    assert caught.value.code == "plan.other_folder"
    engine.up(there, UpOptions(adopt=True))


def test_scale_by_option_wins_over_the_file(engine: Engine) -> None:
    engine.up(SHOP, UpOptions(scale={"web": 3}))
    assert len([name for name in states(engine) if "web" in name]) == 3
    engine.up(SHOP, UpOptions(scale={"web": 0}))
    assert states(engine) == {"shop-db-1": State.RUNNING}


def test_no_start_creates_only(engine: Engine) -> None:
    engine.up(SHOP, UpOptions(start=False))
    assert set(states(engine).values()) == {State.CREATED}
    engine.up(SHOP)
    assert set(states(engine).values()) == {State.RUNNING}


# Our own state.


def test_ready_since_is_kept_and_forgotten_with_the_stack(driver: MemoryDriver, tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state")
    engine = Engine(driver, state=store)
    engine.up(SHOP, UpOptions(wait=True))
    status = Engine(driver, state=StateStore(tmp_path / "state")).status(SHOP)
    assert all(one.ready_since for service in status.services for one in service.containers)
    assert store.recall("shop") is not None
    engine.down(SHOP)
    assert store.recall("shop") is None


def test_operations_on_one_stack_wait_for_each_other(tmp_path: Path) -> None:
    """SEMANTICS 7: "Lock. flock on a file named by engine id and stack"."""
    driver = RealTimeMemoryDriver()
    slow = Stack(name="s", services={"a": Service(name="a", image="app", fate={"create_takes": 0.3})})
    failures: list[BaseException] = []

    def work() -> None:
        try:
            Engine(driver, state=StateStore(tmp_path / "state")).up(slow)
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert failures == []
    assert [seen.state for seen in driver.list("s")] == [State.RUNNING]
    driver.close()


def test_usage_errors_come_before_anything_is_done(engine: Engine) -> None:
    engine.up(SHOP)
    with pytest.raises((UsageError, SpecError, OperationError)):
        engine.wait_for(SHOP, ["nobody"])


def replicas(engine: Engine, stack: Stack) -> dict[str, tuple[int, int, bool]]:
    """Of each service how many containers there are and should be, and whether that is well."""
    return {
        one.name: (len(one.containers), one.replicas, one.readiness.good)
        for one in engine.status(stack).services
    }


PAIR = Stack(name="shop", services={name: Service(name=name, image=name) for name in ("db", "web")})


@pytest.fixture
def lasting(driver: MemoryDriver, tmp_path: Path) -> Engine:
    """An engine whose state is kept."""
    return Engine(driver, state=StateStore(tmp_path))


def test_status_expects_the_numbers_that_up_was_told(lasting: Engine, driver: MemoryDriver) -> None:
    lasting.up(PAIR, UpOptions(scale={"web": 3}))
    assert replicas(lasting, PAIR) == {"db": (1, 1, True), "web": (3, 3, True)}
    driver.remove("shop-web-3", force=True)
    assert replicas(lasting, PAIR)["web"] == (2, 3, False)
    lasting.up(PAIR, UpOptions(scale={"web": 0}))
    assert replicas(lasting, PAIR) == {"db": (1, 1, True), "web": (0, 0, True)}
    lasting.up(PAIR, UpOptions(services=("db",)))
    assert replicas(lasting, PAIR)["web"] == (0, 0, True), "this up did not look at web"
    lasting.stop(PAIR)
    lasting.start(PAIR)
    assert replicas(lasting, PAIR) == {"db": (1, 1, True), "web": (0, 0, True)}
    assert Engine(driver).status(PAIR).ok is False, "without state the file counts"


def test_up_without_scale_and_down_forget_the_numbers(lasting: Engine) -> None:
    lasting.up(PAIR, UpOptions(scale={"web": 2}))
    assert lasting.plan(PAIR).steps != ()
    lasting.up(PAIR)
    assert replicas(lasting, PAIR)["web"] == (1, 1, True)
    lasting.up(PAIR, UpOptions(scale={"web": 2}))
    lasting.down(PAIR)
    assert replicas(lasting, PAIR)["web"] == (0, 1, False)


def test_numbers_that_fit_the_file_no_more_do_no_harm(lasting: Engine) -> None:
    lasting.up(PAIR, UpOptions(scale={"web": 2}))
    assert set(replicas(lasting, Stack(name="shop", services={"db": PAIR.services["db"]}))) == {"db"}
    fixed = replace(PAIR, services={"web": replace(PAIR.services["web"], container_name="one")})
    assert replicas(lasting, fixed)["web"][1] == 1
