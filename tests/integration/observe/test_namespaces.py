"""Tables of real network namespaces, by netlink and by /proc."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import pytest

from zun_compose.container import PortKey
from zun_compose.linux.proc import network_namespace, start_time
from zun_compose.observe import namespaces
from zun_compose.observe.namespaces import Namespaces, Vanished
from zun_compose.observe.process import Process
from zun_compose.observe.table import Table

from .conftest import Child

Read = Callable[[], Table]


def process_of(pid: int, *, visible: bool = True) -> Process:
    start = start_time(pid)
    assert start is not None
    return Process(pid=pid, start=start, namespace=network_namespace(pid) if visible else None)


@pytest.fixture(params=["netlink", "proc"])
def read(request: pytest.FixtureRequest, child: Child, monkeypatch: pytest.MonkeyPatch) -> Iterator[Read]:
    # Each look is a fresh one: sharing has its own tests.
    monkeypatch.setattr(namespaces, "SHARED_FOR", -1.0)
    monkeypatch.setattr(namespaces, "KEPT_WHILE_QUIET", -1.0)
    open_namespaces = Namespaces()

    def look() -> Table:
        process = process_of(child.pid, visible=request.param == "netlink")
        table = open_namespaces.table(process)
        assert table.source == request.param
        return table

    yield look
    open_namespaces.close()


def reachable(table: Table) -> set[str]:
    return {str(row.key) for row in table.sockets if not row.loopback}


def near(table: Table) -> set[str]:
    return {str(row.key) for row in table.sockets if row.loopback}


def test_sees_a_socket_while_it_listens_and_only_then(read: Read, child: Child) -> None:
    assert not read().sockets
    child.do("s = socket.socket(); s.bind(('0.0.0.0', 5432))")
    assert not read().sockets, "bound is not listening"
    child.do("s.listen()")
    assert reachable(read()) == {"5432/tcp"}
    child.do("s.close()")
    assert not read().sockets


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.11", "127.255.255.254"])
def test_loopback_is_told_apart(read: Read, child: Child, address: str) -> None:
    child.do(f"tcp(four, {address!r}, 5000); udp(four, {address!r}, 5001)")
    assert near(read()) == {"5000/tcp", "5001/udp"}
    assert not reachable(read())


def test_ipv6_loopback_and_mapped_loopback_are_told_apart(read: Read, child: Child) -> None:
    child.do("tcp(six, '::1', 5000); tcp(six, '::ffff:127.0.0.1', 5001); udp(six, '::1', 5002)")
    assert near(read()) == {"5000/tcp", "5001/tcp", "5002/udp"}
    assert not reachable(read())


@pytest.mark.parametrize("only6", [0, 1])
def test_a_wildcard_ipv6_socket_counts_for_its_port(read: Read, child: Child, only6: int) -> None:
    child.do(f"tcp(six, '::', 8080, {only6}); udp(six, '::', 53)")
    assert reachable(read()) == {"8080/tcp", "53/udp"}


def test_a_udp_socket_with_a_peer_serves_nobody_else(read: Read, child: Child) -> None:
    child.do("udp(four, '0.0.0.0', 5300); udp(four, '0.0.0.0', 5301, ('127.0.0.1', 9))")
    assert reachable(read()) == {"5300/udp"}


def test_connections_are_not_listeners(read: Read, child: Child) -> None:
    child.do("tcp(four, '0.0.0.0', 7000)")
    child.do("kept.append(socket.create_connection(('127.0.0.1', 7000))); kept.append(kept[0].accept()[0])")
    assert {(str(row.key), row.loopback) for row in read().sockets} == {("7000/tcp", False)}


def test_many_sockets_come_whole(read: Read, child: Child) -> None:
    child.do("[tcp(four, '0.0.0.0', port) for port in range(20000, 20900)]")
    assert len(reachable(read())) == 900


def test_both_ways_tell_the_same_inodes(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    child.do("tcp(four, '0.0.0.0', 80); tcp(six, '::', 81); udp(four, '127.0.0.1', 82); udp(six, '::', 83)")
    open_namespaces = Namespaces()
    try:
        by_netlink = open_namespaces.table(process_of(child.pid))
        by_proc = open_namespaces.table(process_of(child.pid, visible=False))
    finally:
        open_namespaces.close()
    assert (by_netlink.source, by_proc.source) == ("netlink", "proc")
    assert set(by_netlink.sockets) == set(by_proc.sockets)
    inodes = {os.stat(f"/proc/{child.pid}/fd/{name}").st_ino for name in os.listdir(f"/proc/{child.pid}/fd")}
    assert {row.inode for row in by_netlink.sockets} <= inodes


def test_no_thread_of_ours_is_moved(child: Child) -> None:
    def spaces() -> set[int | None]:
        return {network_namespace(f"self/task/{thread.native_id}") for thread in threading.enumerate()}

    before = spaces()
    open_namespaces = Namespaces()
    open_namespaces.table(process_of(child.pid))
    open_namespaces.close()
    assert spaces() == before == {network_namespace()}
    assert not [thread for thread in threading.enumerate() if thread.name == "zun-compose-setns"]


def test_readings_of_one_tick_are_one_reading(child: Child) -> None:
    now = [0.0]
    open_namespaces = Namespaces(clock=lambda: now[0])
    try:
        first = open_namespaces.table(process_of(child.pid))
        child.do("tcp(four, '0.0.0.0', 80)")
        now[0] += 0.0019
        assert open_namespaces.table(process_of(child.pid)) is first
        now[0] += 0.0002
        assert reachable(open_namespaces.table(process_of(child.pid))) == {"80/tcp"}
    finally:
        open_namespaces.close()


def test_text_tables_are_kept_only_while_the_counts_stand_still(child: Child) -> None:
    now = [0.0]
    open_namespaces = Namespaces(clock=lambda: now[0])
    try:
        process = process_of(child.pid, visible=False)
        first = open_namespaces.table(process)
        now[0] += 0.01
        assert open_namespaces.table(process) is first
        child.do("tcp(four, '0.0.0.0', 80)")
        now[0] += 0.01
        assert reachable(open_namespaces.table(process)) == {"80/tcp"}
        # One closes while one opens: the counts are the same again, so only age helps.
        child.do("kept.pop().close(); tcp(four, '0.0.0.0', 81)")
        now[0] += namespaces.KEPT_WHILE_QUIET + 0.01
        assert reachable(open_namespaces.table(process)) == {"81/tcp"}
    finally:
        open_namespaces.close()


@pytest.mark.parametrize("visible", [True, False])
def test_an_ended_process_has_no_table(visible: bool) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may make network namespaces")
    gone = Child()
    process = process_of(gone.pid, visible=visible)
    gone.end()
    open_namespaces = Namespaces()
    with pytest.raises(Vanished):
        open_namespaces.table(process)
    open_namespaces.close()


def test_open_sockets_are_limited_and_closed() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may make network namespaces")
    children = [Child() for _ in range(4)]
    before = len(os.listdir("/proc/self/fd"))
    open_namespaces = Namespaces(limit=2)
    try:
        for other in children:
            other.do("tcp(four, '0.0.0.0', 80)")
            assert reachable(open_namespaces.table(process_of(other.pid))) == {"80/tcp"}
        assert open_namespaces.opened == 2
        assert len(os.listdir("/proc/self/fd")) == before + 2
        open_namespaces.forget(process_of(children[-1].pid))
        assert open_namespaces.opened == 1
        assert reachable(open_namespaces.table(process_of(children[0].pid))) == {"80/tcp"}
        open_namespaces.close()
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        open_namespaces.close()
        for other in children:
            other.end()


def test_threads_that_read_together_agree(child: Child) -> None:
    child.do("tcp(four, '0.0.0.0', 80)")
    open_namespaces = Namespaces()
    process = process_of(child.pid)
    wrong: list[object] = []

    def look() -> None:
        for _ in range(200):
            table = open_namespaces.table(process)
            if PortKey(80) not in {row.key for row in table.sockets}:
                wrong.append(table)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    open_namespaces.close()
    assert not wrong
