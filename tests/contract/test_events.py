"""Hints: what is told, to whom, and that nothing is lost after subscribing."""

from __future__ import annotations

from tests.contract.lab import Ear, Lab, Process, checked
from zun_compose.container import Health, State
from zun_compose.driver import EventSource, ExecProbe, Renames, Signals


def test_a_life_is_told_in_order(lab: Lab) -> None:
    ear = Ear()
    subscription = lab.need(EventSource).events(lab.stack, ear)
    container = lab.running(Process(exits=3, after=0.1), service="job", number=2)
    lab.until(lambda: "die" in ear.actions())
    lab.driver.remove(container)
    lab.until(lambda: "destroy" in ear.actions())
    subscription.close()
    told = [action for action in ear.actions() if action in ("create", "start", "die", "destroy")]
    assert told == ["create", "start", "die", "destroy"]
    death = ear.find("die")
    assert death is not None
    assert (death.container, death.service, death.number, death.exit_code) == (container, "job", 2, 3)
    assert death.name == lab.name("job", 2)
    times = [hint.at for hint in ear.hints]
    assert times == sorted(times)


def test_a_subscription_misses_nothing_from_the_moment_it_returns(lab: Lab) -> None:
    containers = [lab.create(Process(exits=0), number=number) for number in range(1, 6)]
    ear = Ear()
    subscription = lab.need(EventSource).events(lab.stack, ear)
    for container in containers:
        lab.driver.start(container)
    lab.until(lambda: ear.actions().count("die") == len(containers))
    subscription.close()
    for container in containers:
        told = [action for action in ear.actions(container) if action in ("create", "start", "die")]
        assert told == ["start", "die"]


def test_other_stacks_are_not_told(lab: Lab) -> None:
    mine, others = Ear(), Ear()
    driver = lab.need(EventSource)
    subscriptions = [driver.events(lab.stack, mine), driver.events(f"{lab.stack}-other", others)]
    lab.running(Process(exits=0))
    lab.until(lambda: "die" in mine.actions())
    for subscription in subscriptions:
        subscription.close()
    assert others.hints == []


def test_nothing_is_told_after_close(lab: Lab) -> None:
    closed, open_ = Ear(), Ear()
    driver = lab.need(EventSource)
    first, second = driver.events(lab.stack, closed), driver.events(lab.stack, open_)
    first.close()
    lab.running(Process(exits=0))
    lab.until(lambda: "die" in open_.actions())
    second.close()
    assert closed.hints == []
    first.close()


def test_the_past_is_replayed_and_an_end_is_told(lab: Lab) -> None:
    driver = lab.need(EventSource)
    ear = Ear()
    subscription = driver.events(lab.stack, ear)
    lab.ended(lab.running(Process(exits=5, after=0.1)))
    lab.until(lambda: "die" in ear.actions())
    subscription.close()
    again = Ear()
    replay = driver.events(lab.stack, again, since=ear.hints[0].at - 0.001, until=ear.hints[-1].at + 0.001)
    lab.until(lambda: "end" in again.actions())
    replay.close()
    assert again.actions()[:-1] == ear.actions()
    assert [hint.exit_code for hint in again.hints if hint.action == "die"] == [5]


def test_the_daemons_verdict_is_told(lab: Lab) -> None:
    ear = Ear()
    subscription = lab.need(EventSource).events(lab.stack, ear)
    service = lab.service(process=Process(healthy_after=0.0), healthcheck=checked())
    container = lab.driver.create(lab.spec(service))
    lab.driver.start(container)
    lab.until(lambda: lab.driver.inspect(container).health is Health.HEALTHY)
    verdict = lab.until(lambda: ear.find("health_status"))
    subscription.close()
    assert verdict is not None
    assert (verdict.container, verdict.health) == (container, Health.HEALTHY)


def test_commands_of_ours_are_not_told(lab: Lab) -> None:
    ear = Ear()
    subscription = lab.need(EventSource).events(lab.stack, ear)
    container = lab.running()
    lab.need(ExecProbe).execute(container, ["true"], timeout=20)
    lab.driver.stop(container, 0)
    lab.until(lambda: "die" in ear.actions())
    subscription.close()
    assert [action for action in ear.actions() if action.startswith("exec")] == []


def test_pausing_killing_and_renaming_are_told(lab: Lab) -> None:
    signals, renames = lab.need(Signals), lab.need(Renames)
    ear = Ear()
    subscription = lab.need(EventSource).events(lab.stack, ear)
    container = lab.running()
    signals.pause(container)
    signals.unpause(container)
    renames.rename(container, lab.name("renamed"))
    signals.kill(container, "SIGKILL")
    lab.until(lambda: "die" in ear.actions())
    subscription.close()
    told = [action for action in ear.actions() if action in ("pause", "unpause", "rename", "kill")]
    assert told == ["pause", "unpause", "rename", "kill"]
    assert lab.driver.inspect(container).state is State.EXITED
