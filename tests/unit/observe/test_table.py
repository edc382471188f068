"""Socket tables in the kernel's text form."""

from __future__ import annotations

import random
import socket
import sys

import pytest

from zun_compose.container import PortKey
from zun_compose.linux.sock_diag import is_loopback
from zun_compose.observe.table import Bound, parse

TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP6 = "  sl  local_address                         remote_address                        st inode\n"
UDP = (
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"
    "   uid  timeout inode ref pointer drops\n"
)


def row(address: str, port: int, state: int, inode: int = 7) -> str:
    """One line as the kernel prints it on this machine: each 32-bit word as a number of its own."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    words = (int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4))
    local = "".join(f"{word:08X}" for word in words)
    other = "0" * len(local)
    return (
        f"   0: {local}:{port:04X} {other}:0000 {state:02X} 00000000:00000000 00:00000000 00000000"
        f"     0        0 {inode} 1 0000000000000000 100 0 0 10 0\n"
    )


def test_only_what_waits_is_kept() -> None:
    text = TCP + row("0.0.0.0", 80, 10, 11) + row("172.17.0.2", 80, 1) + row("0.0.0.0", 81, 6)
    text += UDP + row("0.0.0.0", 53, 7, 12) + row("0.0.0.0", 54, 1)
    rows, kinds = parse(text)
    assert kinds == {"tcp", "udp"}
    assert [(str(found.key), found.inode, found.loopback) for found in rows] == [
        ("80/tcp", 11, False),
        ("53/udp", 12, False),
    ]


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.0.0.11", True),
        ("127.255.0.9", True),
        ("128.0.0.1", False),
        ("0.0.0.0", False),
        ("172.17.0.2", False),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:127.9.9.9", True),
        ("::ffff:10.0.0.1", False),
        ("::", False),
        ("::127.0.0.1", False),
        ("fe80::1", False),
    ],
)
def test_loopback_addresses(address: str, loopback: bool) -> None:
    header = TCP6 if ":" in address else TCP
    (found,), _ = parse(header + row(address, 8080, 10))
    assert found.loopback is loopback
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    assert is_loopback(socket.inet_pton(family, address)) is loopback


@pytest.mark.parametrize(
    ("address", "dial"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("::ffff:0.0.0.0", "127.0.0.1"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8::5", "2001:db8::5"),
    ],
)
def test_where_to_reach_a_socket_from_its_own_namespace(address: str, dial: str) -> None:
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    assert Bound(key=PortKey(1), address=packed, inode=1).dial == dial


def test_text_without_a_table_is_no_table() -> None:
    assert parse("cat: can't open '/proc/net/tcp': No such file or directory\n") == ((), frozenset())
    assert parse(row("0.0.0.0", 80, 10)) == ((), frozenset())


def test_text_of_anybody_is_survived() -> None:
    whole = TCP + "".join(row("0.0.0.0", port, 10, port) for port in range(1, 200))
    known = {found.key for found in parse(whole)[0]}
    noise = random.Random(5)
    for _ in range(300):
        at = noise.randrange(len(whole))
        cut = whole[:at] + noise.choice(["", "\0", "zz:zz", "\n", ":"]) + whole[at + noise.randrange(9) :]
        assert len({found.key for found in parse(cut)[0]} - known) <= 2
