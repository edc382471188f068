from __future__ import annotations

import os
import time

from zun_compose.drivers.local.loop import Loop


def test_what_is_due_is_called_once() -> None:
    loop, called = Loop(), []
    now = time.monotonic()
    loop.at("second", now, lambda: called.append("second"))
    loop.at("never", now + 60, lambda: called.append("never"))
    loop.at("second", now - 1, lambda: called.append("second anew"))
    loop.turn()
    loop.turn(0)
    assert called == ["second anew"]


def test_what_an_earlier_one_cancelled_or_put_off_is_not_called() -> None:
    loop, called = Loop(), []
    now = time.monotonic()

    def first() -> None:
        called.append("first")
        loop.cancel("cancelled")
        loop.at("put off", time.monotonic() + 60, lambda: called.append("later"))

    loop.at("first", now, first)
    loop.at("cancelled", now, lambda: called.append("cancelled"))
    loop.at("put off", now, lambda: called.append("put off"))
    loop.turn(0)
    loop.turn(0)
    assert called == ["first"]


def test_a_file_that_can_be_read_wakes_it_until_it_is_forgotten() -> None:
    loop, called = Loop(), []
    reader, writer = os.pipe()
    loop.watch(reader, lambda: called.append(os.read(reader, 1)))
    os.write(writer, b"ab")
    loop.turn()
    assert loop.watches(reader)
    loop.forget(reader)
    assert not loop.watches(reader)
    loop.turn(0)
    assert called == [b"a"]
    os.close(reader)
    os.close(writer)
