"""Events and logs: nothing lost, nothing garbled, and closed at once whatever the engine does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from tests.engines import busybox
from tests.engines.dockerd import Private
from tests.engines.require import missing
from tests.integration.docker.conftest import Bench, until
from zun_compose.container import Health, Hint, LogLine, State
from zun_compose.drivers.docker import connect
from zun_compose.errors import DriverTimeout, Unavailable
from zun_compose.model import Healthcheck, Restart, RestartName

pytestmark = pytest.mark.docker


@pytest.fixture
def own_engine(docker_engine: str) -> Iterator[Private]:
    """An engine that a test may stop, freeze and restart."""
    engine = Private()
    try:
        engine.start()
    except (LookupError, OSError) as error:
        missing("docker", str(error))
    busybox.ensure(engine.url)
    yield engine
    engine.stop()


def test_events_tell_what_happened_and_whose_it_was(bench: Bench) -> None:
    heard: list[Hint] = []
    subscription = bench.driver.events(bench.stack, heard.append)
    container = bench.running(
        "sh", "-c", "sleep 1.5; exit 3", healthcheck=Healthcheck(test=("CMD", "true"), interval=0.5)
    )
    bench.driver.execute(container, ["true"], timeout=10)
    died = until(lambda: next((hint for hint in heard if hint.action == "die"), None))
    assert died is not None
    subscription.close()
    assert (died.container, died.service, died.number, died.exit_code) == (container, "web", 1, 3)
    assert died.name == f"{bench.stack}-web-1"
    actions = [hint.action for hint in heard]
    assert actions.index("create") < actions.index("start") < actions.index("die")
    assert not [action for action in actions if action.startswith("exec")]
    assert {hint.health for hint in heard if hint.action == "health_status"} == {Health.HEALTHY}
    times = [hint.at for hint in heard]
    assert times == sorted(times)
    assert times[0] > 1_600_000_000


def test_all_events_of_parallel_work_arrive(bench: Bench) -> None:
    containers = [bench.running(name=f"s{number}") for number in range(20)]
    heard: list[Hint] = []
    subscription = bench.driver.events(bench.stack, heard.append)
    threads = [Thread(target=bench.driver.kill, args=(one, "KILL")) for one in containers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: all(bench.driver.inspect(one).state is State.EXITED for one in containers))
    until(lambda: {hint.container for hint in heard if hint.action == "die"} == set(containers))
    subscription.close()


def test_a_sink_is_left_alone_after_close(bench: Bench) -> None:
    heard: list[Hint] = []
    subscription = bench.driver.events(bench.stack, heard.append)
    bench.create()
    until(lambda: heard)
    subscription.close()
    subscription.close()
    count = len(heard)
    other: list[Hint] = []
    witness = bench.driver.events(bench.stack, other.append)
    bench.create(name="second")
    until(lambda: other)
    witness.close()
    assert len(heard) == count


def test_a_sink_may_close_its_own_subscription(bench: Bench) -> None:
    done = Event()

    def sink(hint: Hint) -> None:
        subscription.close()
        done.set()

    subscription = bench.driver.events(bench.stack, sink)
    bench.create()
    assert done.wait(10)


def test_events_go_on_after_the_engine_was_restarted(own_engine: Private) -> None:
    driver = connect(own_engine.url)
    bench = Bench(own_engine.url, driver, "zcrestart")
    heard: list[Hint] = []
    subscription = driver.events(bench.stack, heard.append)
    first = bench.create(name="first")
    until(lambda: any(hint.container == first for hint in heard))
    own_engine.restart()
    second = until(lambda: _created(bench))
    until(lambda: any(hint.container == second for hint in heard), 40)
    # what was told before the break is not told again
    assert sum(hint.action == "create" and hint.container == first for hint in heard) == 1
    subscription.close()
    driver.close()


def _created(bench: Bench) -> str | None:
    try:
        return bench.create(name="second")
    except Unavailable:
        return None


def test_a_frozen_engine_costs_a_timeout_and_holds_nobody(own_engine: Private) -> None:
    patient = connect(own_engine.url)
    container = Bench(own_engine.url, patient, "zcfrozen").running()
    patient.close()
    driver = connect(own_engine.url, timeout=1.0)
    subscription = driver.events("zcfrozen", lambda hint: None)
    lines = driver.logs(container, follow=True)
    reader = Thread(target=lambda: list(lines))
    reader.start()
    os.kill(own_engine.pid, signal.SIGSTOP)
    try:
        with pytest.raises(DriverTimeout):
            driver.inspect(container)
        subscription.close()
        lines.close()  # type: ignore[attr-defined]
        reader.join(30)
        assert not reader.is_alive()
    finally:
        os.kill(own_engine.pid, signal.SIGCONT)
    driver.close()
    assert patient.inspect(container).id == container
    patient.close()


def test_no_engine_is_unavailable(tmp_path: object) -> None:
    for url in (f"unix://{tmp_path}/nobody.sock", "tcp://127.0.0.1:9"):
        with pytest.raises(Unavailable, match="cannot reach the docker engine at"):
            connect(url, timeout=2.0).engine()


def test_lines_are_whole_and_in_their_streams(bench: Bench) -> None:
    script = (
        "printf 'one\\ntwo'; sleep 0.3; printf ' halves\\n'; echo wrong >&2; sleep 0.1;"
        " head -c 40000 /dev/zero | tr '\\0' x; echo; printf 'no end'"
    )
    container = bench.running("sh", "-c", script)
    bench.driver.wait(container, 20)
    expected = ["one", "two halves", "x" * 40000, "no end"]
    for timestamps in (False, True):
        for follow in (False, True):
            lines = list(bench.driver.logs(container, timestamps=timestamps, follow=follow))
            assert [line.text for line in lines if line.stream == "stdout"] == expected
            assert [line.text for line in lines if line.stream == "stderr"] == ["wrong"]
            assert all((line.at is not None) == timestamps for line in lines)
    moments = [line.at for line in bench.driver.logs(container, timestamps=True) if line.stream == "stdout"]
    assert moments == sorted(moments)  # type: ignore[type-var]


def test_a_terminal_has_one_stream_without_carriage_returns(bench: Bench) -> None:
    container = bench.running("sh", "-c", "echo out; echo err >&2; printf end", tty=True)
    bench.driver.wait(container, 20)
    assert list(bench.driver.logs(container)) == [
        LogLine(text="out"),
        LogLine(text="err"),
        LogLine(text="end"),
    ]
    stamped = list(bench.driver.logs(container, timestamps=True))
    assert [line.text for line in stamped] == ["out", "err", "end"]
    assert all(line.at and line.at.startswith("20") for line in stamped)


def test_tail_and_since(bench: Bench) -> None:
    container = bench.running("sh", "-c", "echo a; sleep 1.2; echo b; echo c")
    bench.driver.wait(container, 20)
    assert [line.text for line in bench.driver.logs(container, tail=1)] == ["c"]
    assert [line.text for line in bench.driver.logs(container, tail=0)] == []
    stamps = [line.at for line in bench.driver.logs(container, timestamps=True)]
    between = (_seconds(stamps[0]) + _seconds(stamps[1])) / 2
    assert [line.text for line in bench.driver.logs(container, since=between)] == ["b", "c"]
    assert [line.text for line in bench.driver.logs(container, until=between)] == ["a"]


def _seconds(stamp: str | None) -> float:
    from datetime import datetime

    assert stamp is not None
    return datetime.fromisoformat(f"{stamp[:26]}+00:00").timestamp()


def test_closing_wakes_a_reader_in_another_thread(bench: Bench) -> None:
    container = bench.running("sh", "-c", "echo first; sleep 1000")
    lines = bench.driver.logs(container, follow=True)
    assert next(lines).text == "first"
    rest: list[LogLine] = []
    reader = Thread(target=lambda: rest.extend(lines))
    reader.start()
    lines.close()  # type: ignore[attr-defined]
    reader.join(5)
    assert not reader.is_alive()
    assert rest == []


def test_many_streams_and_calls_do_not_disturb_each_other(bench: Bench) -> None:
    container = bench.running("sh", "-c", "for i in $(seq 200); do echo $i; done; sleep 1000")
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(15):
                assert len(list(bench.driver.logs(container, tail=50))) == 50
                assert bench.driver.inspect(container).id == container
                assert bench.driver.execute(container, ["echo", "x"], timeout=30).output == "x\n"
        except BaseException as error:  # noqa: BLE001  handed to the test's own thread
            failures.append(error)

    until(lambda: len(list(bench.driver.logs(container))) == 200)
    threads = [Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_commands_leave_no_connection_open(bench: Bench) -> None:
    container = bench.running()
    bench.driver.execute(container, ["true"], timeout=10)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        assert bench.driver.execute(container, ["sh", "-c", "echo y; exit 4"], timeout=10).exit_code == 4
        with pytest.raises(DriverTimeout):
            bench.driver.execute(container, ["sleep", "2"], timeout=0.2)
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_output_is_bounded_and_the_command_still_ends(bench: Bench) -> None:
    container = bench.running()
    result = bench.driver.execute(
        container, ["sh", "-c", "head -c 300000 /dev/zero | tr '\\0' z; exit 5"], timeout=30
    )
    assert result.exit_code == 5
    assert result.output == "z" * 65536


def test_a_command_that_drips_output_still_times_out(bench: Bench) -> None:
    container = bench.running()
    with pytest.raises(DriverTimeout):
        bench.driver.execute(container, ["sh", "-c", "while :; do echo .; sleep 0.1; done"], timeout=1.0)


def test_a_declared_grace_outlasts_the_time_of_a_call(bench: Bench) -> None:
    """Only the engine knows it, and a stop that takes its time is no failure."""
    ready = "trap '' TERM; echo ready; while :; do sleep 1; done"
    container = bench.running("sh", "-c", ready, stop_grace_period=3)
    until(lambda: list(bench.driver.logs(container)))
    driver = connect(bench.url, timeout=1.5)
    began = time.monotonic()
    driver.stop(container)
    assert time.monotonic() - began > 2.5
    assert driver.inspect(container).exit_code == 137
    driver.close()


def test_waiting_goes_on_through_restarts(bench: Bench) -> None:
    restart = Restart(name=RestartName.ON_FAILURE, maximum=2)
    container = bench.running("sh", "-c", "sleep 0.3; exit 9", restart=restart)
    assert bench.driver.wait(container, 30) == 9
    seen = bench.driver.inspect(container)
    assert (seen.state, seen.restart_count) == (State.EXITED, 2)
    assert seen.restart_policy == "on-failure"
