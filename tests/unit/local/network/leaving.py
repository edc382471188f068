"""What the way out must do, from inside; run by test_egress.py, which starts slirp4netns for it."""

from __future__ import annotations

import os
import sys

from tests.unit.local.network.lab import Container, enter
from tests.unit.local.network.wired import BACK, FRONT, nic, refused, says, serving, stack
from zun_compose.drivers.local.network import egress

if __name__ == "__main__":
    host, port = sys.argv[1], int(sys.argv[2])
    enter()
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    assert sys.stdin.readline() == "go\n"
    network = stack()
    one, two, inner = Container(), Container(), Container()
    network.attach(one.pid, [nic(FRONT, 1)])
    network.attach(two.pid, [nic(FRONT, 2)])
    network.attach(inner.pid, [nic(BACK, 3)])
    serving(inner, 80, b"inner")
    assert one.run(lambda: refused(host, port)) == "TimeoutError"
    network.open_way_out(egress.guard())
    assert one.run(lambda: says(host, port)) == "outside"
    assert inner.run(lambda: refused(host, port)) == "Network is unreachable"
    # The way out joins no networks of the stack.
    assert two.run(lambda: refused("10.72.0.4", 80)) == "TimeoutError"
    assert two.run(lambda: says(host, port)) == "outside"
    sys.stdout.write("done\n")
    sys.stdout.flush()
    sys.stdin.readline()
