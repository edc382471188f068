from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest

from tests.unit.local.network.lab import ROOT
from zun_compose.drivers.local.network import egress
from zun_compose.errors import Unavailable


def answering(server):
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            connection.sendall(b"outside")


def test_nothing_installed_is_no_way_out(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert egress.available() is None
    reader, writer = os.pipe()
    try:
        with pytest.raises(Unavailable, match="install slirp4netns"):
            egress.start(os.getpid(), reader)
    finally:
        os.close(reader)
        os.close(writer)


def test_containers_reach_the_machine_and_the_program_ends_with_its_lifeline():
    host = egress.machine_address()
    if egress.available() is None or host is None:
        pytest.skip(
            "needs slirp4netns, nftables, a tun device that we may use, and a machine with an address"
        )
    with socket.create_server((host, 0)) as server:
        threading.Thread(target=answering, args=(server,), daemon=True).start()
        command = [
            sys.executable,
            "-m",
            "tests.unit.local.network.leaving",
            host,
            str(server.getsockname()[1]),
        ]
        keeper = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        reader, writer = os.pipe()
        assert keeper.stdout is not None
        try:
            way = egress.start(int(keeper.stdout.readline()), reader)
            os.close(reader)
            output, errors = keeper.communicate("go\n", timeout=60)
            assert output == "done\n", errors
        finally:
            keeper.kill()
            keeper.wait()
            os.close(writer)
        assert way.wait(10) is not None
        server.shutdown(socket.SHUT_RDWR)


def test_a_process_that_is_gone_gets_no_way_out():
    if egress.available() is None:
        pytest.skip("needs slirp4netns, nftables and a tun device that we may use")
    process = subprocess.Popen(["true"])
    process.wait()
    reader, writer = os.pipe()
    try:
        with pytest.raises(Unavailable):
            egress.start(process.pid, reader)
    finally:
        os.close(reader)
        os.close(writer)
