"""Commands and containers joined to our own stdin, stdout and stderr.

A terminal is a websocket of Zun's. Without one, output comes from files or logs, its two streams apart; a
container's stdin goes through its websocket all the same.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from threading import Thread
from typing import Any

from zun_compose.driver import Session
from zun_compose.drivers.zun.containers import Containers, short
from zun_compose.drivers.zun.faults import translated
from zun_compose.drivers.zun.jobs import Job, NoShell
from zun_compose.drivers.zun.logs import Logs
from zun_compose.errors import Conflict, DriverError, DriverTimeout, Unavailable
from zun_compose.pump import Pump, Size, write

_PIECE = 256 * 1024
_ENDING = 5.0
"""Seconds that a container may take to end after its terminal has."""

_OTHER_SIZE = (24, 79)


class Terminals(Containers):
    """The capability Terminal over one cloud."""

    def execute_attached(self, container: str, command: Sequence[str], session: Session) -> int:
        """Run a command with our streams joined to it, for as long as it takes; 0 at once if detached.

        If we are interrupted, it is ended. Raises Unsupported for what the container's image has no programs
        for, before anything runs.
        """
        doing = f'run a command in container "{short(container)}"'
        job = Job(self._cloud, container, doing)
        try:
            try:
                job.prepare(command, session)
            except NoShell:
                if _wants_more(session):
                    raise
                return self._bare(container, command, doing)
            if session.detach:
                job.begin_detached()
                return 0
            if session.tty:
                return self._in_terminal(container, job, session, doing)
            return _carried(job, stdin=session.stdin)
        finally:
            job.end()

    def _bare(self, container: str, command: Sequence[str], doing: str) -> int:
        """Run a command where there is no shell: for as long as Zun waits."""
        try:
            with translated(doing):
                done = self._cloud.zun.execute_container(container, list(command))
        except DriverTimeout as error:
            raise DriverTimeout(
                f'{error}; the image has no "sh", by which commands may last longer', reason=error.reason
            ) from None
        write(1, _bytes(str(done.output)))
        return int(done.exit_code or 0)

    def _in_terminal(self, container: str, job: Job, session: Session, doing: str) -> int:
        begun = job.in_terminal()

        def resize(size: Size) -> None:
            # it has not begun yet, or has just ended; the next change of size tries again
            with suppress(DriverError), translated("resize the terminal"):
                self._cloud.zun.resize_container_exec(container, begun.exec_id, height=size[0], width=size[1])

        with Pump(self._opened(begun.url, doing), session, resize) as pump, translated(doing):
            pump.run()
        return job.code()

    def start_attached(self, container: str, session: Session) -> int:
        """Start it, join our streams until it ends; 0 at once if detached. A failure of ours ends it.

        Zun lets nobody in before the start: what was written by then is taken from the log.
        """
        if session.detach:
            self.start(container)
            return 0
        doing = f'attach to container "{short(container)}"'
        with translated(doing):
            made = self._cloud.zun.get_container(container)
        try:
            self.start(container)
            if made.tty and made.interactive:
                self._shown(container, session, doing)
            else:
                with self._fed(container, doing, wanted=bool(made.interactive) and session.stdin):
                    self._followed(container)
            return self.wait(container)
        except BaseException:
            with suppress(DriverError):
                self.kill(container, "SIGKILL")
            raise

    def _followed(self, container: str) -> None:
        for line in Logs(self._cloud).logs(container, follow=True):
            write(2 if line.stream == "stderr" else 1, _bytes(f"{line.text}\n"))

    def _shown(self, container: str, session: Session, doing: str) -> None:
        """Join a container's terminal to ours; one that has ended by now is told by its log."""
        log = Logs(self._cloud)
        early = log.whole(container)
        try:
            stream = self._attached(container, doing)
        except Conflict:
            self._followed(container)
            return

        def resize(size: Size) -> None:
            with suppress(DriverError), translated("resize the terminal"):
                self._cloud.zun.resize_container_tty(container, height=size[0], width=size[1])

        with Pump(stream, session, resize) as pump:
            shown = log.whole(container)
            write(1, _bytes(shown))
            # a line without an end, such as a prompt, is in no log; it is written again when the size changes
            resize(_OTHER_SIZE)
            with translated(doing):
                pump.run(_without(_bytes(shown[len(early) :])))
        try:
            self.wait(container, _ENDING)
        except DriverTimeout:
            raise Unavailable(f"cannot {doing}: its websocket broke before its end") from None

    @contextmanager
    def _fed(self, container: str, doing: str, *, wanted: bool) -> Iterator[None]:
        """Carry our stdin to a container while it runs."""
        if not wanted:
            yield
            return
        first = _ready()
        try:
            stream = self._attached(container, doing)
        except Conflict:
            yield
            return
        except Unavailable:
            if first == b"":
                # most containers never ask for the end of a stdin that has nothing
                yield
                return
            raise

        def carry() -> None:
            with suppress(DriverError, OSError), Pump(stream, Session(stdin=first != b""), _nothing) as pump:
                if first:
                    stream.send(first)
                elif first is not None:
                    stream.end_input()
                with translated(doing):
                    # what it writes is read from its log, where the streams are apart
                    pump.run(_nothing)

        carrier = Thread(target=carry, name="stdin", daemon=True)
        carrier.start()
        try:
            yield
        finally:
            stream.cut()
            carrier.join(2.0)

    def _attached(self, container: str, doing: str) -> _Connection:
        """Join a container's own streams. Raises Conflict for one that has ended."""
        with translated(doing):
            url = str(self._cloud.zun.get_container_attach_url(container))
        return self._opened(url, doing)

    def _opened(self, url: str, doing: str) -> _Connection:
        from zun_compose.openstack import terminal

        with translated(doing):
            return _Connection(terminal.Terminal.open(self._cloud.zun, url))


class _Connection:
    """A websocket as a Pump has its streams."""

    def __init__(self, terminal: Any) -> None:
        self._terminal = terminal
        self.read: Callable[[int], bytes] = terminal.read
        self.cut: Callable[[], None] = terminal.cut
        self.close: Callable[[], None] = terminal.close

    def send(self, data: bytes) -> None:
        self._do(lambda: self._terminal.send(data))

    def end_input(self) -> None:
        self._do(self._terminal.end_input)

    def _do(self, call: Callable[[], None]) -> None:
        try:
            with translated("write"):
                call()
        except Unavailable as error:
            raise ConnectionError(str(error)) from None


class _Feeder:
    """Hands our stdin to a job, in a thread of its own."""

    def __init__(self, job: Job, first: bytes | None) -> None:
        self.failure: DriverError | None = None
        self._job = job
        self._first = first
        self._awake, self._wake = os.pipe()
        self._thread = Thread(target=self._run, name="stdin", daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.write(self._wake, b"q")
        self._thread.join()
        os.close(self._wake)
        os.close(self._awake)

    def _run(self) -> None:
        data = self._first
        try:
            while data != b"":
                if data:
                    self._job.feed(data)
                ready, _, _ = select.select([0, self._awake], [], [])
                if self._awake in ready:
                    return
                data = os.read(0, _PIECE)
            self._job.feed(b"")
        except DriverError as error:
            self.failure = error


def _carried(job: Job, *, stdin: bool) -> int:
    """Run a prepared job to its end with our streams; returns its exit code."""
    first = _ready() if stdin else b""
    seen = job.begin(stdin=first != b"")
    with closing(_Feeder(job, first)) if first != b"" else nullcontext() as feeder:
        while True:
            write(1, seen.out)
            write(2, seen.err)
            if seen.over:
                return seen.code or 0
            if feeder is not None and feeder.failure is not None:
                raise feeder.failure
            seen = job.look()


def _ready() -> bytes | None:
    """Return what our stdin holds now; b"" if it has ended, None if it says nothing yet."""
    try:
        ready, _, _ = select.select([0], [], [], 0)
        return os.read(0, _PIECE) if ready else None
    except (OSError, ValueError):
        return b""


def _without(known: bytes) -> Callable[[bytes], None]:
    """Return what writes to our stdout and leaves out as much of the beginning as ends `known`."""
    rest = [known]

    def take(data: bytes) -> None:
        if rest[0]:
            tail, rest[0] = rest[0], b""
            same = (count for count in range(min(len(tail), len(data)), 0, -1) if tail.endswith(data[:count]))
            data = data[next(same, 0) :]
        write(1, data)

    return take


def _wants_more(session: Session) -> bool:
    return bool(session.tty or session.detach or session.environment or session.user or session.working_dir)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _nothing(data: object) -> None:
    """Take anything and do nothing with it."""
