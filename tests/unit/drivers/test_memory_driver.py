"""What only a simulated engine can do: scripted fates on a clock of one's own."""

from __future__ import annotations

import math
import tracemalloc
from itertools import pairwise

import pytest

from tests.unit.drivers.memory_stack import spec, up
from zun_compose.container import Health, Hint, PortKey, State
from zun_compose.drivers.memory import MemoryDriver
from zun_compose.errors import (
    Conflict,
    DriverTimeout,
    NotFound,
    Rejected,
    Unavailable,
)
from zun_compose.model import (
    Healthcheck,
    Restart,
    RestartName,
)


def test_listening_follows_the_script() -> None:
    driver = MemoryDriver(
        {"web": {"listens": {80: 1, 443: 2, "53/udp": 1, 9: 0}, "closes": {80: 3}, "loopback": [9]}}
    )
    container = up(driver)
    told = []
    while (due := driver.next_event()) is not None:
        driver.advance(due)
        told.append((driver.now(), {str(port) for port in driver.listening(container)}))
    assert told == [
        (1.0, {"80/tcp", "53/udp"}),
        (2.0, {"80/tcp", "443/tcp", "53/udp"}),
        (3.0, {"443/tcp", "53/udp"}),
    ]


def test_each_start_has_its_own_run_and_the_last_repeats() -> None:
    driver = MemoryDriver(
        {"web": {"runs": [{"exits_after": 1, "exit_code": 1}, {"exits_after": 2, "exit_code": 2}]}}
    )
    container = up(driver)
    codes = []
    for _ in range(3):
        driver.advance(driver.now() + 5)
        codes.append(driver.inspect(container).exit_code)
        driver.start(container)
    assert codes == [1, 2, 2]


def test_the_restart_policy_backs_off_as_docker_does() -> None:
    driver = MemoryDriver({"web": {"exits_after": 1, "exit_code": 1}})
    starts: list[float] = []
    driver.events("s", lambda hint: starts.append(hint.at) if hint.action == "start" else None)
    container = up(driver, restart=Restart(name=RestartName.ALWAYS))
    driver.advance(7.0)
    pauses = [round(later - earlier - 1, 3) for earlier, later in pairwise(starts)]
    assert pauses == [0.1, 0.2, 0.4, 0.8]
    assert driver.inspect(container).restart_count == 5
    assert driver.inspect(container).state is State.RESTARTING
    driver.advance(1000.0)
    pauses = [round(later - earlier - 1, 3) for earlier, later in pairwise(starts)]
    assert max(pauses) == 60.0


def test_a_steady_run_forgets_the_backoff() -> None:
    driver = MemoryDriver({"web": {"exits_after": 11}})
    starts: list[float] = []
    driver.events("s", lambda hint: starts.append(hint.at) if hint.action == "start" else None)
    up(driver, restart=Restart(name=RestartName.UNLESS_STOPPED))
    driver.advance(40.0)
    assert starts == pytest.approx([0.0, 11.1, 22.2, 33.3])


def test_between_two_lives_it_is_restarting_with_its_last_code() -> None:
    driver = MemoryDriver({"web": {"exits_after": 1, "exit_code": 9}})
    container = up(driver, restart=Restart(name=RestartName.ON_FAILURE))
    first = driver.inspect(container).started_at
    driver.advance(1.05)
    seen = driver.inspect(container)
    assert (seen.state, seen.exit_code, seen.restart_count) == (State.RESTARTING, 9, 1)
    with pytest.raises(Conflict):
        driver.remove(container)
    driver.advance(1.2)
    assert driver.inspect(container).started_at != first
    driver.stop(container)
    driver.start(container)
    assert driver.inspect(container).restart_count == 0


def test_two_starts_at_one_instant_have_different_words() -> None:
    driver = MemoryDriver()
    container = up(driver)
    first = driver.inspect(container).started_at
    driver.stop(container)
    driver.start(container)
    assert driver.now() == 0.0
    assert driver.inspect(container).started_at != first


def test_the_verdict_lags_behind_the_test() -> None:
    driver = MemoryDriver({"web": {"healthy_after": 2}})
    container = up(driver, healthcheck=Healthcheck(test=("CMD", "ready"), interval=30.0))
    driver.advance(1.9)
    assert driver.execute(container, ["ready"], timeout=1).exit_code == 1
    driver.advance(2.0)
    assert driver.execute(container, ["ready"], timeout=1).exit_code == 0
    assert driver.inspect(container).health is Health.STARTING
    driver.advance(30.0)
    assert driver.inspect(container).health is Health.HEALTHY
    assert driver.next_event() is None


def test_without_a_word_about_health_the_ports_decide() -> None:
    driver = MemoryDriver({"web": {"listens": {80: 3}}})
    container = up(driver, healthcheck=Healthcheck(test=("CMD-SHELL", "curl localhost"), interval=1.0))
    driver.advance(2.9)
    assert driver.execute(container, ["/bin/sh", "-c", "curl localhost"], timeout=1).exit_code == 1
    driver.advance(3.0)
    assert driver.inspect(container).health is Health.HEALTHY


def test_an_engine_without_checks_gives_no_verdict() -> None:
    driver = MemoryDriver({"web": {"healthy_after": 0}}, runs_healthchecks=False)
    container = up(driver, healthcheck=Healthcheck(test=("CMD", "ready"), interval=1.0))
    driver.advance(60.0)
    assert driver.inspect(container).health is Health.NONE
    assert not driver.engine().runs_healthchecks


def test_commands_answer_by_their_script() -> None:
    driver = MemoryDriver({"web": {"exec": {"pg_isready": [[0, 2, "starting"], [1, 0]], "*": 5}}})
    container = up(driver)
    assert driver.execute(container, ["pg_isready"], timeout=1) == driver.execute(
        container, ["sh", "-c", "pg_isready"], timeout=1
    )
    assert driver.execute(container, ["pg_isready"], timeout=1).output == "starting"
    driver.advance(1.0)
    assert driver.execute(container, ["pg_isready"], timeout=1).exit_code == 0
    assert driver.execute(container, ["anything"], timeout=1).exit_code == 5


def test_a_frozen_process_makes_no_progress() -> None:
    driver = MemoryDriver(
        {"web": {"listens": {80: 1}, "exits_after": 2, "log": [[0.2, "a"], [0.5, "b"], [1.5, "c"]]}}
    )
    container = up(driver)
    driver.advance(0.4)
    driver.pause(container)
    driver.advance(10.4)
    assert driver.next_event() is None
    assert driver.listening(container) == frozenset()
    driver.unpause(container)
    driver.advance(11.0)
    assert driver.listening(container) == {PortKey(80)}
    driver.advance(11.9)
    assert driver.inspect(container).state is State.RUNNING
    driver.advance(12.0)
    assert driver.inspect(container).state is State.EXITED
    lines = list(driver.logs(container, timestamps=True))
    assert [line.text for line in lines] == ["a", "b", "c"]
    assert [str(line.at)[17:22] for line in lines] == ["00.20", "10.50", "11.50"]


def test_oom_is_told() -> None:
    driver = MemoryDriver({"web": {"exits_after": 1, "oom": True}})
    told: list[str] = []
    driver.events("s", lambda hint: told.append(hint.action))
    container = up(driver)
    driver.advance(1.0)
    seen = driver.inspect(container)
    assert (seen.oom_killed, seen.exit_code) == (True, 137)
    assert told == ["create", "start", "oom", "die"]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("conflict", Conflict),
        ("not_found", NotFound),
        ("rejected", Rejected),
        ("timeout", DriverTimeout),
        ("unavailable", Unavailable),
    ],
)
def test_calls_fail_so_often(kind: str, error: type[Exception]) -> None:
    driver = MemoryDriver({"web": {"fail": {"create": [kind, 2]}}})
    for _ in range(2):
        with pytest.raises(error):
            driver.create(spec())
        assert driver.list("s") == []
    assert driver.create(spec())


def test_a_timeout_may_have_taken_effect() -> None:
    driver = MemoryDriver({"web": {"fail": {"start": {"kind": "timeout", "takes_effect": True}}}})
    container = driver.create(spec())
    with pytest.raises(DriverTimeout):
        driver.start(container)
    assert driver.inspect(container).state is State.RUNNING
    driver.start(container)


@pytest.mark.parametrize("verb", ["start", "stop", "remove", "execute", "inspect"])
def test_every_verb_can_fail_for_ever(verb: str) -> None:
    driver = MemoryDriver({"web": {"fail": {verb: ["unavailable", "always"]}}})
    container = driver.create(spec())
    if verb != "start":
        driver.start(container)
    arguments = {"execute": (["true"],)}.get(verb, ())
    named = {"execute": {"timeout": 1.0}}.get(verb, {})
    for _ in range(3):
        with pytest.raises(Unavailable):
            getattr(driver, verb)(container, *arguments, **named)


def test_an_outage_stops_all_answers_but_not_the_containers() -> None:
    driver = MemoryDriver({"web": {"exits_after": 2}}, outages=[(1.0, 3.0)])
    container = up(driver)
    driver.advance(1.0)
    for call in (lambda: driver.list("s"), lambda: driver.inspect(container), driver.engine):
        with pytest.raises(Unavailable):
            call()
    driver.advance(3.0)
    assert driver.inspect(container).state is State.EXITED


def test_hints_can_be_lost() -> None:
    told: list[str] = []
    driver = MemoryDriver({"web": {"exits_after": 1}}, loses=lambda hint: hint.action == "die")
    driver.events("s", lambda hint: told.append(hint.action))
    container = up(driver)
    driver.advance(1.0)
    assert told == ["create", "start"]
    assert driver.inspect(container).state is State.EXITED


def test_a_subscriber_sees_the_world_of_its_hint() -> None:
    driver = MemoryDriver({"web": {"exits_after": 1}, "db": {"exits_after": 2}})
    seen: list[tuple[str, float, list[State]]] = []

    def look(hint: Hint) -> None:
        if hint.action == "die":
            seen.append((hint.service, driver.now(), [one.state for one in driver.list("s")]))

    driver.events("s", look)
    up(driver, "web")
    up(driver, "db")
    driver.advance(10.0)
    assert seen == [
        ("web", 1.0, [State.RUNNING, State.EXITED]),
        ("db", 2.0, [State.EXITED, State.EXITED]),
    ]


def test_what_a_subscriber_causes_is_told_in_order_to_all() -> None:
    driver = MemoryDriver({"web": {"exits_after": 1}})
    first: list[str] = []
    second: list[str] = []

    def replace_it(hint: Hint) -> None:
        first.append(hint.action)
        if hint.action == "die":
            driver.remove(hint.container)

    driver.events("s", replace_it)
    driver.events("s", lambda hint: second.append(hint.action))
    up(driver)
    driver.advance(1.0)
    assert first == second == ["create", "start", "die", "destroy"]


def test_a_subscription_ends_when_its_time_comes() -> None:
    driver = MemoryDriver()
    told: list[tuple[str, float]] = []
    driver.events("s", lambda hint: told.append((hint.action, hint.at)), until=5.0)
    up(driver)
    driver.advance(6.0)
    driver.create(spec("late"))
    assert told == [("create", 0.0), ("start", 0.0), ("end", 5.0)]


def test_time_moves_forward_only() -> None:
    driver = MemoryDriver()
    driver.advance(5.0)
    driver.advance(1.0)
    assert driver.now() == 5.0


def test_latency_is_told_before_and_after_creation() -> None:
    takes = {"create_takes": 1, "start_takes": 2, "stop_takes": 3, "remove_takes": 4, "exec_takes": 5}
    driver = MemoryDriver({"web": takes, "deaf": {"ignores_term": True}}, pulls={"i": 7})
    assert driver.latency("create", "web") == 1.0
    container = up(driver)
    verbs = ("create", "start", "stop", "remove", "execute")
    assert [driver.latency(verb, container) for verb in verbs] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert driver.latency("stop", up(driver, "deaf", stop_grace_period=4.0)) == 4.0
    assert driver.latency("pull", "i:latest") == 7.0
    assert driver.latency("start", "stranger") == 0.0
    assert driver.latency("rename", container) == 0.0


def test_a_stop_that_outlasts_its_grace_kills() -> None:
    driver = MemoryDriver({"web": {"stop_takes": 5, "stop_code": 0}})
    container = up(driver)
    driver.stop(container, 6)
    assert driver.inspect(container).exit_code == 0
    driver.start(container)
    driver.stop(container, 4)
    assert driver.inspect(container).exit_code == 137


def test_ids_and_everything_else_repeat() -> None:
    def story() -> list[object]:
        driver = MemoryDriver({"web": {"exits_after": 1, "exit_code": 1, "log": ["x"]}})
        told: list[object] = []
        driver.events("s", told.append)
        up(driver, restart=Restart(name=RestartName.ON_FAILURE, maximum=3))
        up(driver, "db", healthcheck=Healthcheck(test=("CMD", "x"), interval=1.0))
        driver.advance(60.0)
        return [*told, *driver.list("s"), driver.inspect("s-web-1")]

    assert story() == story()


def test_a_long_log_keeps_its_end() -> None:
    lines = [[0, f"line {number}"] for number in range(4000)]
    driver = MemoryDriver({"web": {"log": lines, "exits_after": 1}})
    container = up(driver)
    for _ in range(3):
        driver.advance(driver.now() + 2)
        driver.start(container)
    driver.stop(container)
    texts = [line.text for line in driver.logs(container)]
    assert len(texts) == 10_000
    assert texts[-1] == "line 3999"


def test_thousands_of_containers_are_cheap(size) -> None:
    count = size(2_000, 10_000)
    specs = [spec(f"s{number}", healthcheck=Healthcheck(test=("CMD", "x"))) for number in range(count)]
    tracemalloc.start()
    driver = MemoryDriver()
    for one in specs:
        driver.start(driver.create(one))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / count < 4096
    seen = driver.list("s")
    assert len(seen) == count
    assert [one.service for one in seen] == sorted(one.service for one in seen)
    assert driver.next_event() == 30.0
    driver.advance(30.0)
    assert {one.health for one in driver.list("s")} == {Health.HEALTHY}
    assert driver.next_event() is None
    assert math.isclose(driver.now(), 30.0)
