"""Messages between commands, keepers and supervisors."""

from __future__ import annotations

import os
import socket

import pytest

from zun_compose.drivers.local import wire


def test_a_message_with_a_file_arrives_as_it_was_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, open(os.devnull, "rb") as file:
        wire.send(ours, {"do": "look"}, [file.fileno()])
        body, (received,) = wire.receive(theirs)
        assert body == {"do": "look"}
        assert os.fstat(received).st_rdev == os.fstat(file.fileno()).st_rdev
        os.close(received)


def test_one_who_has_it_all_may_be_gone_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    whole = socket.send_fds

    def answered(connection, frames, files):
        sent = whole(connection, frames, files)
        theirs.close()
        return sent

    monkeypatch.setattr(socket, "send_fds", answered)
    with ours, open(os.devnull, "rb") as file:
        wire.send(ours, {"do": "execute"}, [file.fileno()])
