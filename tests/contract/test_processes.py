"""What happens inside a container: logs, commands, signals, health, listening, waiting."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.contract.lab import CHECK, EXIT_3, HELLO, SLOW, SUCCEED, Lab, Process, checked
from zun_compose.container import Health, PortKey, State
from zun_compose.driver import (
    Admits,
    ExecProbe,
    Listeners,
    LogSource,
    Processes,
    Renames,
    Signals,
    Waits,
)
from zun_compose.errors import Conflict, DriverError, DriverTimeout, NotFound
from zun_compose.model import Expose, Healthcheck, Restart, RestartName

THREE = Process(prints=("one", "two", "three"), every=0.3, exits=0)


def texts(lines) -> list[str]:
    return [line.text for line in lines]


def test_logs_are_whole_and_in_order(lab: Lab) -> None:
    driver = lab.need(LogSource)
    container = lab.create(THREE)
    assert texts(driver.logs(container)) == []
    lab.driver.start(container)
    lab.ended(container)
    assert texts(driver.logs(container)) == ["one", "two", "three"]
    assert texts(driver.logs(container, tail=2)) == ["two", "three"]
    assert texts(driver.logs(container, tail=0)) == []
    assert texts(driver.logs(container, tail=100)) == ["one", "two", "three"]


def test_logs_can_be_cut_by_the_engines_time(lab: Lab) -> None:
    driver = lab.need(LogSource)
    container = lab.running(THREE)
    lab.ended(container)
    stamped = list(driver.logs(container, timestamps=True))
    moments = [datetime.fromisoformat(line.at[:26] + "+00:00").timestamp() for line in stamped]
    assert moments == sorted(moments)
    assert texts(driver.logs(container, since=moments[1] - 0.1)) == ["two", "three"]
    assert texts(driver.logs(container, until=moments[1] - 0.1)) == ["one"]
    assert [line.at for line in driver.logs(container)] == [None] * 3


def test_following_ends_with_the_container(lab: Lab) -> None:
    driver = lab.need(LogSource)
    container = lab.running(THREE)
    lines = lab.blocking(lambda: texts(driver.logs(container, follow=True)))
    assert lines == ["one", "two", "three"]
    assert lab.ended(container).exit_code == 0


def test_following_what_has_ended_ends(lab: Lab) -> None:
    driver = lab.need(LogSource)
    container = lab.running(Process(prints=("last words",), exits=1))
    lab.ended(container)
    assert lab.blocking(lambda: texts(driver.logs(container, follow=True))) == ["last words"]


def test_a_follower_can_be_closed_early(lab: Lab) -> None:
    driver = lab.need(LogSource)
    container = lab.running(Process(prints=("up",)))
    stream = driver.logs(container, follow=True)
    assert lab.blocking(lambda: next(stream)).text == "up"
    stream.close()
    assert texts(stream) == []
    assert lab.driver.inspect(container).state is State.RUNNING


def test_logs_of_all_lives_are_kept(lab: Lab) -> None:
    driver = lab.need(LogSource)
    container = lab.running(Process(prints=("again",), exits=0))
    first = lab.ended(container)
    lab.driver.start(container)
    lab.until(lambda: lab.driver.inspect(container).started_at != first.started_at)
    lab.ended(container)
    assert texts(driver.logs(container)) == ["again", "again"]


def test_commands_give_their_exit_code_and_output(lab: Lab) -> None:
    driver = lab.need(ExecProbe)
    container = lab.running()
    assert driver.execute(container, SUCCEED, timeout=20).exit_code == 0
    assert driver.execute(container, EXIT_3, timeout=20).exit_code == 3
    hello = driver.execute(container, HELLO, timeout=20)
    assert (hello.exit_code, hello.output.strip()) == (0, "hello")


def test_a_command_that_lasts_is_given_up(lab: Lab) -> None:
    driver = lab.need(ExecProbe)
    container = lab.running(Process(slow=True))
    with pytest.raises(DriverTimeout):
        lab.blocking(lambda: driver.execute(container, SLOW, timeout=0.5))
    assert lab.driver.inspect(container).state is State.RUNNING


def test_commands_need_a_running_container(lab: Lab) -> None:
    driver = lab.need(ExecProbe)
    container = lab.create()
    with pytest.raises(Conflict):
        driver.execute(container, SUCCEED, timeout=5)
    lab.driver.start(container)
    lab.driver.stop(container, 0)
    with pytest.raises(Conflict):
        driver.execute(container, SUCCEED, timeout=5)


def test_wait_gives_the_exit_code(lab: Lab) -> None:
    driver = lab.need(Waits)
    container = lab.running(Process(exits=7, after=0.3))
    assert lab.blocking(lambda: driver.wait(container, 30)) == 7
    assert driver.wait(container) == 7


def test_wait_is_bounded(lab: Lab) -> None:
    driver = lab.need(Waits)
    container = lab.running()
    with pytest.raises(DriverTimeout):
        lab.blocking(lambda: driver.wait(container, 0.5))
    assert lab.driver.inspect(container).state is State.RUNNING


def test_kill_ends_it(lab: Lab) -> None:
    driver = lab.need(Signals)
    container = lab.running(Process(ignores_term=True))
    driver.kill(container, "SIGKILL")
    assert lab.ended(container).exit_code == 137
    with pytest.raises(Conflict):
        driver.kill(container, "SIGKILL")


def test_other_signals_reach_the_process(lab: Lab) -> None:
    driver = lab.need(Signals)
    container = lab.running(Process(prints=("up",)))
    lab.printed(container)
    driver.kill(container, "TERM")
    assert lab.ended(container).exit_code == 143


def test_an_unknown_signal_is_refused(lab: Lab) -> None:
    driver = lab.need(Signals)
    container = lab.running()
    with pytest.raises(DriverError):
        driver.kill(container, "SIGNONSENSE")
    assert lab.driver.inspect(container).state is State.RUNNING


def test_killing_by_hand_is_no_crash(lab: Lab) -> None:
    driver = lab.need(Signals)
    service = lab.service(restart=Restart(name=RestartName.ALWAYS))
    container = lab.driver.create(lab.spec(service))
    lab.driver.start(container)
    driver.kill(container, "SIGKILL")
    assert lab.ended(container).restart_count == 0


def test_the_processes_of_a_container_are_told(lab: Lab) -> None:
    driver = lab.need(Processes)
    container = lab.running()
    found = driver.processes(container)
    assert {"PID", "CMD"} <= set(found.titles)
    assert found.rows
    assert all(len(row) == len(found.titles) for row in found.rows)
    pids = {int(row[found.titles.index("PID")]) for row in found.rows}
    if lab.driver.engine().local:
        assert lab.driver.inspect(container).pid in pids
    lab.driver.stop(container, 0)
    with pytest.raises(Conflict):
        driver.processes(container)


def test_pausing_freezes_and_unpausing_thaws(lab: Lab) -> None:
    driver = lab.need(Signals)
    container = lab.running()
    driver.pause(container)
    driver.pause(container)
    assert lab.driver.inspect(container).state is State.PAUSED
    assert lab.driver.list(lab.stack)[0].state is State.PAUSED
    driver.unpause(container)
    driver.unpause(container)
    assert lab.driver.inspect(container).state is State.RUNNING


def test_renaming_moves_the_name(lab: Lab) -> None:
    driver = lab.need(Renames)
    container, other = lab.running(service="a"), lab.create(service="b")
    with pytest.raises(Conflict):
        driver.rename(container, lab.name("b"))
    driver.rename(container, lab.name("c"))
    assert lab.driver.inspect(lab.name("c")).id == container
    with pytest.raises(NotFound):
        lab.driver.inspect(lab.name("a"))
    assert lab.driver.inspect(other).name == lab.name("b")
    assert lab.driver.inspect(container).state is State.RUNNING


def test_without_a_check_there_is_no_verdict(lab: Lab) -> None:
    seen = lab.driver.inspect(lab.running())
    assert (seen.health, seen.healthcheck) == (Health.NONE, None)


def test_a_check_that_succeeds_makes_it_healthy(lab: Lab) -> None:
    lab.need_checks()
    service = lab.service(process=Process(healthy_after=0.0), healthcheck=checked())
    container = lab.driver.create(lab.spec(service))
    lab.driver.start(container)
    first = lab.driver.inspect(container)
    assert first.health is Health.STARTING
    assert first.healthcheck == checked()
    lab.until(lambda: lab.driver.inspect(container).health is Health.HEALTHY)
    assert lab.driver.list(lab.stack)[0].health is Health.HEALTHY


def test_a_check_that_fails_so_often_makes_it_unhealthy(lab: Lab) -> None:
    lab.need_checks()
    service = lab.service(healthcheck=checked(retries=2))
    container = lab.driver.create(lab.spec(service))
    lab.driver.start(container)
    lab.until(lambda: lab.driver.inspect(container).health is Health.UNHEALTHY)
    assert lab.driver.inspect(container).state is State.RUNNING
    assert lab.driver.list(lab.stack)[0].health is Health.UNHEALTHY


def test_the_check_can_be_run_before_the_daemon_does(lab: Lab) -> None:
    driver = lab.need(ExecProbe)
    service = lab.service(process=Process(healthy_after=0.5), healthcheck=checked(interval=60.0))
    container = lab.driver.create(lab.spec(service))
    lab.driver.start(container)
    command = ["/bin/sh", "-c", CHECK[1]]
    lab.until(lambda: driver.execute(container, command, timeout=20).exit_code == 0)
    runs = lab.driver.engine().runs_healthchecks
    assert lab.driver.inspect(container).health is (Health.STARTING if runs else Health.NONE)


def test_a_check_switched_off_is_none(lab: Lab) -> None:
    service = lab.service(healthcheck=Healthcheck(test=("NONE",)))
    container = lab.driver.create(lab.spec(service))
    lab.driver.start(container)
    seen = lab.driver.inspect(container)
    assert seen.health is Health.NONE
    assert seen.healthcheck is None or seen.healthcheck.disabled


def test_declared_ports_are_exposed(lab: Lab) -> None:
    service = lab.service(expose=(Expose(first=8080, last=8081), Expose(first=53, last=53, protocol="udp")))
    seen = lab.driver.inspect(lab.driver.create(lab.spec(service)))
    assert set(seen.exposed) == {PortKey(8080), PortKey(8081), PortKey(53, "udp")}


def test_an_engine_that_knows_tells_what_listens(lab: Lab) -> None:
    driver = lab.need(Listeners)
    container = lab.create(Process(listens=8080))
    assert driver.listening(container) == frozenset()
    lab.driver.start(container)
    lab.until(lambda: driver.listening(container) == {PortKey(8080)})
    lab.driver.stop(container, 0)
    assert driver.listening(container) == frozenset()


def test_admitting_to_a_container_that_does_not_run_does_nothing(lab: Lab) -> None:
    driver = lab.need(Admits)
    container = lab.create()
    driver.admit(container)
    assert lab.driver.inspect(container).state is State.CREATED
