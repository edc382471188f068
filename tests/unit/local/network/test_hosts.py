from __future__ import annotations

import fcntl
import os
import threading
from ipaddress import ip_address

import pytest

from zun_compose.drivers.local.network.hosts import Place, render, rewrite
from zun_compose.errors import Rejected


def place(network, names, *addresses):
    return Place(network=network, names=tuple(names), addresses=tuple(map(ip_address, addresses)))


OWN = [place("back", ["web", "s-web-1"], "10.1.0.3"), place("front", ["web"], "10.2.0.3")]
PEERS = [
    place("back", ["db", "s-db-2"], "10.1.0.10"),
    place("back", ["db", "s-db-1", "store"], "10.1.0.9", "fd00::9"),
    place("elsewhere", ["secret"], "10.3.0.2"),
]


def table(text):
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, names = line.split("\t")
        for name in names.split(" "):
            found.setdefault(name, []).append(address)
    return found


def test_every_name_has_all_its_addresses():
    names = table(render("box", OWN, PEERS))
    assert names["localhost"] == ["127.0.0.1", "::1"]
    assert names["box"] == ["10.1.0.3", "10.2.0.3"]
    assert names["web"] == ["10.1.0.3", "10.2.0.3"]
    assert names["db"] == ["10.1.0.9", "fd00::9", "10.1.0.10"]
    assert names["store"] == ["10.1.0.9", "fd00::9"]
    assert "secret" not in names


def test_the_order_of_peers_does_not_matter():
    assert render("box", OWN, PEERS) == render("box", OWN, PEERS[::-1])


def test_a_container_among_its_own_peers_is_named_once():
    assert render("box", OWN, [*PEERS, *OWN]) == render("box", OWN, PEERS)


def test_own_hostname_and_extra_hosts_hide_peers():
    names = table(
        render("db", OWN, PEERS, [("store", "1.2.3.4"), ("up", "host-gateway")], host_gateway="10.1.0.1")
    )
    assert names["db"] == ["10.1.0.3", "10.2.0.3"]
    assert names["store"] == ["1.2.3.4"]
    assert names["up"] == ["10.1.0.1"]
    assert names["s-db-1"] == ["10.1.0.9", "fd00::9"]


def test_no_way_to_the_host_is_said():
    with pytest.raises(Rejected, match="passt"):
        render("box", OWN, [], [("up", "host-gateway")])


def test_the_resolver_takes_what_we_write(tmp_path):
    # Nothing between name, tab and space may be anything that hosts(5) does not know.
    assert all(len(line.split("\t")) == 2 for line in render("box", OWN, PEERS).splitlines())


def test_rewriting_keeps_the_file_and_fits_it(tmp_path):
    path = tmp_path / "hosts"
    rewrite(path, "long text\n" * 100)
    inode = path.stat().st_ino
    rewrite(path, "short\n")
    assert path.read_text() == "short\n"
    rewrite(path, "longer again\n" * 50)
    assert path.read_text() == "longer again\n" * 50
    assert path.stat().st_ino == inode


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "hosts").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"):
        rewrite(tmp_path / "hosts", "x")
    assert not (tmp_path / "victim").exists()


def test_writers_exclude_each_other(tmp_path):
    path = tmp_path / "hosts"
    texts = [f"10.0.0.{number}\tname{number}\n" * (number * 20 + 1) for number in range(8)]
    rewrite(path, texts[0])
    stop = threading.Event()

    def write(text):
        while not stop.is_set():
            rewrite(path, text)

    writers = [threading.Thread(target=write, args=(text,)) for text in texts]
    for writer in writers:
        writer.start()
    try:
        for _ in range(500):
            with path.open() as handle:
                fcntl.flock(handle, fcntl.LOCK_SH)
                assert handle.read() in texts
    finally:
        stop.set()
        for writer in writers:
            writer.join()


def test_a_resolver_takes_no_lock_and_misses_no_line_while_others_are_added(tmp_path):
    path = tmp_path / "hosts"
    lines = [f"10.0.{number // 250}.{number % 250}\tname{number}\n" for number in range(1000)]
    texts = ["".join(lines[:count]) for count in range(1, len(lines) + 1)]
    rewrite(path, texts[0])

    def write():
        for text in texts:
            rewrite(path, text)

    writer = threading.Thread(target=write)
    writer.start()
    seen = texts[0]
    while seen != texts[-1]:
        handle = os.open(path, os.O_RDONLY)
        before, seen = seen, os.read(handle, 1 << 20).decode()
        os.close(handle)
        assert seen.startswith(before)
    writer.join()
