"""System calls that Python 3.11 has no names for: namespaces, privileges, an interface."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
NAMESPACES = {
    "user": CLONE_NEWUSER,
    "mnt": CLONE_NEWNS,
    "pid": CLONE_NEWPID,
    "net": CLONE_NEWNET,
    "uts": CLONE_NEWUTS,
    "ipc": CLONE_NEWIPC,
}

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_LAST_CAPABILITY = 63
_CAPABILITY_VERSION_3 = 0x20080522
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def setns(descriptor: int, kinds: int) -> None:
    """Enter the namespaces `kinds` of a pidfd or of a namespace file (setns(2)). Raises OSError."""
    _checked(_libc.setns(descriptor, kinds), "setns")


def unshare(kinds: int) -> None:
    """Leave the caller's namespaces `kinds` for new ones (unshare(2)). Raises OSError."""
    _checked(_libc.unshare(kinds), "unshare")


def adopt_orphans() -> None:
    """Become the parent of all orphaned descendants (PR_SET_CHILD_SUBREAPER)."""
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def die_with_parent(signal: int) -> None:
    """Get `signal` when the parent ends (PR_SET_PDEATHSIG)."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl")


def forgo_privileges() -> None:
    """Let no program that is executed from now on gain privileges (PR_SET_NO_NEW_PRIVS)."""
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def inherit_capabilities() -> None:
    """Let the next program of root's have all our capabilities, whatever the bounding set is then."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    data = ctypes.create_string_buffer(24)
    _checked(_libc.capget(header, data), "capget")
    effective, permitted, _, effective2, permitted2, _ = struct.unpack("=6I", data.raw)
    given = struct.pack("=6I", effective, permitted, permitted, effective2, permitted2, permitted2)
    _checked(_libc.capset(header, given), "capset")


def bound_capabilities(kept: frozenset[int]) -> None:
    """Drop all capabilities but `kept` from the bounding set, so that no program executed later has them."""
    for number in range(_LAST_CAPABILITY + 1):
        if number not in kept:
            # EINVAL: this kernel knows no capability of that number
            _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)


def namespaces_apart(pid: int) -> int:
    """Return the kinds of namespaces, as bits for `setns`, in which `pid` is not where we are."""
    kinds = 0
    for name, bit in NAMESPACES.items():
        try:
            if os.stat(f"/proc/{pid}/ns/{name}").st_ino != os.stat(f"/proc/self/ns/{name}").st_ino:
                kinds |= bit
        except OSError:
            continue
    return kinds


def loopback_up() -> None:
    """Bring lo up in the network namespace that we are in, with its addresses. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        # struct ifreq: the name in 16 bytes, then the flags (netdevice(7))
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
