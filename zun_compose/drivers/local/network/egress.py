"""The way out of a stack's network namespace: slirp4netns where it is installed, else there is none.

slirp4netns runs in the machine's namespaces and answers for a tap device inside the stack's; `nft`
lets containers use it without joining the stack's networks with each other. IPv4 only.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from zun_compose.errors import Unavailable

DEVICE = "zcout"
# Of the space for benchmarks (RFC 2544), which neither machines nor our own subnets use.
SUBNET = "198.19.255.0/24"
# slirp4netns answers name queries here with the machine's own resolver.
NAMESERVER = "198.19.255.3"
_TUN = "/dev/net/tun"
_PATIENCE = 5.0

# Out is free; in comes only what answers. What goes from bridge to bridge meets the policy.
_RULES = f"""
table ip zun_compose {{
    chain forward {{
        type filter hook forward priority 0; policy drop;
        oifname "{DEVICE}" accept
        iifname "{DEVICE}" ct state established,related accept
    }}
    chain out {{
        type nat hook postrouting priority 100;
        oifname "{DEVICE}" masquerade
    }}
}}
"""


def available() -> str | None:
    """Return the program that can give a way out, None if something for it is missing."""
    program = shutil.which("slirp4netns")
    if program is None or shutil.which("nft") is None or not os.access(_TUN, os.R_OK | os.W_OK):
        return None
    return program


def start(pid: int, lifeline: int) -> subprocess.Popen[bytes]:
    """Give the network namespace of a process a way out; returns once it is there.

    Runs in the machine's own namespaces. The program ends when the other end of `lifeline` (the
    reading end of a pipe) is closed: only the namespace's keeper should hold that. It would keep the
    namespace alive otherwise. Raises Unavailable.
    """
    program = available()
    if program is None:
        raise Unavailable("there is no way out of the stack's network: install slirp4netns and nftables")
    ready, report = os.pipe()
    try:
        process = subprocess.Popen(
            [
                program,
                "--configure",
                "--mtu=1500",
                # What listens on the machine's loopback only is not for containers.
                "--disable-host-loopback",
                f"--cidr={SUBNET}",
                f"--ready-fd={report}",
                f"--exit-fd={lifeline}",
                str(pid),
                DEVICE,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(report, lifeline),
            start_new_session=True,
            cwd="/",
        )
    except OSError as error:
        os.close(ready)
        raise Unavailable(f'cannot run "slirp4netns": {error.strerror}', reason=str(error.strerror)) from None
    finally:
        os.close(report)
    try:
        # The pipe's end is an answer too: the program gave up.
        answered, _, _ = select.select([ready], [], [], _PATIENCE)
        if answered and os.read(ready, 1):
            return process
    finally:
        os.close(ready)
    process.kill()
    process.wait()
    raise Unavailable('"slirp4netns" gave the stack no way out: may this user make tap devices?')


def guard() -> int:
    """Set the rules that let containers out, inside the namespace; returns the device's index.

    To be called once, after `start`. Raises Unavailable, OSError.
    """
    deadline = time.monotonic() + _PATIENCE
    index = 0
    while not index:
        with suppress(OSError):
            index = socket.if_nametoindex(DEVICE)
        if not index and time.monotonic() > deadline:
            raise Unavailable("the device of the way out did not come")
    _leave_bridges_alone()
    done = subprocess.run(["nft", "-f", "-"], input=_RULES, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(
            "containers get no way out: nft cannot translate addresses here", reason=done.stderr.strip()
        )
    return index


def _leave_bridges_alone() -> None:
    """Keep the rules away from what stays on one network.

    Where br_netfilter is loaded, as on every machine that has run Docker, a new namespace shows bridged
    packets to the rules of forwarding too (net.bridge.bridge-nf-call-*, ip-sysctl.rst), and ours drop them.
    """
    for family in ("arp", "ip", "ip6"):
        with suppress(FileNotFoundError):
            Path(f"/proc/sys/net/bridge/bridge-nf-call-{family}tables").write_text("0")


def machine_address() -> str | None:
    """Return the machine's own address towards elsewhere, for "host-gateway"; None if it has none.

    Runs in the machine's own namespaces. Nothing is sent.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return address
