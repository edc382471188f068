"""Sockets of real containers on a real engine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from zun_compose.container import Observed, PortKey, State
from zun_compose.model import Healthcheck
from zun_compose.observe import ownership, process
from zun_compose.observe.commands import healthcheck, last_words
from zun_compose.observe.sockets import SocketReader
from zun_compose.record import replace

from .conftest import INFO, PREFIX, Child, Cli, Run, docker, until

pytestmark = pytest.mark.docker

HTTPD = ("sh", "-c", "mkdir -p /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www")
LOOPBACK = ("sh", "-c", "mkdir -p /www; exec httpd -f -p 127.0.0.1:80 -h /www")


def ports(*names: str) -> frozenset[PortKey]:
    return frozenset(PortKey(int(name.split("/")[0]), name.split("/")[1]) for name in names)


@pytest.fixture
def reader(driver: Cli) -> Iterator[SocketReader]:
    made = SocketReader(driver, INFO)  # type: ignore[arg-type]  # only what observers call is there
    yield made
    made.close()


def test_a_late_listener_is_seen_by_the_kernels_table(reader: SocketReader, run: Run) -> None:
    seen = run("sh", "-c", "sleep 0.5; exec httpd -f -p 80 -h /")
    wanted = ports("80/tcp")
    first = reader.read(seen, wanted)
    assert (first.listening, first.complete, first.source) == (frozenset(), True, "netlink")
    reading = until(lambda: reader.read(seen, wanted), 80)
    assert (reading.source, reading.complete, reading.unattributed) == ("netlink", True, frozenset())


def test_loopback_holds_nothing(reader: SocketReader, run: Run) -> None:
    seen = run("sh", "-c", "mkdir -p /www; httpd -p 127.0.0.1:80 -h /www; exec httpd -f -p 81 -h /www")
    reading = until(lambda: reader.read(seen, ports("80/tcp", "81/tcp")), 81)
    assert (reading.listening, reading.loopback) == (ports("81/tcp"), ports("80/tcp"))


def test_dockers_own_resolver_does_not_listen(reader: SocketReader, run: Run) -> None:
    network = f"{PREFIX}-resolver"
    docker("network", "create", network)
    try:
        seen = run("sleep", "60", options=["--network", network])
        reading = reader.read(seen, frozenset())
        assert not reading.listening
        assert {key.protocol for key in reading.loopback} == {"tcp", "udp"}
        docker("rm", "-f", seen.id)
    finally:
        docker("network", "rm", network)


def test_a_published_port_that_the_proxy_accepts_does_not_count(reader: SocketReader, run: Run) -> None:
    seen = run("sleep", "60", options=["-p", "127.0.0.1::80"])
    reading = reader.read(seen, ports("80/tcp"))
    assert (reading.listening, reading.complete) == (frozenset(), True)


def test_a_paused_container_still_listens(reader: SocketReader, run: Run, driver: Cli) -> None:
    seen = run(*HTTPD)
    until(lambda: reader.read(seen, ports("80/tcp")), 80)
    docker("pause", seen.id)
    paused = driver.inspect(seen.id)
    assert paused.state is State.PAUSED
    assert reader.read(paused, ports("80/tcp")).listening == ports("80/tcp")
    docker("unpause", seen.id)


def test_a_restart_is_noticed_by_the_new_process(reader: SocketReader, run: Run, driver: Cli) -> None:
    seen = run(*HTTPD)
    until(lambda: reader.read(seen, ports("80/tcp")), 80)
    docker("restart", "-t", "0", seen.id)
    assert until(lambda: reader.read(seen, ports("80/tcp")), 80).source == "netlink"
    again = driver.inspect(seen.id)
    assert again.pid != seen.pid
    assert until(lambda: reader.read(again, ports("80/tcp")), 80).source == "netlink"
    assert not driver.executed


def test_what_does_not_run_does_not_listen(reader: SocketReader, run: Run, driver: Cli) -> None:
    seen = run(*HTTPD, only_create=True)
    assert reader.read(seen, ports("80/tcp")).complete
    docker("start", seen.id)
    running = driver.inspect(seen.id)
    until(lambda: reader.read(running, ports("80/tcp")), 80)
    docker("kill", seen.id)
    ended = driver.inspect(seen.id)
    reading = reader.read(ended, ports("80/tcp"))
    assert (reading.listening, reading.complete) == (frozenset(), True)
    assert not reader.read(running, ports("80/tcp")).listening


def test_a_summary_without_pid_is_completed_by_a_look(reader: SocketReader, run: Run) -> None:
    seen = replace(run(*HTTPD), pid=None, detailed=False, runtime="", started_at=None)
    assert until(lambda: reader.read(seen, ports("80/tcp")), 80).source == "netlink"


def test_sctp_is_said_to_be_unobservable(reader: SocketReader, run: Run) -> None:
    reading = reader.read(run("sleep", "60"), ports("132/sctp"))
    assert not reading.listening
    assert "132/sctp cannot be observed" in reading.note


class TestSharedNamespaces:
    def test_host_network_counts_only_what_the_container_holds(self, reader: SocketReader, run: Run) -> None:
        stranger = Child(namespaced=False)
        try:
            stranger.do("tcp(four, '0.0.0.0', 28081)")
            seen = run("sh", "-c", "exec httpd -f -p 28080 -h /", options=["--network", "host"])
            wanted = ports("28080/tcp", "28081/tcp")
            reading = until(lambda: reader.read(seen, wanted), 28080)
            assert (reading.listening, reading.unattributed) == (ports("28080/tcp"), frozenset())
            assert "28081/tcp is held by another process" in reading.note
            assert reading.foreign == frozenset()
        finally:
            stranger.end()

    def test_a_joined_namespace_is_told_apart(self, reader: SocketReader, run: Run) -> None:
        first = run("httpd", "-f", "-p", "80", "-h", "/")
        wanted = ports("80/tcp", "81/tcp")
        until(lambda: reader.read(first, wanted), 80)
        second = run("httpd", "-f", "-p", "81", "-h", "/", options=["--network", f"container:{first.id}"])
        assert until(lambda: reader.read(second, wanted), 81).listening == ports("81/tcp")
        assert reader.read(first, wanted).listening == ports("80/tcp")

    def test_a_sidecar_that_nobody_told_of_is_found_out(self, reader: SocketReader, run: Run) -> None:
        owner = run("sleep", "60")
        sidecar = run("httpd", "-f", "-p", "80", "-h", "/", options=["--network", f"container:{owner.id}"])
        fresh = SocketReader(Cli(), INFO)  # type: ignore[arg-type]
        until(lambda: fresh.read(sidecar, ports("80/tcp")), 80)
        fresh.close()
        reading = reader.read(owner, ports("80/tcp"))
        assert (reading.listening, reading.complete) == (frozenset(), True)
        assert "80/tcp is held by another process" in reading.note

    def test_where_owners_cannot_be_told_the_order_of_events_decides(
        self, reader: SocketReader, run: Run, driver: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # What an ordinary user sees: the file descriptors of root's processes are closed to him.
        def unreadable(pids: object, inodes: object) -> tuple[frozenset[int], bool]:
            return frozenset(), False

        monkeypatch.setattr(ownership, "held", unreadable)
        wanted = ports("28082/tcp", "28083/tcp")
        stranger = Child(namespaced=False)
        try:
            stranger.do("tcp(four, '0.0.0.0', 28083)")
            made = run(
                "httpd", "-f", "-p", "28082", "-h", "/", options=["--network", "host"], only_create=True
            )
            assert not reader.read(made, wanted).listening
            docker("start", made.id)
            seen = driver.inspect(made.id)
            reading = until(lambda: reader.read(seen, wanted), 28082)
            assert reading.unattributed == ports("28082/tcp")
            assert reading.foreign == ports("28083/tcp")
            assert reading.listening == ports("28082/tcp")
        finally:
            stranger.end()

    def test_a_baseline_taken_too_late_condemns_nothing(
        self, reader: SocketReader, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unreadable(pids: object, inodes: object) -> tuple[frozenset[int], bool]:
            return frozenset(), False

        monkeypatch.setattr(ownership, "held", unreadable)
        seen = run("httpd", "-f", "-p", "28084", "-h", "/", options=["--network", "host"])
        until(lambda: reader.read(seen, ports("28084/tcp")), 28084)
        reader.baseline(None)
        reader.baseline(seen)
        reading = reader.read(seen, ports("28084/tcp"))
        assert (reading.listening, reading.foreign) == (ports("28084/tcp"), frozenset())

    def test_the_process_tree_serves_where_no_cgroup_can_be_read(
        self, reader: SocketReader, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(process, "hierarchies", tuple)
        command = ("sh", "-c", "httpd -f -p 28085 -h / & sleep 60")
        seen = run(*command, options=["--network", "host"])
        reading = until(lambda: reader.read(seen, ports("28085/tcp")), 28085)
        assert reading.unattributed == frozenset()


class TestWithoutTheProcess:
    """The pid means nothing here: Docker Desktop, ssh, or we run in a container ourselves."""

    def test_a_strangers_pid_is_not_believed(self, reader: SocketReader, run: Run, driver: Cli) -> None:
        seen = run("sleep", "60")
        stranger = Child()
        try:
            stranger.do("tcp(four, '0.0.0.0', 80)")
            reading = reader.read(replace(seen, pid=stranger.pid), ports("80/tcp"))
            assert (reading.listening, reading.source) == (frozenset(), "exec")
        finally:
            stranger.end()

    def test_the_table_is_read_inside(self, reader: SocketReader, run: Run) -> None:
        seen = replace(run(*HTTPD), pid=None)
        reading = until(lambda: reader.read(seen, ports("80/tcp")), 80)
        assert (reading.source, reading.complete) == ("exec", True)

    def test_loopback_is_told_apart_inside_too(self, reader: SocketReader, run: Run) -> None:
        seen = replace(run(*LOOPBACK), pid=None)
        docker("exec", seen.id, "sh", "-c", "until grep -q ':0050 .* 0A ' /proc/net/tcp; do :; done")
        reading = reader.read(seen, ports("80/tcp"))
        assert (reading.listening, reading.loopback) == (frozenset(), ports("80/tcp"))

    def test_a_sandboxed_runtimes_no_is_not_final(self, reader: SocketReader, run: Run, driver: Cli) -> None:
        seen = replace(run("sleep", "60"), runtime="runsc")
        reading = reader.read(seen, ports("80/tcp"))
        assert (reading.listening, reading.complete, reading.source) == (frozenset(), False, "exec")
        assert driver.executed

    def test_without_cat_ports_are_connected_to(self, reader: SocketReader, run: Run, driver: Cli) -> None:
        command = ("sh", "-c", "mkdir -p /www; /bin/rm -f /bin/cat; exec httpd -f -p 80 -h /www")
        seen = replace(run(*command), pid=None)
        docker("exec", seen.id, "sh", "-c", "while [ -e /bin/cat ]; do :; done")
        reading = until(lambda: reader.read(seen, ports("80/tcp", "81/tcp")), 80)
        assert (reading.listening, reading.source, reading.complete) == (ports("80/tcp"), "tcp", False)
        assert len(driver.executed) == 1, "what an image lacks is not asked for at each look"

    def test_nothing_is_connected_to_where_addresses_mean_others(self, driver: Cli, run: Run) -> None:
        far = SocketReader(driver, replace(INFO, local=False))  # type: ignore[arg-type]
        command = ("sh", "-c", "/bin/rm -f /bin/cat; exec httpd -f -p 80 -h /")
        seen = replace(run(*command), pid=None)
        docker("exec", seen.id, "sh", "-c", "until nc -w 1 127.0.0.1 80 </dev/null; do :; done")
        reading = far.read(seen, ports("80/tcp"))
        far.close()
        assert (reading.listening, reading.source, reading.complete) == (frozenset(), "none", False)
        assert reading.note


class TestHealthcheck:
    def test_the_declared_test_runs_as_the_container(self, driver: Cli, run: Run) -> None:
        seen = run("sleep", "60", options=["-e", "WHO=me", "-u", "7:8", "-w", "/bin"])
        good = Healthcheck(test=("CMD-SHELL", 'echo "$WHO $(id -u) $PWD"'))
        answer = healthcheck(driver, seen, good, 10)  # type: ignore[arg-type]
        assert (answer.ok, answer.ran, answer.exit_code, answer.text) == (True, True, 0, "me 7 /bin")

    def test_a_failure_says_its_code_and_last_line(self, driver: Cli, run: Run) -> None:
        seen = run("sleep", "60")
        bad = Healthcheck(test=("CMD", "sh", "-c", "echo one; printf 'no\\033[31m response\\n\\n'; exit 3"))
        answer = healthcheck(driver, seen, bad, 10)  # type: ignore[arg-type]
        assert (answer.ok, answer.ran, answer.exit_code) == (False, True, 3)
        assert answer.text == "exit 3: no [31m response"

    def test_a_test_that_cannot_start_is_no_verdict(self, driver: Cli, run: Run) -> None:
        seen = run("sleep", "60")
        absent = Healthcheck(test=("CMD", "no-such-program"))
        answer = healthcheck(driver, seen, absent, 10)  # type: ignore[arg-type]
        assert (answer.ok, answer.ran) == (False, False)
        shell = Healthcheck(test=("CMD-SHELL", "no-such-program"))
        answer = healthcheck(driver, seen, shell, 10)  # type: ignore[arg-type]
        assert (answer.ok, answer.ran, answer.exit_code) == (False, True, 127)

    def test_time_is_bounded(self, driver: Cli, run: Run) -> None:
        seen = run("sleep", "60")
        answer = healthcheck(driver, seen, Healthcheck(test=("CMD", "sleep", "30")), 0.5)  # type: ignore[arg-type]
        assert (answer.ok, answer.ran, answer.text) == (False, True, "no answer within 0.5 s")

    @pytest.mark.parametrize("test", [None, (), ("NONE",), ("CMD",)])
    def test_without_a_test_nothing_runs(self, test: tuple[str, ...] | None) -> None:
        engine = Cli()
        seen = Observed(id="x" * 64, name="x", service="x", number=1, state=State.RUNNING)
        answer = healthcheck(engine, seen, Healthcheck(test=test), 1)  # type: ignore[arg-type]
        assert (answer.ran, engine.executed) == (False, [])


def test_last_words_are_the_last_lines(driver: Cli, run: Run) -> None:
    seen = run("sh", "-c", "for i in 1 2 3 4; do echo line $i; done; echo $(yes | head -c 2000)")
    subprocess.run(["docker", "wait", seen.id], check=True, capture_output=True, timeout=30)
    words = last_words(driver, seen.id, 3)  # type: ignore[arg-type]
    assert words[:2] == ("line 3", "line 4")
    assert len(words[2]) == 300
    assert last_words(driver, "no-such-container") == ()  # type: ignore[arg-type]
